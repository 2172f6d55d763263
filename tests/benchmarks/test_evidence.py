import numpy as np
import pytest
from evidence import compared, holm


def test_a_gain_of_everybody_is_one_and_of_nobody_none():
    people = np.repeat(np.arange(30), 2)
    base = np.stack((np.linspace(0, 0.5, 60), np.zeros(60)))
    better = compared(base + np.array([[0.01], [0.5]]), base, people)
    assert better["mean"] == pytest.approx(1) and better["interval"] == pytest.approx([1, 1])
    assert better["rank1"] == pytest.approx(50) and better["p"] == 0.001
    signs = np.where(people % 2 == 0, 0.1, -0.1)
    none = compared(base + np.stack((signs, signs)), base, people)
    low, high = none["interval"]
    assert low < 0 < high and none["p"] > 0.5


def test_queries_without_a_match_do_not_count():
    base = np.array([[0.2, np.nan, 0.4], [1.0, np.nan, 0.0]])
    found = compared(base + 0.1, base, np.array([1, 2, 3]))
    assert found["mean"] == pytest.approx(10) and found["interval"] == pytest.approx([10, 10])


def test_holm_stops_at_the_first_that_is_not_evident():
    tests = {
        name: {"p": p, "mean": 1.0}
        for name, p in (("a", 0.01), ("b", 0.04), ("c", 0.02), ("d", 0.001))
    }
    holm(tests)  # limits .0125, .0167, .025, .05 in the order d, a, c, b
    assert [tests[name]["evident"] for name in "dacb"] == [True, True, True, True]
    tests["c"]["p"] = 0.026
    holm(tests)
    assert [tests[name]["evident"] for name in "dacb"] == [True, True, False, False]


def test_seeds_that_disagree_are_no_evidence():
    people = np.arange(30)
    base = np.full((3, 1, 30), 0.3)
    row = base + np.array([0.10, 0.01, 0.04])[:, None, None]
    found = compared(row, base, people)
    assert found["by_seed"] == pytest.approx([10, 1, 4]) and found["mean"] == pytest.approx(5)
    assert found["std"] == pytest.approx(4.58) and found["pooled_std"] == pytest.approx(3.24)
    holm({"a": found})
    assert not found["evident"]
    sure = compared(base + 0.05, base, people)
    holm({"a": sure})
    assert sure["evident"] and "rank1" not in sure
