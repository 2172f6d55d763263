"""Estimated poses beside files of the user's, which stay as they are."""

from pathlib import Path

import pytest
from augmented import content
from commandline import reidaug
from damage import spoil
from drawn_person import drawn_person

from reidaug.errors import ReidaugError
from reidaug.files import write_atomically
from reidaug.jobs import Records
from reidaug.perception import dataset_poses, pose_records
from reidaug.perception.dataset_poses import crops_of, estimate_poses
from reidaug.perception.pose_files import LEFT_OUT, REPORT, SHEET, beside
from reidaug.perception.provenance import provenance_file, read_provenance

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


def test_what_the_user_put_there_after_a_kill_is_not_overwritten(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "k.csv"
    for first in (True, False):  # the first run, and one that makes a crop again
        with monkeypatch.context() as patch:
            patch.setattr(dataset_poses, "run_chunks", None)
            with pytest.raises(TypeError):
                estimate_poses(crops_of(crops).crops, out, workers=1)
        before = b"" if first else out.read_bytes()
        out.write_bytes(before + b"a year of work")
        with pytest.raises(ReidaugError, match="not of this" if first else "changed since"):
            estimate_poses(crops_of(crops).crops, out, workers=1)
        assert out.read_bytes() == before + b"a year of work"
        out.unlink() if first else out.write_bytes(before)
        assert estimate_poses(crops_of(crops).crops, out, workers=1).people == 3
        drawn_person((64, 32), 7)[0].save(crops / "000.png")


def test_a_run_killed_while_it_wrote_its_files_goes_on(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "k.csv"
    with monkeypatch.context() as patch:
        patch.setattr(dataset_poses.PoseStatistics, "report", None)
        with pytest.raises(TypeError):
            estimate_poses(crops_of(crops).crops, out, workers=1)
    before = out.read_bytes()
    assert estimate_poses(crops_of(crops).crops, out, workers=1).people == 3
    assert out.read_bytes() == before


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


@pytest.mark.parametrize("masks", [None, "other"])
@pytest.mark.parametrize("killed", [False, True])
def test_masks_in_a_former_folder_are_not_left_behind(
    crops: Path, tmp_path: Path, masks: str | None, killed: bool
) -> None:
    out, former, now = tmp_path / "k.csv", tmp_path / "m", masks and tmp_path / masks
    estimate_poses(crops_of(crops).crops, out, masks=former, workers=1)
    if killed:
        (tmp_path / ".k.csv.estimates").rename(tmp_path / ".k.csv.records")
        Records(tmp_path / ".k.csv.records").write("masks", str(former))
        (tmp_path / "k.checksums.json").unlink()
    drawn_person((64, 32), 9)[0].save(crops / "001.png")
    before = content(tmp_path)
    with pytest.raises(ReidaugError, match=r"k\.csv has masks in .*m, such as 000\.png.* --masks"):
        estimate_poses(crops_of(crops).crops, out, masks=now, workers=1)
    assert content(tmp_path) == before
    estimate_poses(crops_of(crops).crops, out, masks=former, workers=1)
    former.rename(tmp_path / "away")
    drawn_person((64, 32), 10)[0].save(crops / "001.png")
    estimate_poses(crops_of(crops).crops, out, masks=now, workers=1)


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


@pytest.fixture
def posed(crops: Path, tmp_path: Path) -> tuple[str | Path, ...]:
    """The command of a finished run, `crops` estimated into ``k.csv`` and ``m``."""
    out = tmp_path / "k.csv"
    command = ("pose", crops, "--out", out, "--masks", tmp_path / "m", "--workers", "1")
    assert reidaug(*command) == 0
    return command


DAMAGE = {
    "k.csv": ("half", "empty", "removed"),
    "m/000.png": ("removed",),
    "m/001.png": ("garbage",),
    "k.sheet.png": ("garbage",),
    "k.left_out.txt": ("garbage", "removed"),
    "k.report.json": ("half",),
    "k.provenance.parquet": ("half",),
    "k.checksums.json": ("half", "removed"),
}


def test_damaged_files_of_poses_are_made_again_or_told(posed, tmp_path: Path, capfd) -> None:
    before = content(tmp_path)
    capfd.readouterr()
    assert reidaug(*posed) == 0
    assert "pose: " not in capfd.readouterr().err  # nothing is done again
    for name, how in ((name, how) for name, hows in DAMAGE.items() for how in hows):
        spoil(tmp_path / name, how)
        by_hand = how in ("half", "garbage") and name in ("k.csv", "m/001.png")
        capfd.readouterr()
        assert reidaug(*posed) == int(by_hand), (name, how)
        if by_hand:  # or so it may be
            line = f"{tmp_path / name} is not as it was written by this command; delete it"
            assert line in capfd.readouterr().err
            (tmp_path / name).unlink()
            assert reidaug(*posed) == 0
        assert content(tmp_path) == before, (name, how)
        assert (tmp_path / "k.checksums.json").exists()


def test_other_work_stays_when_the_report_is_damaged(posed, tmp_path: Path, capfd) -> None:
    spoil(tmp_path / "k.report.json", "half")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for k, crop in enumerate(sorted((tmp_path / "crops").iterdir())):
        drawn_person((64, 32), 9 + k)[0].save(crop)
        before[crop] = crop.read_bytes()
    assert reidaug(*posed) == 1
    assert "k.csv is there already, and not of these crops" in capfd.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


def test_who_reads_poses_is_told_of_damage(posed, tmp_path: Path) -> None:
    provenance_file(tmp_path / "k.csv").unlink()
    with pytest.raises(
        ReidaugError, match=r"k\.provenance\.parquet is missing; run `reidaug pose`"
    ):
        read_provenance(tmp_path / "k.csv")
    (tmp_path / "k.checksums.json").unlink()
    assert read_provenance(tmp_path / "k.csv") == {}


def test_a_mask_of_the_users_put_there_after_a_kill_stays(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, masks = tmp_path / "k.csv", tmp_path / "m"
    monkeypatch.setattr(pose_records, "CHUNK", 1)
    found = crops_of(crops).crops
    count = [0]

    def killed(path: Path, content: bytes) -> None:
        count[0] += 1
        if count[0] == 2:
            raise KeyboardInterrupt  # after the record of the second crop, before its mask
        write_atomically(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(pose_records, "write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            estimate_poses(found, out, masks=masks, workers=1)
    assert [path.name for path in masks.iterdir()] == ["000.png"]
    before = content(tmp_path)
    for name in ("000.png", "001.png", "002.png"):  # as estimated, half done, not begun
        (masks / name).write_text("cut out by hand")
        with pytest.raises(ReidaugError, match=rf"m/{name} (is there already|was changed since)"):
            estimate_poses(found, out, masks=masks, workers=1)
        assert (masks / name).read_text() == "cut out by hand"
        (masks / name).unlink()
        if name == "000.png":
            (masks / name).write_bytes(before["m/000.png"])
    assert estimate_poses(found, out, masks=masks, workers=1).outlines == 3
    afresh = tmp_path / "afresh"
    estimate_poses(found, tmp_path / "l.csv", masks=afresh, workers=1)
    assert content(masks) == content(afresh)


def test_a_record_damaged_after_a_kill_is_made_again(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, masks = tmp_path / "k.csv", tmp_path / "m"
    found = crops_of(crops).crops
    with monkeypatch.context() as patch:
        patch.setattr(dataset_poses, "write_patn", None)
        with pytest.raises(TypeError):
            estimate_poses(found, out, masks=masks, workers=1)
    (record,) = (
        path for path in (tmp_path / ".k.csv.records").glob("*.json") if len(path.stem) == 16
    )
    spoil(record, "half")
    assert estimate_poses(found, out, masks=masks, workers=1).outlines == 3
