"""Estimated poses beside files of the user's, which stay as they are."""

from pathlib import Path

import pytest
from augmented import content
from commandline import reidaug
from drawn_person import drawn_person

from reidaug.errors import ReidaugError
from reidaug.jobs import Records
from reidaug.perception.dataset_poses import crops_of, estimate_poses
from reidaug.perception.pose_files import LEFT_OUT, REPORT, SHEET, beside
from reidaug.perception.provenance import provenance_file

pytestmark = pytest.mark.usefixtures("blazepose")


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """A folder of three crops."""
    folder = tmp_path / "crops"
    folder.mkdir()
    for k in range(3):
        drawn_person((64, 32), k)[0].save(folder / f"{k:03d}.png")
    return folder


@pytest.mark.parametrize("ending", [REPORT, LEFT_OUT, SHEET, "provenance"])
def test_a_file_of_the_users_beside_the_keypoints_is_not_overwritten(
    crops: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / "k.csv"
    own = provenance_file(out) if ending == "provenance" else beside(out, ending)
    own.write_text('{"mAP": "a year of work"}')
    before = content(tmp_path)
    with pytest.raises(ReidaugError, match=f"{own} is there already, and not of this command"):
        estimate_poses(crops_of(crops).crops, out, workers=1)
    assert content(tmp_path) == before
    assert estimate_poses(crops_of(crops).crops, tmp_path / "l.csv", workers=1).people == 3


def test_a_deleted_keypoint_file_is_made_again(crops: Path, tmp_path: Path) -> None:
    out = tmp_path / "k.csv"
    estimate_poses(crops_of(crops).crops, out, workers=1)
    before = content(tmp_path)
    out.unlink()
    estimate_poses(crops_of(crops).crops, out, workers=1)
    assert content(tmp_path) == before


def test_temporary_files_of_others_stay(crops: Path, tmp_path: Path) -> None:
    out, masks = tmp_path / "k.csv", tmp_path / "masks"
    masks.mkdir()
    others = [
        masks / ".001.psd.part", masks / ".video.mkv.77.part", masks / ".000.png.part",
        tmp_path / ".k.thesis.pdf.part", tmp_path / ".k.csv.backup.part",
    ]  # fmt: skip
    for path in others:
        path.write_text("half a download")
    estimate_poses(crops_of(crops).crops, out, masks=masks, workers=1)
    assert [path.read_text() for path in others] == ["half a download"] * len(others)
    out.unlink()
    Records(tmp_path / ".k.csv.records").write("masks", str(masks.resolve()))  # as if killed
    own = [
        masks / ".000.png.77.part",
        tmp_path / ".k.csv.77.part",
        tmp_path / ".k.sheet.png.7.part",
    ]
    for path in own:
        path.write_text("h")
    estimate_poses(crops_of(crops).crops, out, masks=masks, workers=1)
    assert not any(path.exists() for path in own)
    assert [path.read_text() for path in others] == ["half a download"] * len(others)
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".lock", ".records")]


def test_a_run_that_goes_on_overwrites_no_masks_of_another_folder(
    crops: Path, tmp_path: Path
) -> None:
    Records(tmp_path / ".k.csv.records").write("masks", str(tmp_path / "masks"))  # as if killed
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "001.png").write_text("cut out by hand")
    with pytest.raises(ReidaugError, match="name another folder with --masks"):
        estimate_poses(
            crops_of(crops).crops, tmp_path / "k.csv", masks=tmp_path / "mine", workers=1
        )
    assert (tmp_path / "mine" / "001.png").read_text() == "cut out by hand"


def test_its_own_sheet_is_no_crop(crops: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ("pose", crops, "--out", crops / "k.csv", "--workers", 1)
    assert reidaug(*command) == 0
    assert "3 crops: 3 with a person" in capfd.readouterr().out
    before = content(crops)
    (crops / "k.left_out.txt").unlink()
    assert reidaug(*command) == 0
    assert "3 crops: 3 with a person" in capfd.readouterr().out
    assert content(crops) == before
    (crops / "k.csv").unlink()
    assert reidaug(*command) == 0
    assert content(crops) == before
    (crops / "n.sheet.png").write_bytes((crops / "000.png").read_bytes())  # only its name
    assert len(crops_of(crops).crops) == 4
