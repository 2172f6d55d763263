"""Comparison of arms."""

import math
import statistics

import numpy as np
import pytest

from reidaug.experiments.statistics import ArmScores, best, compare, paired_gain


def arm(*means, spread=None, queries=50):
    shape = np.linspace(-1, 1, queries) if spread is None else spread
    return ArmScores(np.array(means, float), np.array([mean + shape for mean in means]))


def test_a_gain_is_paired_over_seeds():
    found = gain(arm(12, 15, 18), arm(10, 14, 15))
    assert found.mean == pytest.approx(2)
    assert found.std == pytest.approx(statistics.stdev([2, 1, 3]))
    pooled = math.sqrt((statistics.variance([12, 15, 18]) + statistics.variance([10, 14, 15])) / 2)
    assert found.pooled_std == pytest.approx(pooled)


@pytest.mark.parametrize(
    ("means", "words"),
    [
        ((15.0, 15.1, 15.2), "a gain"),
        ((5.0, 5.1, 5.2), "a loss"),
        ((10.1, 10.2, 10.3), "no evidence of a gain"),
        ((12.0, 9.0, 19.0), "no evidence of a gain"),
    ],
)
def test_a_verdict_needs_both_seeds_and_queries(means, words):
    found = gain(arm(*means), arm(10.0, 10.1, 10.2))
    assert found.words == words
    assert found.evident == (words in ("a gain", "a loss"))


def test_one_seed_has_no_spread_of_its_own():
    found = gain(arm(12), arm(10))
    assert (found.std, found.pooled_std) == (0.0, 0.0)
    assert not found.evident


def test_queries_without_a_match_do_not_count():
    ap = np.array([[1.0, np.nan, 3.0]])
    found = gain(ArmScores(np.array([2.0]), ap + 1), ArmScores(np.array([1.0]), ap))
    assert found.ci == (1.0, 1.0)


def gain(first, second):
    return paired_gain({"first": first, "second": second}, "first", "second")


ARMS = {
    "real_only": arm(10.0, 10.1, 10.2),
    "identity_grey": arm(12.0, 12.1, 12.2),
    "warps_grey": arm(15.0, 15.1, 15.2),
    "true_views_grey": arm(18.0, 18.1, 18.2),
}
ROLES = {
    "method": "warps_grey",
    "baseline": "real_only",
    "controls": ("real_only", "identity_grey", "affine_grey"),
    "ceiling": "true_views_grey",
}


def test_the_share_of_the_ceiling_is_over_the_best_control():
    found = compare(ARMS, **ROLES)
    assert found.gain_mAP.vs == "real_only"
    assert found.gain_mAP.mean == pytest.approx(5)
    assert found.gain_over_best_control.vs == "identity_grey"
    assert found.ceiling.mean == pytest.approx(6)
    assert found.ceiling.share_recovered == pytest.approx(0.5)
    assert set(found.differences) == set(ARMS) - {"warps_grey"}


def test_no_share_where_the_ceiling_gains_nothing():
    arms = {**ARMS, "true_views_grey": arm(12.0, 12.1, 12.3)}
    assert compare(arms, **ROLES).ceiling.share_recovered is None


def test_comparisons_with_arms_that_were_not_run_are_missing():
    found = compare({"real_only": arm(1.0), "true_views_grey": arm(2.0)}, **ROLES)
    assert found.gain_mAP is found.gain_over_best_control is None
    assert found.differences == {}
    assert found.ceiling.share_recovered is None
    assert best(ARMS, ["affine_grey"]) is None
