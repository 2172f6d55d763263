import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.bootstrap import grouped_mean, ratio_of_sums


def test_the_interval_covers_the_mean_of_all_groups_as_often_as_it_says() -> None:
    """Rows of a group share most of their chance; drawing single rows would cover far less."""
    generator = np.random.default_rng(0)
    groups, hits = np.repeat(np.arange(60), 5), {"groups": 0, "rows": 0}
    for _ in range(200):
        values = np.repeat(generator.exponential(size=60), 5) + generator.normal(0, 0.1, 300)
        for what, drawn in (("groups", groups), ("rows", np.arange(300))):
            found = grouped_mean(values, drawn, seed=1)
            assert found is not None
            hits[what] += found.low <= 1.0 <= found.high
    assert 0.86 < hits["groups"] / 200 < 0.99
    assert hits["rows"] / 200 < 0.75


def test_rows_of_a_group_are_always_drawn_together() -> None:
    # Two groups: either is drawn twice, each in a quarter of the resamples, or both once.
    values, groups = np.array([1.0] * 98 + [5.0] * 2), np.array([0] * 98 + [1] * 2)
    assert grouped_mean(values, groups) == (1.08, 1.0, 5.0)
    alone = grouped_mean(values, np.arange(100))
    assert alone is not None
    assert alone.high - alone.low < 0.4
    order = np.random.default_rng(0).permutation(100)
    assert grouped_mean(values[order], groups[order]) == pytest.approx((1.08, 1.0, 5.0))


def test_what_was_not_measured_does_not_count() -> None:
    values = np.array([np.nan, 1.0, 2.0, 4.0, np.nan])
    groups = np.array(["ann", "ann", "bob", "cat", "dan"])
    assert grouped_mean(values, groups) == grouped_mean(values[1:4], groups[1:4])
    assert grouped_mean(np.full(3, np.nan), np.arange(3)) is None
    ten = np.arange(10) ** 2.0
    assert grouped_mean(ten, ten) == grouped_mean(ten, ten) != grouped_mean(ten, ten, seed=1)
    assert grouped_mean(np.full(5, 3.0), np.arange(5)) == (3.0, 3.0, 3.0)


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
