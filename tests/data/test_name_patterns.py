from pathlib import Path

import pytest

from reidaug.data.crop_names import PATTERN
from reidaug.data.image_folders import ImageFolder
from reidaug.data.layouts import LAYOUTS
from reidaug.data.loose_crops import read_people, read_training
from reidaug.data.name_patterns import NamePattern
from reidaug.errors import ReidaugError, UsageError

PLACES = tuple(map(Path, ("c/0001/0002_c3.jpg", "c/0004/x_c5.jpg", "c/a/b.jpg")))


@pytest.mark.parametrize("in_folders", [False, True])
def test_a_folder_counts_where_a_name_does_not_match(in_folders: bool) -> None:
    names = NamePattern.of(r"(?P<pid>\d+)\D*_c(?P<camid>\d)")
    readings = names.readings(ImageFolder(PLACES, (), in_folders=in_folders))
    assert [reading and reading.ids for reading in readings] == [
        (2, 3), (4, 5) if in_folders else None, None,
    ]  # fmt: skip


def test_a_pattern_tells_what_a_layout_tells() -> None:
    """Readers of datasets ask both the same."""
    names, layout = NamePattern.of(None), LAYOUTS["ltcc"]
    public = {name for name in dir(names) if not name.startswith("_")} - {"pattern", "of"}
    assert public <= set(dir(layout))
    for name in public - {"readings", "advice"}:
        kinds = {type(getattr(rule, name)) for rule in (names, layout)}
        assert len(kinds) == 1 or kinds <= {type(None), tuple}, name
    for rule in (names, layout):
        assert rule.advice(()) == "" != rule.advice(["a.jpg"])


def test_only_names_that_nobody_gave_a_pattern_for_may_tell_nobody(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.jpg").touch()
    people, numbered = read_training(tmp_path)
    assert numbered and [person.pid for person in people.train] == [1, 2]
    for pattern in (r"(?P<pid>\d+)", PATTERN):
        with pytest.raises(ReidaugError, match="none of 2 images counts; names must match"):
            read_people(tmp_path, pattern=pattern)


def test_names_of_market1501_are_no_example_of_a_pattern_of_ones_own() -> None:
    assert NamePattern.of(None).expects.startswith("names are like 0002_c1s1_000451_03.jpg")
    assert NamePattern.of(r"(?P<pid>\d+)-").expects == r"names must match (?P<pid>\d+)-"


def test_a_pattern_without_groups_is_none() -> None:
    with pytest.raises(UsageError, match="name its groups"):
        NamePattern.of(r"\d+")
