from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reidaug.data.market1501 import QUERY, SPLITS, TRAIN
from reidaug.dataset_check.checkup import check_dataset
from reidaug.dataset_check.duplicates import duplicate_findings, equal_groups
from reidaug.dataset_check.findings import ADVICE, PROBLEM, REMARK
from reidaug.dataset_check.image_files import ImageSummary
from reidaug.dataset_check.names import Listing
from tests.dataset_check.conftest import found, images


def test_copies_are_found_by_content_and_ranked_by_what_they_spoil(market: Path) -> None:
    train, query = images(market), images(market, QUERY)
    train[1].write_bytes(train[0].read_bytes())  # the same person
    train[4].write_bytes(train[2].read_bytes())  # another person
    query[0].write_bytes(train[3].read_bytes())
    checkup = check_dataset(market)
    assert found(checkup, "more than once in a split").rank == REMARK
    assert found(checkup, "under different persons").rank == ADVICE
    leaked = found(checkup, "training and test alike, pixel for pixel")
    assert (leaked.rank, leaked.cases, leaked.stops) == (PROBLEM, 1, ("evaluation",))
    assert leaked.examples == (f"{QUERY}/{query[0].name} = {TRAIN}/{train[3].name}",)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_equal_hashes_are_those_a_loop_finds(values: list[int]) -> None:
    expected = [
        [k for k, other in enumerate(values) if other == value]
        for value in dict.fromkeys(values)
        if value and values.count(value) > 1
    ]
    assert equal_groups(np.array(values, dtype=np.uint64)) == expected


def test_nothing_is_a_copy_in_an_empty_dataset() -> None:
    nobody = {split: Listing(split) for split in SPLITS}
    assert duplicate_findings(nobody, {split: ImageSummary() for split in SPLITS}) == []
