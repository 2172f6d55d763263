"""Every command that takes keypoints refuses misplaced joints before any work, in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from augmented import EVERY
from commandline import reidaug
from small_pairs import write_pairs
from stick_market import stick_market
from torch import Tensor

from reidaug.augment.posed_crops import PosedCrops
from reidaug.augment.target_poses import poses_in
from reidaug.data.keypoints import read_keypoints, write_patn
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import OPENPOSE_18, Pose

KEYPOINTS = "market-annotation-train.csv"
SIZE = (64, 32)
TRAINING = """pairs: {}
size: [32, 16]
estimator: {{class: reidaug.flow.unwarpme.warping:UnWarpME, canvas: [32, 16]}}
schedule: {{steps: 2}}
stlpips: []
"""
WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "exchanged": lambda xy: xy.flip(-1),
    "shares": lambda xy: xy / torch.tensor([32.0, 64.0]),
    "half": lambda xy: xy / 2,
    "frame": lambda xy: xy + torch.tensor([700.0, 400.0]),
    "far": lambda xy: xy + 9e5,
}


def misplace(file: Path, way: str) -> None:
    poses = read_keypoints(file).poses
    moved = {name: Pose(WAYS[way](pose.xy), pose.visible) for name, pose in poses.items()}
    write_patn(file, moved, decimals=4)


@pytest.mark.parametrize("way", WAYS)
def test_every_command_stops_with_the_line_of_check(
    tmp_path: Path, way: str, capfd: pytest.CaptureFixture[str]
) -> None:
    root = stick_market(tmp_path / "market", people=4, images=3)
    file = root / KEYPOINTS
    misplace(file, way)
    report = tmp_path / "check.json"
    assert reidaug("check", root, "--json", report, "--workers", 1) == 1
    (found,) = (
        item for item in json.loads(report.read_text())["findings"]
        if item["stops"] and item["where"] == KEYPOINTS
    )  # fmt: skip
    capfd.readouterr()
    line = f"{found['what']}; {found['advice']}"
    out = tmp_path / "out"
    augment = ("--flow", "torso-affine", "--poses", 2, "--workers", 1)
    for command in (("augment", root, *augment), ("pairs", root)):
        assert reidaug(*command, "--out", out) == 1
        assert capfd.readouterr().err == f"reidaug: {file}: {line}\n"
        assert not out.exists()
    for read in (lambda: PosedCrops(root), lambda: poses_in(file, size=SIZE)):
        with pytest.raises(ReidaugError) as refused:
            read()
        assert str(refused.value) == f"{file}: {line}"


@pytest.mark.parametrize("file", ["fasion-annotation-train.csv", "fasion-annotation-test.csv"])
def test_a_flow_is_not_trained_on_misplaced_joints(
    tmp_path: Path, file: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pairs, out = write_pairs(tmp_path / "pairs"), tmp_path / "run"
    misplace(pairs / file, "half")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(TRAINING.format(pairs))
    assert reidaug("train-flow", recipe, "--out", out) == 1
    assert "are in the upper left of their image; they were made for" in capfd.readouterr().err
    assert not out.exists()


def test_more_keypoints_of_a_training_are_tested_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pairs = write_pairs(tmp_path / "pairs")
    more = tmp_path / "more.csv"
    more.write_bytes((pairs / "fasion-annotation-train.csv").read_bytes())
    misplace(more, "frame")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"{TRAINING.format(pairs)}more_keypoints: [{more}]\n")
    assert reidaug("train-flow", recipe, "--out", tmp_path / "run") == 1
    assert f"{more}: 100% of the visible joints are outside" in capfd.readouterr().err


def test_one_joint_far_outside_costs_its_crop_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = stick_market(tmp_path / "market", people=4, images=3)
    poses = read_keypoints(root / KEYPOINTS).poses
    name = min(poses)
    poses[name].visible[4] = True
    poses[name].xy[4] = torch.tensor([1e6, 3.0])
    write_patn(root / KEYPOINTS, poses)
    out = tmp_path / "out"
    command = ("augment", root, "--flow", "torso-affine", "--poses", 2, "--workers", 1, *EVERY)
    assert reidaug(*command, "--missing", "skip", "--out", out) == 0
    assert "22 images: 11 of 12" in capfd.readouterr().out
    assert (out / "left_out.txt").read_text() == (
        f"{root / KEYPOINTS}: {name}: right_wrist at (1e+06, 3) is outside its image of 64 x 32, "
        f"as 1 of {int(poses[name].visible.sum())} visible joints are\n"
    )
    assert reidaug("check", root, "--workers", 1) == 0
    assert "1 pose outside of the image" in capfd.readouterr().out


def test_a_bystander_is_nobody_and_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = stick_market(tmp_path / "market", people=3, images=2)
    poses = read_keypoints(root / KEYPOINTS).poses
    warps = []
    for first in (True, False):
        folder = tmp_path / f"openpose{int(first)}"
        folder.mkdir()
        for name, pose in poses.items():
            joints = [
                v for k in range(18) for v in (*pose.xy[k].tolist(), 0.9 * pose.visible[k].item())
            ]
            other = [v for k in range(18) for v in (26 + k / 9, 2 + k / 9, 0.95)]
            people = [{"pose_keypoints_2d": person} for person in (joints, other)]
            text = json.dumps({"people": people[:: 1 if first else -1]})
            (folder / f"{Path(name).stem}_keypoints.json").write_text(text)
        out = tmp_path / f"out{int(first)}"
        command = ("augment", root, "--flow", "torso-affine", "--poses", 2, "--workers", 1)
        assert reidaug(*command, "--keypoints", folder, "--out", out) == 0
        assert f"{folder}: 6 of 6 images show several people; the larg" in capfd.readouterr().err
        assert reidaug("check", root, "--keypoints", folder, "--workers", 1) == 0
        assert "6 of 6 images show several people" in capfd.readouterr().out
        warps.append({path.name: path.read_bytes() for path in (out / TRAIN).iterdir()})
    assert warps[0] == warps[1]
    assert len(OPENPOSE_18) == 18
