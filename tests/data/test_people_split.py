"""The fixed split of training people: its rule, pinned on names."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.data.market1501 import Person
from reidaug.data.people_split import split_people
from reidaug.errors import ReidaugError


def crops(people: int, cameras: int = 3, frames: int = 4) -> list[Person]:
    """Crops of people 2, 4, 6, ... under Market-1501's names."""
    return [
        Person(Path(f"{pid:04d}_c{cam}s1_{frame:06d}_01.jpg"), pid, cam)
        for pid in range(2, 2 * people + 2, 2)
        for cam in range(1, cameras + 1)
        for frame in range(frames)
    ]


def test_people_are_split_by_the_index_of_their_sorted_ids() -> None:
    """Index 0, 5, 10 are test people; 1, 6, 11 tune people; the rest train."""
    tune, test = (split_people(crops(12), part) for part in ("tune", "test"))
    assert {c.pid for c in test.query} == {c.pid for c in test.gallery} == {2, 12, 22}
    assert {c.pid for c in tune.query} == {c.pid for c in tune.gallery} == {4, 14, 24}
    assert tune.train == test.train
    assert {c.pid for c in tune.train} == {6, 8, 10, 16, 18, 20}


def test_the_queries_are_drawn_once_and_for_all() -> None:
    """Another draw, order of ids or seed would change published figures."""
    split = split_people(crops(6, cameras=2, frames=5), "test")
    assert [c.path.name for c in split.query] == [
        "0002_c1s1_000004_01.jpg",
        "0002_c2s1_000003_01.jpg",
        "0012_c1s1_000002_01.jpg",
        "0012_c2s1_000001_01.jpg",
    ]


@given(people=st.integers(3, 25), cameras=st.integers(1, 4), data=st.data())
def test_every_crop_of_an_evaluated_person_is_a_query_or_in_the_gallery(
    people: int, cameras: int, data: st.DataObject
) -> None:
    """One query a person and camera; the order of the crops changes nothing."""
    ordered = crops(people, cameras)
    shuffled = data.draw(st.permutations(ordered))
    for part in ("tune", "test"):
        split = split_people(shuffled, part)
        assert split == split_people(ordered, part)
        counts = Counter((c.pid, c.camid) for c in split.query)
        assert set(counts.values()) == {1}
        evaluated = {c.pid for c in split.query}
        assert set(split.query) | set(split.gallery) == {c for c in ordered if c.pid in evaluated}
        assert not set(split.query) & set(split.gallery)
        assert not evaluated & {c.pid for c in split.train}


def test_distractors_belong_to_no_part() -> None:
    """Person 0 of a gallery is many people."""
    nobody = [Person(Path("0000_c1s1_000000_00.jpg"), 0, 1)]
    assert split_people([*nobody, *crops(5)], "tune") == split_people(crops(5), "tune")


def test_two_people_cannot_be_split() -> None:
    """There would be nobody left to train on."""
    with pytest.raises(ReidaugError, match="3 people, not 2"):
        split_people(crops(2), "tune")
