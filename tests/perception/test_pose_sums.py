from pathlib import Path

import pytest

from reidaug.errors import ReidaugError
from reidaug.fingerprint import content_digest
from reidaug.perception.pose_sums import (
    check_crops,
    check_files,
    check_finished,
    check_poses,
    flaws,
    read_sums,
    records_folder,
    renew_sums,
    sums_file,
    write_sums,
)


def image(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text(f"picture {name}")
    return path


@pytest.fixture
def keypoints(tmp_path: Path) -> Path:
    (tmp_path / "masks").mkdir()
    for name in ("k.csv", "k.sheet.png", "masks/a.png"):
        (tmp_path / name).write_text(name)
    files = [tmp_path / "k.sheet.png", tmp_path / "masks/a.png"]
    crops = {name: content_digest(image(tmp_path, name)) for name in ("a.jpg", "b.jpg")}
    write_sums(tmp_path / "k.csv", "7", files, crops)
    return tmp_path / "k.csv"


def test_checksums_move_with_the_files(keypoints: Path, tmp_path: Path) -> None:
    sums = read_sums(keypoints)
    assert sums is not None
    assert sums.inputs == "7"
    assert set(sums.files) == {"k.csv", "k.sheet.png", "masks/a.png"}
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    assert flaws(moved / "k.csv", [moved / name for name in sums.files]) == {}


def test_damage_is_found_and_told(keypoints: Path, tmp_path: Path) -> None:
    (tmp_path / "masks/a.png").unlink()
    (tmp_path / "own.png").write_text("of the user")
    files = [tmp_path / "masks/a.png", tmp_path / "own.png", keypoints]
    assert flaws(keypoints, files) == {tmp_path / "masks/a.png": "missing"}
    with pytest.raises(ReidaugError, match=r"a\.png is missing; run `reidaug pose` again"):
        check_files(keypoints, *files)
    sums_file(keypoints).write_text("{")
    assert read_sums(keypoints) is None
    check_files(keypoints, *files)


def test_what_was_changed_by_hand_is_told_and_what_is_gone_is_an_error(
    keypoints: Path, tmp_path: Path, capsys
) -> None:
    mask, masks = tmp_path / "masks/a.png", tmp_path / "masks"
    check_poses(keypoints, masks)
    assert capsys.readouterr().err == ""
    mask.write_text("cut out by hand")
    (tmp_path / "k.sheet.png").unlink()  # which no command reads
    check_poses(keypoints, masks)
    assert capsys.readouterr().err == f"{mask} is not as it was written: by hand?\n"
    for how in ("empty", "missing"):
        mask.write_text("")
        if how == "missing":
            mask.unlink()
        with pytest.raises(ReidaugError, match=rf"a\.png is {how}; run `reidaug pose` again"):
            check_poses(keypoints, masks)
        check_poses(keypoints, None)  # of nobody's masks
    sums_file(keypoints).unlink()
    check_poses(keypoints, masks)


def test_a_crop_that_changed_since_is_named(keypoints: Path, tmp_path: Path, capsys) -> None:
    crops = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    check_crops(keypoints, crops)
    check_crops(keypoints, crops[:1])
    crops[0].touch()
    check_crops(keypoints, crops)
    assert capsys.readouterr().err == ""
    check_crops(keypoints, [*crops, image(tmp_path, "c.jpg")])
    assert "has not seen all crops: 1 new (c.jpg); run it again" in capsys.readouterr().err
    image(tmp_path, "b.jpg").write_text("another person")
    told = r"k\.csv: crops are not as they were .*: 1 changed \(b\.jpg\); run it again as it was"
    with pytest.raises(ReidaugError, match=told):
        check_crops(keypoints, crops)
    check_crops(keypoints, crops[:1])
    sums_file(keypoints).unlink()
    check_crops(keypoints, crops)
    assert capsys.readouterr().err == ""


def test_half_finished_poses_are_told(keypoints: Path, tmp_path: Path) -> None:
    (tmp_path / "masks/a.png").write_text("of the run that was stopped")
    for path in (Path(), Path("/"), Path("..")):  # folders, which have no such name
        check_poses(path, None)
    for path in (keypoints, tmp_path / "other.csv"):
        check_finished(path)
        records_folder(path).mkdir()
        for check in (check_finished, lambda path: check_poses(path, tmp_path / "masks")):
            with pytest.raises(
                ReidaugError, match=f"{path}: the command that .* has not finished them"
            ):
                check(path)


def test_checksums_of_some_files_are_renewed(keypoints: Path, tmp_path: Path) -> None:
    before = read_sums(keypoints)
    (tmp_path / "k.sheet.png").write_text("another sheet")
    assert flaws(keypoints, [tmp_path / "k.sheet.png"])
    renew_sums(keypoints, [tmp_path / "k.sheet.png"])
    assert not flaws(keypoints, [tmp_path / "k.sheet.png"])
    after = read_sums(keypoints)
    assert before is not None
    assert after is not None
    assert after._replace(files={}) == before._replace(files={})
    assert after.files.keys() == before.files.keys()
