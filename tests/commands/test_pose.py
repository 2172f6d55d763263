import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from augmented import content
from commandline import reidaug
from drawn_person import drawn_person
from PIL import Image

from reidaug.data.images import read_image, read_mask
from reidaug.data.keypoints import read_keypoints
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError
from reidaug.perception.dataset_poses import crops_of, estimate_poses

pytestmark = pytest.mark.usefixtures("blazepose")


def test_a_market_root_gets_keypoints_masks_and_a_summary(
    drawn_root: Path, tmp_path: Path, capfd
) -> None:
    Image.new("RGB", (64, 128)).save(drawn_root / TRAIN / "0009_c1s1_000900_01.jpg")
    (drawn_root / TRAIN / "0009_c1s1_000901_01.jpg").write_text("text")
    out = tmp_path / "new" / "poses.csv"
    flags = ("--out", out, "--masks", tmp_path / "new" / "masks", "--workers", 1)
    assert reidaug("pose", drawn_root, *flags) == 0
    printed = capfd.readouterr()
    assert (
        "8 crops: 6 with a person (0 of them found at a second try), 1 without, 1 not readable"
        in printed.out
    )
    assert "visible joints: nose 100%, neck 100%" in printed.out
    assert "2 of 8 crops left out:" in printed.err
    assert "0009_c1s1_000900_01.jpg: nobody found in it" in printed.err
    assert "XNNPACK" not in printed.err
    assert {p.name for p in out.parent.iterdir()} == {
        "masks", "poses.csv", "poses.checksums.json", "poses.left_out.txt",
        "poses.provenance.parquet", "poses.report.json", "poses.sheet.png", ".poses.csv.estimates",
    }  # fmt: skip
    poses = read_keypoints(out).poses
    assert len(poses) == 6
    for name, pose in poses.items():
        pid, k = int(name[:4]), int(name[6]) - 1
        _, xy = drawn_person((128, 64), 10 * pid + k)
        off = (pose.xy - torch.from_numpy(xy).float()).norm(dim=-1)[pose.visible]
        assert float(off.max()) < 0.1 * 128
        mask = read_mask(tmp_path / "new" / "masks" / name.replace(".jpg", ".png"))
        assert mask.shape == (128, 64)
        assert 0.15 < float(mask.float().mean()) < 0.6
    assert len(list((tmp_path / "new" / "masks").iterdir())) == 6
    report = json.loads((tmp_path / "new" / "poses.report.json").read_text())
    assert report["network"] == "full" and report["crops_per_s"] > 0
    assert read_image(tmp_path / "new" / "poses.sheet.png").shape[2] > 100
    before = content(out.parent)
    assert reidaug("pose", drawn_root, *flags) == 0
    assert content(out.parent) == before
    assert "pose: " not in capfd.readouterr().err


def test_crops_without_anybody_end_with_an_error(tmp_path: Path, capfd) -> None:
    (tmp_path / "crops").mkdir()
    for k in range(3):
        Image.new("RGB", (64, 128), (90 + k, 120, 60)).save(tmp_path / "crops" / f"{k}.png")
    out = tmp_path / "p.csv"
    for _ in range(2):  # the second reads the kept estimates
        assert reidaug("pose", tmp_path / "crops", "--out", out, "--workers", 1) == 1
        error = capfd.readouterr().err.splitlines()[-1]
        assert error.startswith("reidaug: nobody was found in any of 3 crops, and no command takes")
    with pytest.raises(ReidaugError, match="not one usable pose in it"):
        read_keypoints(out)


@pytest.mark.slow
def test_killed_and_run_again_equals_an_uninterrupted_run(tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    for k in range(130):
        drawn_person((32, 16), k)[0].save(crops / f"{k:03d}.png")
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for folder in (killed, whole):
        folder.mkdir()
    command = [sys.executable, "-m", "reidaug", "pose", str(crops), "--workers", "1"]
    command += ["--out", str(killed / "p.csv"), "--masks", str(killed / "masks")]
    with subprocess.Popen(
        command, start_new_session=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        records = killed / ".p.csv.records"
        for _ in range(6000):
            if any(records.glob("*.json")) or process.poll() is not None:
                break
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (killed / "p.csv").exists()
    assert any(records.glob("*.json"))
    # As if the kill had met a file half written.
    for half in (".p.csv.1.part", "masks/.000.png.1.part"):
        (killed / half).write_bytes(b"h")
    images = crops_of(crops).crops
    estimate_poses(images, killed / "p.csv", masks=killed / "masks", workers=2)
    estimate_poses(images, whole / "p.csv", masks=whole / "masks", workers=1)
    assert content(killed) == content(whole)
    assert not records.exists()


def spoil_nothing(drawn_root: Path) -> None:
    pass


def only_text(drawn_root: Path) -> None:
    for path in (drawn_root / TRAIN).iterdir():
        path.write_text("text")


def a_colon(drawn_root: Path) -> None:
    next((drawn_root / TRAIN).iterdir()).rename(drawn_root / TRAIN / "0001_c1:s1.jpg")


def equal_stems(drawn_root: Path) -> None:
    first = min((drawn_root / TRAIN).iterdir())
    first.with_suffix(".png").write_bytes(first.read_bytes())


@pytest.mark.parametrize(
    ("spoil", "flags", "code", "says"),
    [
        (spoil_nothing, ["--out", "o/p.json"], 2, "name a file that ends in .csv"),
        (spoil_nothing, ["--out", "o/p.csv", "--model", "no.tflite"], 1, "no pose model to read"),
        (spoil_nothing, ["--out", "o/p.csv", "--masks", f"market/{TRAIN}"], 2, "the crops are"),
        (spoil_nothing, ["--out", "o/p.csv", "--splits", "val"], 2, "--splits val"),
        (only_text, ["--out", "o/p.csv", "--masks", "o/m"], 1, "not one of 6 crops can be read"),
        (a_colon, ["--out", "o/p.csv"], 1, "cannot stand in a keypoint file; rename it"),
        (equal_stems, ["--out", "o/p.csv", "--masks", "o/m"], 2, ".png; rename one of them"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    drawn_root: Path, monkeypatch, capfd, spoil, flags: list[str], code: int, says: str
) -> None:
    monkeypatch.chdir(drawn_root.parent)
    spoil(drawn_root)
    before = content(drawn_root)
    assert reidaug("pose", drawn_root, "--workers", 1, *flags) == code
    printed = capfd.readouterr().err
    assert says in printed and "Traceback" not in printed
    assert content(drawn_root) == before
    assert not Path("o").exists()


def test_files_of_another_run_are_never_overwritten(drawn_root: Path, tmp_path: Path) -> None:
    crops = crops_of(drawn_root).crops
    out, masks = tmp_path / "p.csv", tmp_path / "masks"
    out.write_text("years of work")
    with pytest.raises(ReidaugError, match="is there already, and not of these crops"):
        estimate_poses(crops, out, workers=1)
    assert out.read_text() == "years of work"
    out.unlink()
    masks.mkdir()
    (masks / f"{crops[2].stem}.png").write_bytes(b"cut out by hand")
    with pytest.raises(ReidaugError, match="name another folder with --masks"):
        estimate_poses(crops, out, masks=masks, workers=1)
    assert [p.read_bytes() for p in masks.iterdir()] == [b"cut out by hand"]
    estimate_poses(crops, out, workers=1)
    for k, path in enumerate(crops[:4]):  # of six: another dataset
        drawn_person((64, 32), 50 + k)[0].save(path)
    before = content(tmp_path)
    with pytest.raises(ReidaugError, match="is there already, and not of these crops"):
        estimate_poses(crops, out, workers=1)
    assert content(tmp_path) == before


def test_what_is_missing_of_a_finished_run_is_made_again(
    drawn_root: Path, tmp_path: Path, capfd
) -> None:
    out, masks = tmp_path / "p.csv", tmp_path / "masks"
    assert reidaug("pose", drawn_root, "--out", out, "--workers", 1) == 0
    before = content(tmp_path)
    (tmp_path / "p.left_out.txt").unlink()
    assert reidaug("pose", drawn_root, "--out", out, "--workers", 1) == 0
    assert content(tmp_path) == before
    masks.mkdir()
    for k in range(9):  # of other crops
        (masks / f"other{k}.png").write_bytes(b"")
    assert reidaug("pose", drawn_root, "--out", out, "--masks", masks, "--workers", 1) == 0
    assert len(list(masks.iterdir())) == 9 + 6
    assert capfd.readouterr().err.count("pose: 6/6") == 3
    (tmp_path / "p.report.json").write_text("[]")
    assert reidaug("pose", drawn_root, "--out", out, "--masks", masks, "--workers", 1) == 0
    assert json.loads((tmp_path / "p.report.json").read_text())["people"] == 6
    both = [tmp_path / name for name in ("p.report.json", "p.checksums.json")]
    for path in both:  # the record of the keypoint file tells that these are its own
        path.write_text("[]")
    assert reidaug("pose", drawn_root, "--out", out, "--workers", 1) == 0
    assert json.loads((tmp_path / "p.report.json").read_text())["people"] == 6
    for path in (out, *both):  # nothing tells that
        path.write_text("[]")
    assert reidaug("pose", drawn_root, "--out", out, "--workers", 1) == 1
    assert "name another file with --out" in capfd.readouterr().err
    assert out.read_text() == "[]"


def test_without_the_extra_both_commands_name_it(
    drawn_root: Path, tmp_path: Path, monkeypatch, capfd
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    assert reidaug("pose", drawn_root, "--out", tmp_path / "p.csv") == 2
    assert "pip install 'reidaug[pose]'" in capfd.readouterr().err
    assert reidaug("augment", drawn_root, "--out", tmp_path / "out", "--flow", "identity") == 2
    printed = capfd.readouterr().err
    assert "pip install 'reidaug[pose]'" in printed and "--keypoints FILE" in printed
    assert not (tmp_path / "out").exists()
