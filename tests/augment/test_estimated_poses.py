import json
from pathlib import Path

import pytest
from augmented import augmented, content
from commandline import reidaug

from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError

pytestmark = pytest.mark.usefixtures("blazepose")


def only_text(drawn_root: Path) -> None:
    for path in (drawn_root / TRAIN).iterdir():
        path.write_text("text")


def test_poses_and_masks_are_estimated_first(drawn_root: Path, tmp_path: Path, capfd) -> None:
    out = tmp_path / "out"
    flags = ("--flow", "joint-blend", "--poses", 3, "--workers", 1)
    assert reidaug("augment", drawn_root, "--out", out, *flags) == 0
    printed = capfd.readouterr()
    assert "poses and masks of 6 images" in printed.err
    assert "18 images: 6 of 6 training images in 3 poses" in printed.out
    assert {p.stem for p in (out / "pose" / "masks").iterdir()} == {
        p.stem for p in (drawn_root / TRAIN).iterdir()
    }
    assert json.loads((out / "report.json").read_text())["pose_masks"] == 3
    before = content(out)
    assert reidaug("augment", drawn_root, "--out", out, *flags) == 0
    assert content(out) == before
    # Named, they give the same warps.
    named = {"keypoints": out / "pose/keypoints.csv", "masks": out / "pose/masks"}
    again = tmp_path / "again"
    augmented(drawn_root, again, flow="joint-blend", poses=3, workers=1, **named)
    for path in (out / TRAIN).iterdir():
        assert (again / TRAIN / path.name).read_bytes() == path.read_bytes()


def test_other_runs_and_folders_stay_as_they_are(drawn_root: Path, tmp_path: Path) -> None:
    other, run = tmp_path / "other", tmp_path / "run"
    for folder, name in ((other, "thesis.tex"), (run, "recipe.yaml")):
        folder.mkdir()
        (folder / name).write_text("years of work")
        with pytest.raises(ReidaugError, match=r"holds no run|holds another run"):
            augmented(drawn_root, folder, flow="identity", workers=1)
        assert [p.name for p in folder.iterdir()] == [name]


def test_nothing_is_left_where_no_image_can_be_read(drawn_root: Path, tmp_path: Path) -> None:
    only_text(drawn_root)
    with pytest.raises(ReidaugError, match="not one of 6 crops can be read"):
        augmented(drawn_root, tmp_path / "out", flow="identity", workers=1)
    assert not (tmp_path / "out").exists()
