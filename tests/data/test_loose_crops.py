from pathlib import Path

import pytest

from reidaug.data.loose_crops import crops_in, read_people, read_training
from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.errors import ReidaugError, UsageError


def folder(root: Path, *names: str) -> Path:
    root.mkdir()
    for name in names:
        (root / name).touch()
    return root


def test_crops_of_any_name_are_people_of_their_own(tmp_path: Path) -> None:
    root = folder(tmp_path / "crops", "b.PNG", "a.jpeg", "notes.txt", ".hidden.jpg")
    dataset, numbered = read_training(root)
    assert numbered
    assert [(p.path.name, p.pid, p.camid) for p in dataset.train] == [
        ("a.jpeg", 1, 1),
        ("b.PNG", 2, 1),
    ]
    assert (dataset.root, dataset.left_out) == (root, ())


def test_names_like_those_of_market1501_give_the_identity(tmp_path: Path) -> None:
    names = ("0002_c3s1_000451_03.jpg", "0007_c1s1_000001_01.png", "-1_c2s1_000001_01.jpg")
    dataset, numbered = read_training(folder(tmp_path / "crops", *names))
    assert not numbered
    assert [(p.pid, p.camid) for p in dataset.train] == [(2, 3), (7, 1)]


def test_a_stray_file_takes_no_names_away(tmp_path: Path) -> None:
    root = folder(tmp_path / "crops", "0002_c3s1_000451_03.jpg", "logo.png")
    with pytest.raises(ReidaugError, match=r"1 of 2 images would be left out.*--allow-left-out"):
        read_training(root)
    dataset, numbered = read_training(root, allow_left_out=True)
    assert not numbered
    assert [(p.pid, p.camid) for p in dataset.train] == [(2, 3)]
    assert ["logo.png: the name does not match" in line for line in dataset.left_out] == [True]


def test_a_pattern_gives_the_identity_and_what_is_left_out(tmp_path: Path) -> None:
    root = folder(tmp_path / "crops", "kim-4.jpg", "12-4.jpg", "13-5.jpg")
    dataset, numbered = read_training(
        root, pattern=r"^(?P<pid>\d+)-(?P<camid>\d)", allow_left_out=True
    )
    assert not numbered
    assert [(p.pid, p.camid) for p in dataset.train] == [(12, 4), (13, 5)]
    assert len(dataset.left_out) == 1
    assert "kim-4.jpg: the name does not match" in dataset.left_out[0]
    with pytest.raises(ReidaugError, match=r"none of 3 images counts; names must match \(\\d\+\)_"):
        read_training(root, pattern=r"(\d+)_(\d+)")
    with pytest.raises(UsageError, match="name its groups"):
        read_training(root, pattern="no groups")


def test_a_dataset_is_read_as_one(tmp_path: Path) -> None:
    folder(tmp_path / "data").joinpath(TRAIN).mkdir()
    (tmp_path / "data" / TRAIN / "0002_c3s1_000451_03.jpg").touch()
    (tmp_path / "data" / "poster.jpg").touch()
    dataset, numbered = read_training(tmp_path / "data")
    assert not numbered
    assert dataset == read_market1501(tmp_path / "data", splits=(TRAIN,))


def test_where_there_are_no_crops_it_is_said(tmp_path: Path) -> None:
    (tmp_path / TRAIN).mkdir()
    (tmp_path / TRAIN / "0002_c3s1_000451_03.jpg").touch()
    with pytest.raises(ReidaugError, match="this is one split; point at the folder above"):
        read_training(tmp_path / TRAIN)
    assert len(crops_in(tmp_path / TRAIN).images) == 1
    with pytest.raises(ReidaugError, match="no such folder"):
        read_training(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReidaugError, match="neither images in it nor a folder"):
        read_training(tmp_path / "empty")


def test_two_names_that_match_leave_nothing_out_in_silence(tmp_path: Path) -> None:
    crops = [f"crop_{number:03d}.jpg" for number in range(40)]
    root = folder(tmp_path / "crops", *crops, "0011_c2s1_000011_01.jpg", "0011_c2s1_000011_03.jpg")
    with pytest.raises(
        ReidaugError, match=r"40 of 42 images would be left out, such as .*crop_000"
    ):
        read_training(root)


def test_a_folder_of_folders_is_a_person_each(tmp_path: Path) -> None:
    root = tmp_path / "people"
    root.mkdir()
    for person in ("anna", "bert"):
        folder(root / person, "img_01.jpg", "img_02.jpg")
    dataset, numbered = read_training(root)
    assert not numbered
    assert [(p.path.parent.name, p.path.name) for p in dataset.train] == [
        (person, name) for person in ("anna", "bert") for name in ("img_01.jpg", "img_02.jpg")
    ]
    assert len({p.pid for p in dataset.train}) == 2
    assert dataset.examples[0] == "anna/img_01.jpg: person anna, camera 1"
    assert read_people(root) == dataset


def test_people_are_needed_where_crops_are_compared(tmp_path: Path) -> None:
    root = folder(tmp_path / "crops", "anna7_c1.jpg", "bert7_c2.jpg")
    with pytest.raises(
        ReidaugError, match=r"give no person; .*--pattern.* reads person anna7, camera 1"
    ):
        read_people(root)
