import re
from pathlib import Path

import pytest

from reidaug.data.crop_names import ids_in
from reidaug.data.market1501 import GALLERY, QUERY, SPLITS, TRAIN
from reidaug.dataset_check.checkup import check_dataset
from reidaug.dataset_check.findings import REMARK
from reidaug.dataset_check.names import suggest_pattern
from tests.dataset_check.conftest import found, images


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["0000_000_01_0303morning_0015_0.jpg", "0001_000_15_0303noon_0_1.jpg"], [(0, 1), (1, 15)]),
        (["1_001_1_01.jpg", "1_002_2_06.jpg", "5_003_1_01.jpg"], [(1, 1), (2, 2), (3, 1)]),
        (["cam3_0012_a.jpg", "cam1_0013_b.jpg"], [(12, 3), (13, 1)]),
        (["id12-camera02-7.jpg", "id13-camera11-8.jpg"], [(12, 2), (13, 11)]),
        (["0012_cam2.jpg", "0013_cam1.jpg"], [(12, 2), (13, 1)]),
        (["12_3_88.jpg", "13_1_89.jpg"], [(12, 3), (13, 1)]),
        (["person12.jpg", "person13.jpg"], [(12, 1), (13, 1)]),
    ],
)
def test_a_pattern_is_suggested_that_reads_the_names(
    names: list[str], expected: list[tuple[int, int]]
) -> None:
    suggested = suggest_pattern(names)
    assert suggested is not None
    assert [ids_in(re.compile(suggested), name) for name in names] == expected


def test_no_pattern_is_suggested_where_names_say_nothing() -> None:
    assert suggest_pattern(["anna.jpg", "0002_c1.jpg"]) is None
    assert suggest_pattern([]) is None


def rename(market: Path, split: str, form: str) -> None:
    for k, path in enumerate(images(market, split)):
        path.rename(path.with_name(form.format(pid=k // 2 + 1, cam=k % 2 + 1)))


def test_the_suggested_pattern_makes_a_dataset_of_foreign_names_sound(market: Path) -> None:
    for split in SPLITS:
        rename(market, split, "cam{cam}_{pid:04d}.jpg")
    checkup = check_dataset(market)
    assert not any(checkup.usable().values())
    finding = next(f for f in checkup.findings if f.where == TRAIN)
    assert finding.what == "all 6 names do not name person and camera"
    assert "reads person 1, camera 1 from cam1_0001.jpg" in finding.advice
    pattern = finding.advice.split("'")[1]
    assert check_dataset(market, pattern=pattern).usable()["augment"]


def test_names_that_are_left_out_are_counted(market: Path) -> None:
    (market / TRAIN / "Thumbs.db").touch()
    (market / TRAIN / "notes.jpg").write_bytes(images(market)[0].read_bytes())
    (market / QUERY / "0001_c1s1_000001_00.png").write_bytes(images(market)[1].read_bytes())
    (market / GALLERY / "-1_c1s1_000001_00.jpg").touch()
    checkup = check_dataset(market)
    assert found(checkup, "1 name do not name").where == TRAIN
    assert found(checkup, "do not end in .jpg").where == QUERY
    assert found(checkup, "1 junk image").rank == REMARK
    assert checkup.counts[GALLERY].junk == 1
    assert all(checkup.usable().values())


@pytest.mark.parametrize(
    ("split", "left"),
    [(TRAIN, ["evaluation"]), (QUERY, ["augment", "training"]), (GALLERY, ["augment", "training"])],
)
def test_a_missing_split_leaves_what_does_not_need_it(
    market: Path, split: str, left: list[str]
) -> None:
    for path in images(market, split):
        path.unlink()
    checkup = check_dataset(market)
    assert [use for use, fine in checkup.usable().items() if fine] == left
    (market / split).rmdir()
    checkup = check_dataset(market)
    assert [use for use, fine in checkup.usable().items() if fine] == left
    assert split not in checkup.counts


def test_lists_of_msmt17_are_read(tmp_path: Path, market: Path) -> None:
    source = images(market)
    lines = {"train": [], "query": [], "gallery": []}
    for k, part in enumerate(["train"] * 4 + ["query", "gallery"]):
        folder = "train" if part == "train" else "test"
        name = f"{k // 2:04d}/{k // 2:04d}_000_{k % 2 + 1:02d}_0303morning_{k}_0.jpg"
        (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_bytes(source[k].read_bytes())
        lines[part].append(f"{name} {k // 2}")
    lines["train"].append("0009/0009_000_01_0303morning_0_0.jpg 9")
    for part, text in lines.items():
        (tmp_path / f"list_{part}.txt").write_text("\n".join(text))
    checkup = check_dataset(tmp_path)
    assert checkup.listed
    assert checkup.counts[TRAIN][:3] == (2, 4, 2)
    assert found(checkup, "1 name").advice.endswith("lines of the list")
    assert all(checkup.usable().values())
