from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from stick_market import stick_market

from reidaug.augment.inputs import (
    AugmentInputs,
    choose_targets,
    join_poses,
    read_inputs,
)
from reidaug.augment.missing_poses import PoseFrom
from reidaug.augment.options import AugmentOptions
from reidaug.augment.pose_pool import Pool, Refusal
from reidaug.augment.posed_crops import PosedCrops
from reidaug.augment.shipped_poses import shipped_targets
from reidaug.augment.target_poses import TargetPoses
from reidaug.data.images import channels_last, encode_png, read_image
from reidaug.data.keypoints import read_keypoints, write_patn
from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import Pose, mirror, stack
from reidaug.geometry.silhouette import silhouette
from reidaug.perception.pose_estimator import PoseEstimate


def inputs_of(root: Path, count: int) -> AugmentInputs:
    dataset = read_market1501(root, splits=(TRAIN,))
    return read_inputs(dataset, root / "market-annotation-train.csv", AugmentOptions(poses=count))


def test_images_that_cannot_be_read_are_no_candidate_target_poses(tmp_path: Path) -> None:
    root = stick_market(tmp_path / "market", people=2, images=2)
    names = sorted(p.name for p in (root / TRAIN).iterdir())
    (root / TRAIN / names[0]).write_text("text")
    inputs = inputs_of(root, 3)
    assert sorted(inputs.targets.images) == names[1:]
    assert len(inputs.sources) == 4
    with pytest.raises(
        ReidaugError, match=r"only 3 of 4 .* 1 damaged file\); first damaged file: "
    ):
        inputs_of(root, 4)


def with_outlines(root: Path) -> dict[str, str]:
    """Give the images outlines, some of them bad: what is wrong with which image."""
    poses = read_keypoints(root / "market-annotation-train.csv").poses
    (root / "masks").mkdir()
    flaws = ("outline in pieces", "half a person", "no outline")
    wrong = dict(zip(sorted(poses)[::3], flaws, strict=False))
    for name, pose in poses.items():
        pose.visible[:] = True
        mask = silhouette(stack([pose]), (64, 32), radius=3.5)[0]
        match wrong.get(name):
            case "outline in pieces":
                mask[30:33] = False
            case "half a person":
                mask[40:] = False
            case "no outline":
                mask[:] = False
        (root / "masks" / f"{Path(name).stem}.png").write_bytes(encode_png(mask))
    write_patn(root / "market-annotation-train.csv", poses)
    return wrong


def test_images_with_a_bad_outline_are_no_target_poses(tmp_path: Path) -> None:
    root = stick_market(tmp_path / "market", people=3, images=3)
    wrong = with_outlines(root)
    masks = root / "masks"

    def targets(count: int, pool: str) -> TargetPoses:
        dataset = read_market1501(root, splits=(TRAIN,))
        options = AugmentOptions(poses=count, pool=pool, masks=masks)
        return read_inputs(dataset, root / "market-annotation-train.csv", options).targets

    chosen = targets(6, "good")
    assert len(wrong) == 3
    assert not set(chosen.images) & set(wrong)
    assert set(chosen.refused) <= {Refusal(*item) for item in wrong.items()}
    assert len(chosen.refused) > 0
    everyone = targets(9, "any")
    assert set(wrong) < set(everyone.images)
    assert everyone.refused == ()
    assert list(chosen.images) == [name for name in everyone.images if name not in wrong]
    with pytest.raises(ReidaugError, match=r"only 6 of 9 .* \(3 refused: 1 half a person, "):
        targets(7, "good")
    # Crops for a training loop have the same target poses.
    assert PosedCrops(root).targets(6).images == chosen.images
    assert PosedCrops(root).targets(9, pool="any").images == everyone.images


class SeesMirrored(NamedTuple):
    """An estimator that finds in each mirrored crop what it was prepared to."""

    found: dict[bytes, Pose]

    def estimate(self, image: np.ndarray) -> PoseEstimate:
        pose = mirror(self.found[image[:, ::-1].tobytes()], image.shape[1])
        return PoseEstimate(pose, torch.ones(18), 1.0, np.ones(image.shape[:2], dtype=bool))


def test_joints_that_differ_in_the_mirrored_crop_are_no_target_poses(tmp_path: Path) -> None:
    root = stick_market(tmp_path / "market", people=2, images=2)
    dataset = read_market1501(root, splits=(TRAIN,))
    sources, _ = join_poses(dataset, root / "market-annotation-train.csv")
    found = {}
    for k, source in enumerate(sources):
        image = channels_last(read_image(source.person.path))
        moved = 12.0 if k == 1 else 1.0  # a tenth of the height are 6.4 pixels
        found[image.tobytes()] = Pose(source.pose.xy + moved, source.pose.visible)
    judge = SeesMirrored(found)

    def targets(kind: PoseFrom, pool: Pool = "good") -> TargetPoses:
        some = [source._replace(pose_from=kind) for source in sources]
        return choose_targets(some, count=3, how="random", seed=3, pool=pool, estimator=judge)

    name = sources[1].person.path.name
    for seed in range(5):  # drawn or not, it is never chosen
        some = [source._replace(pose_from="first") for source in sources]
        chosen = choose_targets(some, count=3, how="random", seed=seed, estimator=judge)
        assert name not in chosen.images
    assert len(targets("given").images) == 3
    assert targets("given").refused == ()  # of another annotator: not the network's to judge
    assert len(targets("second", "any").images) == 3
    with pytest.raises(ReidaugError, match="4 refused: 4 found in a second try only"):
        targets("second")


def test_poses_of_the_package_have_the_size_of_the_dataset(tmp_path: Path) -> None:
    root = stick_market(tmp_path / "market", people=2, images=2)
    dataset = read_market1501(root, splits=(TRAIN,))
    options = AugmentOptions(poses=5, poses_from="shipped", seed=4)
    inputs = read_inputs(dataset, root / "market-annotation-train.csv", options)
    assert inputs.targets.size == (64, 32)
    assert inputs.targets.images == shipped_targets(5, seed=4).images
    own = read_inputs(
        dataset, root / "market-annotation-train.csv", AugmentOptions(poses=9), own_pose=True
    )
    assert (own.targets.size, own.targets.images) == ((64, 32), ())
