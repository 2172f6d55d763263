from pathlib import Path

import pytest
from stick_market import stick_market

from reidaug.augment.inputs import AugmentInputs, fingerprint, read_inputs
from reidaug.augment.options import AugmentOptions
from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import Pose


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
    with pytest.raises(ReidaugError, match="only 3 training images"):
        inputs_of(root, 4)


def test_a_fingerprint_changes_with_poses_and_weights(tmp_path: Path) -> None:
    inputs = inputs_of(stick_market(tmp_path / "market", people=2, images=2), 3)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"1")
    first = fingerprint(inputs, [weights])
    assert fingerprint(inputs, [weights]) == first
    weights.write_bytes(b"2")
    moved = inputs.sources[0]
    moved = moved._replace(pose=Pose(moved.pose.xy + 1, moved.pose.visible))
    changed = inputs._replace(sources=(moved, *inputs.sources[1:]))
    assert len({first, fingerprint(inputs, [weights]), fingerprint(changed, [weights])}) == 3
