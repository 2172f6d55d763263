from pathlib import Path

import pytest

from reidaug.errors import ReidaugError
from reidaug.perception.pose_sums import (
    check_files,
    check_poses,
    flaws,
    read_sums,
    sums_file,
    write_sums,
)


@pytest.fixture
def keypoints(tmp_path: Path) -> Path:
    (tmp_path / "masks").mkdir()
    for name in ("k.csv", "k.sheet.png", "masks/a.png"):
        (tmp_path / name).write_text(name)
    write_sums(tmp_path / "k.csv", "7", [tmp_path / "k.sheet.png", tmp_path / "masks/a.png"])
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
