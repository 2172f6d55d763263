import os
from pathlib import Path

import pytest
from PIL import Image

from reidaug.data.image_folders import (
    FOREIGN,
    beside,
    check_left_out,
    check_readable,
    has_images,
    list_images,
    printable,
)
from reidaug.data.images import FORMATS, SUFFIXES, read_image
from reidaug.errors import ReidaugError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_listed_ending_can_be_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix.upper()}"
    Image.new("RGB", (4, 6)).save(path, format=Image.registered_extensions()[suffix])
    assert list_images(tmp_path).images == (path,)
    assert read_image(path).shape == (3, 6, 4)


def test_pictures_of_other_formats_are_told(tmp_path: Path) -> None:
    touch(tmp_path / "a.heic", tmp_path / "b.txt", tmp_path / ".c.jpg")
    found = list_images(tmp_path)
    assert found.images == ()
    assert found.unusable == (f"{tmp_path}/a.heic: pictures that end in .heic are not read",)
    assert not FOREIGN & SUFFIXES


@pytest.mark.parametrize("form", list(FORMATS))
@pytest.mark.parametrize("name", ["0001_c1_1", "0001.c1.1", "0001.jpg_"])
def test_images_that_are_not_called_so_are_told(tmp_path: Path, form: str, name: str) -> None:
    Image.new("RGB", (4, 6)).save(tmp_path / name, format=form)
    found = list_images(tmp_path)
    assert (found.images, len(found.unusable)) == ((), 1)
    assert f"{name}: an image whose name has no ending of images" in found.unusable[0]
    assert has_images(tmp_path)


def test_other_files_and_backups_beside_images_are_none(tmp_path: Path) -> None:
    Image.new("RGB", (4, 6)).save(tmp_path / "a.jpg")
    for name in ("a.jpg~", "a.jpg.bak", "a.jpg_original", "a.jpg.1.old"):
        (tmp_path / name).write_bytes((tmp_path / "a.jpg").read_bytes())
    (tmp_path / "readme").write_text("BM: a benchmark")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf")
    os.mkfifo(tmp_path / "pipe")
    assert list_images(tmp_path)[:2] == ((tmp_path / "a.jpg",), ())


def test_names_of_folders_that_were_not_unpacked_are_told(tmp_path: Path) -> None:
    touch(tmp_path / "query\\0001_c1_1.jpg", tmp_path / "bounding_box_train\\0002_c1_1.jpg")
    found = list_images(tmp_path)
    assert (found.images, len(found.unusable)) == ((), 2)
    assert "query\\0001_c1_1.jpg: the name has a backslash" in found.unusable[1]


def test_images_of_folders_count_only_where_there_are_no_others(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "1.jpg", tmp_path / "b" / "1.jpg", tmp_path / "b" / "c" / "2.jpg")
    found = list_images(tmp_path)
    assert found.in_folders
    assert found.images == (tmp_path / "a" / "1.jpg", tmp_path / "b" / "1.jpg")
    assert not has_images(tmp_path)
    touch(tmp_path / "0.jpg")
    found = list_images(tmp_path)
    assert (found.images, found.in_folders) == ((tmp_path / "0.jpg",), False)
    assert found.folders == ("a", "b")


def test_names_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    raw = Path(os.fsdecode(bytes(tmp_path) + b"/\xff"))
    touch(raw / "1.jpg", tmp_path / "b" / "2.jpg")
    found = list_images(tmp_path)
    assert found.images == (tmp_path / "b" / "2.jpg",)
    assert found.unusable == (
        f"{tmp_path}/"
        + r"\udcff/1.jpg: the name of its folder is not UTF-8 or has a control character",
    )
    assert printable("a\nb") == r"a\nb"
    assert printable(raw).encode()


@pytest.mark.parametrize(
    ("count", "total", "stops"), [(0, 0, False), (1, 10, False), (2, 10, True), (1, 9, True)]
)
def test_a_tenth_may_be_left_out(count: int, total: int, stops: bool) -> None:
    lines = ["a.jpg: torn"] * count
    check_left_out(Path("crops"), lines, total, allowed=True)
    if not stops:
        check_left_out(Path("crops"), lines, total, allowed=False)
        return
    with pytest.raises(
        ReidaugError,
        match=rf"crops: {count} of {total} images would be left out, such as a\.jpg: torn; "
        r"mend them, or go on without them by --allow-left-out",
    ):
        check_left_out(Path("crops"), lines, total, allowed=False)


def test_images_in_folders_beside_others_are_told(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 8))
    for name in ("a.png", "b.png", "masks/a.png", "more/a.png", "more/c.png", "none/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if name.endswith(".png"):
            picture.save(tmp_path / name)
    (line,) = beside(list_images(tmp_path))
    assert line == f"{tmp_path / 'more'}: 2 images in a folder beside 2 others, not read"
    assert beside(list_images(tmp_path / "more")) == ()


def test_files_that_are_no_images_stop_more_than_a_tenth(tmp_path: Path) -> None:
    files = [tmp_path / f"{k:02d}.png" for k in range(20)]
    someone = Image.linear_gradient("L")
    for k, file in enumerate(files):
        file.write_text("<html>") if k < 3 else someone.save(file)
    with pytest.raises(ReidaugError, match=r"3 of 20 images would be left out, such as .*00\.png"):
        check_readable(tmp_path, files, allowed=False)
    assert len(check_readable(tmp_path, files, allowed=True)) == 3
    assert len(check_readable(tmp_path, files[1:], allowed=True)) == 2
