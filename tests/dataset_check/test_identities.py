from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.data.market1501 import QUERY, SPLITS, Person
from reidaug.dataset_check.findings import ADVICE, PROBLEM, REMARK, Finding
from reidaug.dataset_check.identities import identity_findings
from reidaug.dataset_check.names import Listing


def crop(split: str, pid: int, camid: int, shot: int = 0) -> Person:
    return Person(Path(split) / f"{pid:04d}_c{camid}s1_{shot:06d}_00.jpg", pid, camid)


def identity_report(
    train: list[tuple[int, int]], query: list[tuple[int, int]], gallery: list[tuple[int, int]]
) -> list[Finding]:
    listings = {
        split: Listing(split, tuple(crop(split, *ids, shot) for shot, ids in enumerate(people)))
        for split, people in zip(SPLITS, (train, query, gallery), strict=True)
    }
    return identity_findings(listings, listed=False)


FINE = [(1, 1), (1, 2), (2, 1), (2, 2)]
TEST = [(7, 1), (8, 2)], [(7, 2), (8, 1)]


@pytest.mark.parametrize(
    ("train", "query", "gallery", "says", "rank"),
    [
        (FINE, [*TEST[0], (9, 1)], TEST[1], "1 of 3 queries show a person the gallery", ADVICE),
        (FINE, [*TEST[0], (7, 2)], TEST[1], "1 of 3 queries have matches", ADVICE),
        (FINE, [(7, 2)], TEST[1], "1 of 1 queries have matches", PROBLEM),
        (FINE, [(9, 2)], TEST[1], "1 of 1 queries show a person the gallery", PROBLEM),
        ([*FINE, (8, 1), (8, 2)], *TEST, "1 person number in training and test alike", ADVICE),
        ([*FINE, (3, 1)], *TEST, "1 of 3 persons have one image only", ADVICE),
        ([*FINE, (3, 1), (3, 1)], *TEST, "1 of 3 persons appear under one camera", REMARK),
        ([(1, 1), (1, 1), (2, 2), (2, 2)], *TEST, "2 of 2 persons appear under one", ADVICE),
        ([(1, 1), (1, 2)], *TEST, "only one person", PROBLEM),
        (FINE, TEST[0], [*TEST[1], (0, 1)], "1 image of person 0", REMARK),
        ([*FINE, (0, 1), (0, 2)], *TEST, "2 images of person 0", ADVICE),
        ([*FINE, (3, 11), (3, 12)], *TEST, "2 names with a camera of several digits", ADVICE),
        ([*FINE, (1502, 1), (1502, 2)], *TEST, "2 images with a person above 1501", REMARK),
        ([*FINE, (3, 0), (3, 1)], *TEST, "1 image with a person above 1501 or a camera", REMARK),
    ],
)
def test_persons_and_cameras_are_reported(
    train: list[tuple[int, int]],
    query: list[tuple[int, int]],
    gallery: list[tuple[int, int]],
    says: str,
    rank: str,
) -> None:
    assert identity_report(FINE, *TEST) == []
    (finding,) = identity_report(train, query, gallery)
    assert finding.what.startswith(says)
    assert finding.rank == rank
    assert bool(finding.stops) == (rank == PROBLEM)


pids, cameras = st.integers(1, 4), st.integers(1, 3)
shots = st.lists(st.tuples(pids, cameras), min_size=1, max_size=8)


@given(shots, shots)
def test_queries_without_a_match_are_those_a_loop_counts(
    query: list[tuple[int, int]], gallery: list[tuple[int, int]]
) -> None:
    lost = sum(not any(p == pid and c != camid for p, c in gallery) for pid, camid in query)
    findings = [f for f in identity_report(FINE, query, gallery) if f.where == QUERY]
    assert sum(f.cases for f in findings) == lost
    assert any(f.rank == PROBLEM for f in findings) == (lost == len(query))


def test_lists_number_training_and_test_separately() -> None:
    people = {split: Listing(split, (crop(split, 1, 1), crop(split, 2, 2))) for split in SPLITS}
    ranks = {f.rank for f in identity_findings(people, listed=True) if "alike" in f.what}
    assert ranks == {REMARK}


def test_people_named_by_words_are_shown_as_written() -> None:
    people = [
        Person(Path(f"{name}/1.jpg"), 2**48 + k, 1, words=(name, ""))
        for k, name in enumerate(("anna", "bert"))
    ]
    listings = {split: Listing(split, tuple(people)) for split in SPLITS}
    told = [example for f in identity_findings(listings, listed=False) for example in f.examples]
    assert told.count("person anna") == 2  # one image only; in training and test alike
    assert not any("2814" in example for example in told)
