"""Comparison of arms."""

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest

from reidaug.experiments.statistics import (
    NO_EVIDENCE,
    ONE_OF_MANY,
    SEEDS_DIFFER,
    ArmScores,
    among_all,
    best,
    compare,
    paired_gain,
    verdict,
)


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
        ((10.4, 9.9, 10.5), "perhaps a gain (seeds differ)"),
        ((12.0, 9.0, 19.0), "perhaps a gain (seeds differ)"),
        ((8.0, 10.0, 3.0), "perhaps a loss (seeds differ)"),
    ],
)
def test_a_verdict_needs_both_seeds_and_people(means, words):
    found = gain(arm(*means), arm(10.0, 10.1, 10.2))
    assert found.words == words
    assert found.evident == (words in ("a gain", "a loss"))


def test_the_spread_of_the_starts_is_no_spread_of_the_gain():
    """Seeds start from better and worse models; every arm of a seed from the same one."""
    assert gain(arm(13.0, 33.1, 23.2), arm(10.0, 30.2, 20.1)).evident


def test_one_seed_has_no_spread_of_its_own():
    found = gain(arm(12), arm(10))
    assert (found.std, found.pooled_std) == (0.0, 0.0)
    assert not found.evident and found.words == "perhaps a gain (one seed)"


def test_nothing_is_found_where_the_interval_holds_0():
    around = np.tile([-1.0, 1.2], 25)
    better = ArmScores(np.array([10.1, 10.2]), np.array([10 + around, 10.1 + around]))
    found = gain(better, ArmScores(np.array([10.0, 10.1]), np.full((2, 50), [[10.0], [10.1]])))
    assert found.ci[0] < 0 < found.mean < found.ci[1]
    assert (found.evident, found.words) == (False, "no evidence of a gain")


def test_a_difference_apart_from_0_is_never_called_no_evidence():
    """Whatever speaks against it is said beside it."""
    assert verdict(-2.0, (-2.6, -1.3), SEEDS_DIFFER) == "perhaps a loss (seeds differ)"
    assert verdict(2.0, (1.3, 2.6), ONE_OF_MANY) == "perhaps a gain (one of many)"
    assert verdict(-2.0, (-2.6, -1.3)) == "a loss"
    assert verdict(1.0, (-0.1, 2.1), SEEDS_DIFFER) == verdict(1.0, (0.0, 2.0)) == NO_EVIDENCE


def test_queries_without_a_match_do_not_count():
    ap = np.array([[1.0, np.nan, 3.0]])
    found = gain(ArmScores(np.array([2.0]), ap + 1), ArmScores(np.array([1.0]), ap))
    assert found.ci == (1.0, 1.0)


def test_the_interval_draws_people_with_all_their_queries():
    """Two people: 90 queries of one gain nothing, 10 of the other gain 10 points."""
    people, ap = np.array([7] * 90 + [3] * 10), np.full((2, 100), 20.0)
    better = ArmScores(np.array([21.0, 21.0]), ap + np.where(people == 3, 10.0, 0.0))
    found = gain(better, ArmScores(np.array([20.0, 20.0]), ap), people)
    assert found.mean == 1
    assert found.ci == (0.0, 10.0)
    assert found.interval_over == "people"
    assert not found.evident
    by_query = gain(better, ArmScores(np.array([20.0, 20.0]), ap), np.arange(100))
    assert 0 < by_query.ci[0] < by_query.ci[1] < 2
    assert by_query.evident


def test_one_person_says_nothing_about_others():
    first, second = arm(15, 15.1), arm(10, 10.1)
    assert gain(first, second, np.arange(50) % 2).evident
    found = gain(first, second, np.zeros(50, int))
    assert (found.ci, found.evident) == ((pytest.approx(5), pytest.approx(5)), False)
    assert found.words == "perhaps a gain (one person)"


def gain(first, second, people=None):
    people = np.arange(first.ap.shape[1]) if people is None else people
    return paired_gain({"first": first, "second": second}, people, "first", "second")


ARMS = {
    "real_only": arm(10.0, 10.1, 10.2),
    "identity_grey": arm(12.0, 12.1, 12.2),
    "warps_grey": arm(15.0, 15.1, 15.2),
    "true_views_grey": arm(18.0, 18.1, 18.2),
}
PEOPLE = np.arange(50)
ROLES = {
    "method": "warps_grey",
    "baseline": "real_only",
    "controls": ("real_only", "identity_grey", "affine_grey"),
    "ceiling": "true_views_grey",
}


def test_the_share_of_the_ceiling_is_over_the_best_control():
    found = compare(ARMS, PEOPLE, **ROLES)
    assert found.gain_mAP.vs == "real_only"
    assert found.gain_mAP.mean == pytest.approx(5)
    assert found.gain_over_best_control.vs == "identity_grey"
    assert found.ceiling.mean == pytest.approx(6)
    assert found.ceiling.share_recovered == pytest.approx(0.5)
    assert set(found.differences) == set(ARMS) - {"warps_grey"}


def test_no_share_where_the_ceiling_gains_nothing():
    arms = {**ARMS, "true_views_grey": arm(12.0, 12.1, 12.3)}
    assert compare(arms, PEOPLE, **ROLES).ceiling.share_recovered is None


def test_comparisons_with_arms_that_were_not_run_are_missing():
    found = compare({"real_only": arm(1.0), "true_views_grey": arm(2.0)}, PEOPLE, **ROLES)
    assert found.gain_mAP is found.gain_over_best_control is None
    assert found.differences == {}
    assert found.ceiling.share_recovered is None
    assert best(ARMS, ["affine_grey"]) is None


def test_the_share_of_the_ceiling_has_an_interval_that_draws_both_together():
    """Where warps give each person half of what true views give, every draw says one half."""
    gains = np.linspace(1, 9, 50)  # of true views, person by person
    arms = {
        "real_only": arm(10.0, 10.1, 10.2),
        "warps_grey": ArmScores(np.array([12.5, 12.6, 12.7]), ARMS["real_only"].ap + gains / 2),
        "true_views_grey": ArmScores(np.array([15.0, 15.1, 15.2]), ARMS["real_only"].ap + gains),
    }
    found = compare(arms, PEOPLE, **ROLES).ceiling
    assert found.share_recovered == pytest.approx(0.5)
    assert found.share_ci == (pytest.approx(0.5), pytest.approx(0.5))
    half = np.where(PEOPLE % 2 == 0, gains, 0)  # of half of the people all, of the others nothing
    arms["warps_grey"] = ArmScores(np.array([12.5, 12.6, 12.7]), ARMS["real_only"].ap + half)
    low, high = compare(arms, PEOPLE, **ROLES).ceiling.share_ci
    assert 0.2 < low < 0.4
    assert 0.6 < high < 0.8
    none = compare({**ARMS, "true_views_grey": arm(12.0, 12.1, 12.3)}, PEOPLE, **ROLES).ceiling
    assert none.share_ci is None


def with_p(p, mean=1.0):
    return replace(gain(arm(15, 15.1), arm(10, 10.1)), mean=mean, p=p)


def test_many_arms_are_judged_together():
    """Holm: .05 over 3, 2, 1 in the order of p; what follows one that fails fails."""
    found = among_all({"a": with_p(0.03), "b": with_p(0.001), "c": with_p(0.024)})
    assert [found[name].evident for name in "abc"] == [True, True, True]
    found = among_all({"a": with_p(0.03), "b": with_p(0.001), "c": with_p(0.026)})
    assert [found[name].evident for name in "abc"] == [False, True, False]
    assert found["a"].words == "perhaps a gain (one of many)"
    assert found["a"].mean == 1.0
    assert among_all({"a": with_p(0.04)})["a"].evident
    assert among_all({}) == {}


def test_an_arm_among_many_needs_more_than_alone():
    """A difference that chance explains in 3 of 100 draws is evident alone, not among twenty."""
    rng = np.random.default_rng(1)
    ap = rng.normal(0, 1, 50)
    ap += 0.31 - ap.mean()  # about 2.2 standard errors
    close = ArmScores(np.array([10.31, 10.32]), np.stack([10 + ap, 10.01 + ap]))
    arms = {"warps_grey": close, "real_only": arm(10.0, 10.01, spread=np.zeros(50))}
    roles = {**ROLES, "controls": ("real_only",), "ceiling": None}
    alone = compare(arms, PEOPLE, **roles)
    assert 0.005 < alone.gain_mAP.p < 0.05
    assert alone.gain_mAP.evident and alone.differences["real_only"].evident
    same = {f"arm{k}": close for k in range(19)}
    among = compare(arms | same, PEOPLE, **roles)
    assert among.gain_mAP.evident  # asked by itself
    assert not among.differences["real_only"].evident


def test_p_is_of_the_same_draws_as_the_interval():
    assert gain(arm(15, 15.1), arm(10, 10.1)).p == 0.001  # no draw of 2,000 contradicts
    shifted = np.concatenate((np.full(25, -1.0), np.full(25, 1.0)))
    even = ArmScores(np.array([10.0, 10.0]), np.array([10 + shifted] * 2))
    assert gain(even, arm(10.0, 10.0, spread=np.zeros(50))).p > 0.9


def test_the_method_is_no_control_of_its_own():
    arms = {"a": arm(12, 15), "b": arm(10, 14)}
    found = compare(
        arms, np.arange(50), method="a", baseline="b", controls=("a", "b"), ceiling=None
    )
    assert found.gain_over_best_control is not None
    assert found.gain_over_best_control.vs == "b"
