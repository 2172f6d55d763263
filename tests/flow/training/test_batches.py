from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.flow.training.batches import PairBatches


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 9), st.integers(0, 100))
def test_a_late_start_gives_the_same_batches(count: int, batch: int, start: int, seed: int) -> None:
    whole = list(PairBatches(count, batch, steps=10, seed=seed))
    late = PairBatches(count, batch, steps=10, start=start, seed=seed)
    assert list(late) == whole[start:]
    assert len(late) == 10 - start


@given(st.integers(1, 30), st.integers(1, 12))
def test_every_pair_comes_once_an_epoch(count: int, batch: int) -> None:
    steps = 4 * count
    seen = [i for indices in PairBatches(count, batch, steps=steps) for i in indices]
    for begin in range(0, len(seen) - count + 1, count):
        assert sorted(seen[begin : begin + count]) == list(range(count))
    assert max(Counter(seen).values()) - min(Counter(seen).values()) <= 1


def test_every_seed_has_its_own_permutations() -> None:
    seeds = (0, 1, 2, 2**31, 99_999_999_999)
    orders = [tuple(map(tuple, PairBatches(30, 4, steps=20, seed=seed))) for seed in seeds]
    assert len(set(orders)) == len(seeds)


def test_processes_share_a_batch() -> None:
    whole = list(PairBatches(11, 6, steps=5, seed=3))
    shares = [list(PairBatches(11, 6, steps=5, seed=3, process=p, processes=2)) for p in (0, 1)]
    for all_of_it, *parts in zip(whole, *shares, strict=True):
        assert sorted(i for part in parts for i in part) == sorted(all_of_it)
        assert {len(part) for part in parts} == {3}
    with pytest.raises(ValueError, match="batches of 5"):
        PairBatches(11, 5, steps=5, processes=2)
