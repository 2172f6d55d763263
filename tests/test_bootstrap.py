import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.bootstrap import mean_interval, ratio_of_sums


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        low, high = mean_interval(generator.exponential(size=60), seed=1)
        hits += low <= 1.0 <= high
    assert 0.86 < hits / 200 < 0.99


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(1).normal(3, 2, 400)
    low, high = mean_interval(values)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)
    assert (low, high) == mean_interval(values)
    assert mean_interval(np.full(5, 3.0)) == (3.0, 3.0)
    assert mean_interval(values[:0]) == (0.0, 0.0)


def test_a_mean_and_its_interval_are_those_of_the_textbook() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = ratio_of_sums(values, np.ones(400), np.arange(400))
    assert found is not None
    assert found.value == pytest.approx(values.mean())
    error = values.std() / np.sqrt(400)
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.2 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.2 * error)


def test_rows_that_repeat_a_group_do_not_make_it_surer() -> None:
    values = np.random.default_rng(0).normal(5, 2, 40)
    once = ratio_of_sums(values, np.ones(40), np.arange(40))
    often = ratio_of_sums(np.repeat(values, 25), np.ones(1000), np.repeat(np.arange(40), 25))
    assert once is not None
    assert often is not None
    assert often == pytest.approx(once)


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
def test_a_ratio_scales_and_forgets_the_order_and_names_of_groups(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    parts, wholes, groups = rng.random(30) < 0.4, rng.random(30) < 0.8, rng.integers(5, size=30)
    found = ratio_of_sums(parts, wholes, groups)
    assert found is not None
    assert found.low <= found.high
    assert found.value == pytest.approx(parts.sum() / wholes.sum())
    scaled = ratio_of_sums(scale * parts, wholes, groups)
    assert scaled == pytest.approx(tuple(scale * number for number in found))
    order = rng.permutation(30)
    named = np.array([f"person {k}" for k in groups])
    assert ratio_of_sums(parts[order], wholes[order], named[order]) == pytest.approx(found)


def test_of_nothing_there_is_no_share_and_empty_groups_do_no_harm() -> None:
    assert ratio_of_sums(np.zeros(3), np.zeros(3), np.arange(3)) is None
    found = ratio_of_sums(np.array([1.0, 0]), np.array([1.0, 0]), np.arange(2))
    assert found == (1.0, 1.0, 1.0)
