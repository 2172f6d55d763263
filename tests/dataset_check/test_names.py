from pathlib import Path

import pytest

from reidaug.data.market1501 import GALLERY, QUERY, SPLITS, TRAIN
from reidaug.dataset_check.checkup import check_dataset
from reidaug.dataset_check.findings import REMARK
from tests.dataset_check.conftest import found, images


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
    assert "reads person 0001, camera 1 from cam1_0001.jpg" in finding.advice
    pattern = finding.advice.split("'")[1]
    assert check_dataset(market, pattern=pattern).usable()["augment"]


def test_names_that_are_left_out_are_counted(market: Path) -> None:
    (market / TRAIN / "Thumbs.db").touch()
    (market / TRAIN / "notes.jpg").write_bytes(images(market)[0].read_bytes())
    query = images(market, QUERY)[0]
    query.with_suffix(".png").write_bytes(query.read_bytes())
    (market / GALLERY / "-1_c1s1_000001_00.jpg").touch()
    checkup = check_dataset(market)
    finding = found(checkup, "1 name do not name person and camera, more than a tenth")
    assert finding.where == TRAIN
    assert finding.stops == ("augment", "training")
    assert finding.advice.endswith("they are left out with --allow-left-out")
    assert found(checkup, "not ending in .jpg").where == QUERY
    assert checkup.counts[QUERY].images == 7
    assert found(checkup, "1 junk image").rank == REMARK
    assert checkup.counts[GALLERY].junk == 1
    assert all(check_dataset(market, allow_left_out=True).usable().values())


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
    checkup = check_dataset(tmp_path, allow_left_out=True)
    assert checkup.listed
    assert checkup.counts[TRAIN][:3] == (2, 4, 2)
    assert found(checkup, "1 name").advice.endswith("lines of the list")
    assert all(checkup.usable().values())


def test_names_are_shown_with_what_was_read(market: Path) -> None:
    checkup = check_dataset(market)
    assert len(checkup.examples) == 3
    assert f"names are read so: {'; '.join(checkup.examples)}" in list(checkup.lines())
    assert checkup.examples[0].endswith("_01.jpg: person 1, camera 1")
    assert checkup.as_dict()["names"] == list(checkup.examples)


def test_clothes_are_no_persons(market: Path) -> None:
    for split in SPLITS:
        for k, path in enumerate(images(market, split)):
            path.rename(path.with_name(f"{k // 2 + 1:03d}_{k % 2 + 1}_c{k % 2 + 10}_{k:06d}.png"))
    checkup = check_dataset(market)
    assert not any(checkup.usable().values())
    advice = next(f.advice for f in checkup.findings if f.where == TRAIN)
    assert "reads person 001, camera 10 from 001_1_c10_000000.png" in advice
    checkup = check_dataset(market, pattern=advice.split("'")[1])
    assert checkup.counts[TRAIN][:3] == (3, 6, 2)


def test_a_folder_for_each_person_is_checked(market: Path, tmp_path: Path) -> None:
    people = tmp_path / "people"
    for path in images(market):
        folder = people / ("anna", "bert", "cleo")[int(path.name[:4]) - 1]
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / f"img_{len(list(folder.iterdir()))}.jpg")
    checkup = check_dataset(people)
    assert checkup.usable() == {"augment": True, "training": True, "evaluation": False}
    assert checkup.counts[TRAIN][:3] == (3, 6, 1)
    assert found(checkup, "each folder counts as a person").rank == REMARK
    assert "anna/img_0.jpg: person anna, camera 1" in checkup.examples


def test_crops_of_any_name_can_be_warped_only(market: Path, tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    for k, path in enumerate(images(market)):
        path.rename(crops / f"crop_{k:03d}.jpg")
    checkup = check_dataset(crops)
    assert checkup.usable() == {"augment": True, "training": False, "evaluation": False}
    assert found(checkup, "all 6 names give no person: each crop is its own").stops == ("training",)
