from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from augmented import augmented, content
from stick_market import stick_market

from reidaug.augment.outlines import target_outlines
from reidaug.augment.shipped_poses import (
    COUNT,
    FILE,
    SIZE,
    is_shipped,
    load_shipped,
    save_shipped,
    shipped_name,
    shipped_outline,
    shipped_targets,
)
from reidaug.augment.target_poses import POSES, choose, read_poses
from reidaug.augment.viewpoint import facing
from reidaug.augment.warp_manifest import MANIFEST
from reidaug.data.images import read_image
from reidaug.data.manifest import read_manifest
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import TORSO, select


def test_the_file_is_small_and_written_as_it_was_read() -> None:
    shipped = load_shipped()
    saved = save_shipped(shipped)
    assert saved == (files("reidaug.augment") / FILE).read_bytes()
    assert len(saved) < 60_000
    assert shipped.pose.xy.shape == (COUNT, 18, 2)
    assert shipped.outline.shape == (COUNT, *SIZE)
    assert shipped.posture.shape == (COUNT, len(shipped.angles))


def test_people_are_whole_and_seen_from_all_sides() -> None:
    shipped = load_shipped()
    outline = shipped.outline
    edge = torch.cat((outline[:, [0, -1]].flatten(1), outline[:, :, [0, -1]].flatten(1)), 1)
    assert not edge.any()
    assert shipped.pose.visible[:, list(TORSO)].all()
    turns = np.sort(shipped.yaw % (2 * np.pi))
    np.testing.assert_allclose(np.diff(turns), 2 * np.pi / COUNT, atol=1e-5)
    # The joints show the side that the yaw names.
    assert np.corrcoef(np.cos(shipped.yaw), facing(shipped.pose).numpy())[0, 1] > 0.95


def test_poses_are_drawn_by_the_same_rule_as_those_of_a_dataset() -> None:
    shipped = load_shipped()
    poses = {shipped_name(k): select(shipped.pose, k) for k in range(COUNT)}
    for how in ("random", "medoids"):
        targets = shipped_targets(7, how=how, seed=3)
        assert targets.images == choose(poses, 7, how=how, seed=3).images
        for k, name in enumerate(targets.images):
            assert torch.equal(targets.pose.xy[k], poses[name].xy)
    assert sorted(shipped_targets(COUNT).images) == sorted(poses)
    with pytest.raises(ReidaugError):
        shipped_targets(COUNT + 1)


def test_joints_and_outlines_are_rescaled_together() -> None:
    small, large = shipped_targets(5, seed=1), shipped_targets(5, size=(256, 192), seed=1)
    assert large.size == (256, 192)
    scale = torch.tensor([191 / 63, 255 / 127])
    torch.testing.assert_close(large.pose.xy, small.pose.xy * scale)
    outlines = target_outlines(large, None).outline
    for name, outline in zip(large.images, outlines, strict=True):
        own = shipped_outline(name, SIZE)
        assert own is not None
        assert abs(float(outline.float().mean() - own.float().mean())) < 0.01
        assert torch.equal(outline, shipped_outline(name, (256, 192)))


def test_names_of_images_are_no_shipped_poses() -> None:
    assert is_shipped("shipped_017") and shipped_name(17) == "shipped_017"
    for name in ("shipped_017.jpg", "0002_c1s1_000451_03.jpg", "shipped_", "17"):
        assert not is_shipped(name)
        assert shipped_outline(name, SIZE) is None


def test_a_dataset_is_warped_into_shipped_poses(tmp_path: Path) -> None:
    root = stick_market(tmp_path / "market", people=2, images=2)
    options = {"flow": "torso-affine", "poses": 4, "poses_from": "shipped", "seed": 2}
    report = augmented(root, tmp_path / "out", **options)
    assert (report.images, report.pose_masks, report.refused) == (16, 4, {})
    targets = read_poses(tmp_path / "out" / POSES)
    assert targets.images == shipped_targets(4, seed=2).images
    rows = list(read_manifest(tmp_path / "out" / MANIFEST))
    assert {row["pose_image"] for row in rows} == set(targets.images)
    # Grey lies around the outline of the pose.
    for row in rows:
        outline = shipped_outline(row["pose_image"], (64, 32))
        assert outline is not None
        image = read_image(tmp_path / "out" / "bounding_box_train" / row["file"]).float()
        away = torch.nn.functional.max_pool2d(outline[None].float(), 9, 1, 4)[0] == 0
        assert float((image[:, away] - 128).abs().max()) < 12
    augmented(root, tmp_path / "again", **options)
    assert content(tmp_path / "again") == content(tmp_path / "out")
