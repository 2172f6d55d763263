"""Quality of warps, each by the manifest of its own root."""

from pathlib import Path

import pytest

from reidaug.data.manifest import write_manifest
from reidaug.data.market1501 import TRAIN, Person
from reidaug.errors import ReidaugError
from reidaug.experiments.warp_quality import (
    MANIFEST,
    good_crops,
    has_quality,
    qualities,
    read_quality,
)

NAMES = ("0001_c1s1_000100_01_w00.jpg", "0001_c1s1_000100_01_w01.jpg", "0001_c1s1_000100_01.jpg")


def root_of(folder: Path, *quality: float) -> Path:
    (folder / TRAIN).mkdir(parents=True)
    rows = [{"file": f"{TRAIN}/{n}", "quality": q} for n, q in zip(NAMES, quality, strict=False)]
    if rows:
        write_manifest(folder / MANIFEST, rows)
    return folder


def crops(*roots: Path) -> list[Person]:
    return [Person(root / TRAIN / name, 1, 1) for root in roots for name in NAMES]


def test_equal_names_in_several_roots_have_their_own_quality(tmp_path: Path, capsys) -> None:
    first, second = root_of(tmp_path / "a", 0.25, 0.5), root_of(tmp_path / "b", 0.75, 0.125)
    found = qualities(crops(first, second), [first, None, second])
    assert found == [0.25, 0.5, 1.0, 0.75, 0.125, 1.0]
    assert read_quality(second) == {NAMES[0]: 0.75, NAMES[1]: 0.125}
    assert not capsys.readouterr().err


def test_warps_that_a_manifest_does_not_list_are_told(tmp_path: Path, capsys) -> None:
    root = root_of(tmp_path / "a", 0.25)
    assert qualities(crops(root), [root]) == [0.25, 1.0, 1.0]
    told = f"{root / MANIFEST}: does not list 1 of 3 warps, such as {NAMES[1]}; they count as of"
    assert told in capsys.readouterr().err


def test_quality_that_is_needed_and_gone_is_refused(tmp_path: Path) -> None:
    first, second = root_of(tmp_path / "a"), root_of(tmp_path / "b", 0.75, 0.125)
    with pytest.raises(ReidaugError, match=r"no such table, and objective.extra_quality needs"):
        qualities(crops(first), [first])
    with pytest.raises(ReidaugError, match=r"no such table, and the quality of 2 warps is asked"):
        qualities(crops(first, second), [first, second])
    lenient = qualities(crops(first, second), [first, second], needed=False)
    assert lenient == [1.0, 1.0, 1.0, 0.75, 0.125, 1.0]
    assert not has_quality(first, crops(first)[2:])
    assert has_quality(second, crops(second))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([5.0], "has a quality of 5, and all are from 0 to 1; run `reidaug augment` again"),
        ([-0.5], "has a quality of -0.5, and all are"),
        ([0.5, 0.25], "is there twice, of quality 0.5 and 0.25; run"),
    ],
)
def test_a_manifest_that_was_edited_is_refused(tmp_path: Path, rows, told: str) -> None:
    root = root_of(tmp_path / "a")
    write_manifest(root / MANIFEST, [{"file": NAMES[0], "quality": quality} for quality in rows])
    with pytest.raises(ReidaugError, match=f"{NAMES[0]} {told}"):
        read_quality(root)


def test_crops_are_chosen_by_quality_and_what_is_no_warp_stays(tmp_path: Path, capsys) -> None:
    root = root_of(tmp_path / "a", 0.25, 0.5)
    good = good_crops(root, crops(root), 0.5, allow_left_out=False)
    assert [person.path.name for person in good] == list(NAMES[1:])
    with pytest.raises(ReidaugError, match=r"no warp has a quality of 0.6 or more"):
        good_crops(root, crops(root), 0.6, allow_left_out=False)
    short = root_of(tmp_path / "b", 0.25)
    with pytest.raises(
        ReidaugError, match=rf"1 of 2 .*{NAMES[1]}: not in manifest.*again as it was"
    ):
        good_crops(short, crops(short), 0.25, allow_left_out=False)
    assert not capsys.readouterr().err
    assert len(good_crops(short, crops(short), 0.25, allow_left_out=True)) == 2
    assert "does not list 1 of 2 warps, left out" in capsys.readouterr().err
