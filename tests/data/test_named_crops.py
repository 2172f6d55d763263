from pathlib import Path

import pytest
from layout_roots import layout_root, who

from reidaug.data.layouts import SPLITS
from reidaug.data.loose_crops import read_people
from reidaug.data.market1501 import read_market1501
from reidaug.errors import ReidaugError, UsageError


def test_names_that_contradict_their_folders_are_refused(tmp_path: Path) -> None:
    for split in SPLITS:
        for folder, person in ((11, 1), (12, 2)):
            path = tmp_path / split / f"{folder:04d}" / f"{person:04d}_c1s1_000001_01.jpg"
            path.parent.mkdir(parents=True)
            path.touch()
    told = "person 1 by its name and of person 11 by its folder; --layout market1501 reads the"
    with pytest.raises(UsageError, match=told):
        read_market1501(tmp_path)
    assert who(read_market1501(tmp_path, layout="market1501").train) == [("1", 1), ("2", 1)]
    assert who(read_market1501(tmp_path, layout="image-folder").train) == [("11", 1), ("12", 1)]


def test_a_folder_of_persons_alone_is_an_image_folder(tmp_path: Path) -> None:
    for name in ("anna/1.jpg", "ben/1.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    found = read_people(tmp_path, layout="image-folder")
    assert who(found.train) == [("anna", 1), ("ben", 1)]
    assert [person.place for person in found.train] == ["anna/1.jpg", "ben/1.jpg"]
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/1.png").touch()
    with pytest.raises(ReidaugError, match="folders such as masks are none"):
        read_people(tmp_path, layout="image-folder")


def test_what_a_layout_does_not_read_is_told(tmp_path: Path) -> None:
    root = layout_root(tmp_path / "root", "mars")
    for path in sorted((root / "bbox_train").rglob("*.jpg"))[:3]:
        path.rename(path.with_name(f"x{path.name}"))
    with pytest.raises(ReidaugError, match=r"3 of 6 images.*not as in bbox_train/0001/0001C1T"):
        read_people(root, layout="mars")


def test_numbers_of_cameras_are_no_other_persons(tmp_path: Path) -> None:
    for camera in (1, 2):
        path = tmp_path / f"{camera}/0007_c{camera}s1_000001_01.jpg"
        path.parent.mkdir()
        path.touch()
    assert who(read_people(tmp_path).train) == [("7", 1), ("7", 2)]
