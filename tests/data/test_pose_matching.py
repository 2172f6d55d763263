from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.data.pose_matching import by_last_name, match_images, names_of, other_ending
from reidaug.errors import ReidaugError

FILE = Path("k.json")
ROOT = Path("/data/market")
PATHS = st.sets(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join), min_size=1, max_size=8
).map(lambda paths: sorted(f"{path}.jpg" for path in paths))


def test_names_and_paths_mean_images() -> None:
    images = [ROOT / "bounding_box_train" / name for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg")]
    keys = ["a.jpg", "train/b.jpg", "bounding_box_train/c.jpg", "other.jpg", "./d.jpg"]
    found = match_images(keys, images, file=FILE)
    assert found == dict(zip(images, [keys[0], keys[1], keys[2], keys[4]], strict=True))
    assert match_images(["x\\a.jpg"], images, file=FILE) == {images[0]: "x\\a.jpg"}
    assert match_images(["a.jpg"], [], file=FILE) == {}


def test_accents_may_be_spelled_in_two_ways() -> None:
    one, two = "\u00e9.jpg", "e\u0301.jpg"
    folder = ROOT / "Zoe\u0308"
    for image, key in ((one, two), (two, one)):
        assert match_images([key], [ROOT / image], file=FILE) == {ROOT / image: key}
        keys = [f"Zo\u00eb/{key}"]
        assert match_images(keys, [folder / image], file=FILE) == {folder / image: keys[0]}
        assert names_of(folder / image, by_last_name(keys)) == keys
    both = [ROOT / one, ROOT / two]
    assert match_images([one, two], both, file=FILE) == {ROOT / one: one, ROOT / two: two}
    assert f"{one} is called" in other_ending([ROOT / one], ["e\u0301.png"])


def test_folders_tell_equal_names_apart() -> None:
    images = [ROOT / "x" / "a.jpg", ROOT / "y" / "a.jpg", ROOT / "y" / "b.jpg"]
    found = match_images(["y/a.jpg", "x/a.jpg", "b.jpg"], images, file=FILE)
    assert found == {images[0]: "x/a.jpg", images[1]: "y/a.jpg", images[2]: "b.jpg"}
    # Another folder's image is no stand-in for one that is missing.
    assert match_images(["y/a.jpg"], images, file=FILE) == {images[1]: "y/a.jpg"}
    assert match_images(["z/a.jpg"], images, file=FILE) == {}


def test_a_name_of_two_images_is_refused() -> None:
    images = [ROOT / "x" / "a.jpg", ROOT / "y" / "a.jpg"]
    with pytest.raises(ReidaugError, match=r"^k\.json: a\.jpg may be /data.*/x/a.* or /data.*/y/a"):
        match_images(["a.jpg"], images, file=FILE)


def test_two_names_of_an_image_are_refused() -> None:
    image = ROOT / "bounding_box_train" / "a.jpg"
    with pytest.raises(ReidaugError, match=r"/a\.jpg may be train/a\.jpg or test/a\.jpg; name im"):
        match_images(["train/a.jpg", "test/a.jpg"], [image], file=FILE)
    keys = ["test/a.jpg", "bounding_box_train/a.jpg"]
    assert match_images(keys, [image], file=FILE) == {image: keys[1]}


@given(PATHS, st.booleans())
def test_paths_mean_their_own_images_or_are_refused(paths: list[str], absolute: bool) -> None:
    images = [ROOT / path for path in paths]
    keys = [str(image) if absolute else path for image, path in zip(images, paths, strict=True)]
    found = match_images(keys, images, file=FILE)
    assert found == dict(zip(images, keys, strict=True))


@given(PATHS)
def test_no_name_alone_is_another_image(paths: list[str]) -> None:
    images = [ROOT / path for path in paths]
    names = sorted({image.name for image in images})
    try:
        found = match_images(names, images, file=FILE)
    except ReidaugError:
        assert len(names) < len(images)
    else:
        assert found == {image: image.name for image in images}


def test_names_that_may_mean_an_image() -> None:
    names = by_last_name(["a.jpg", "x/a.jpg", "y/a.jpg", "train\\x\\a.jpg", "b.jpg", "r/x/a.jpg"])
    found = names_of(Path("/r/x/a.jpg"), names)
    assert found == ["a.jpg", "x/a.jpg", "r/x/a.jpg"]
    assert names_of(Path("/r/x/c.jpg"), names) == []


def test_another_ending_is_named() -> None:
    images = [Path("a.jpg"), Path("b.png"), Path("c.png")]
    assert other_ending(images, ["x/a.jpg", "train\\b.jpg"]) == (
        " (b.png is called train\\b.jpg in it: give both one ending)"
    )
    assert other_ending(images, ["a.jpg", "d.jpg"]) == ""
