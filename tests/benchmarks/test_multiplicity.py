"""Differences looked at together."""

import pytest
from flow_tables import verdicts
from multiplicity import evident, p_of, share_words, standing, verdict


def test_p_of_older_results_is_read_off_the_interval() -> None:
    assert p_of({"mean": 1.96, "ci": [0.0, 3.92]}) == pytest.approx(0.05, abs=1e-4)
    assert p_of({"mean": -2.0, "ci": [-2.98, -1.02]}) == pytest.approx(6.3e-5, rel=0.02)
    assert p_of({"mean": 2.0, "ci": [1.0, 3.0], "p": 0.3}) == 0.3
    assert p_of({"mean": 2.0, "ci": [2.0, 2.0]}) == 1.0  # one person: nothing is known


def test_those_after_the_first_that_falls_fall_too() -> None:
    tests = {name: {"p": p} for name, p in (("a", 0.03), ("b", 0.001), ("c", 0.024))}
    assert standing(tests) == {"a", "b", "c"}
    tests["c"]["p"] = 0.026
    assert standing(tests) == {"b"}
    assert standing({}) == set()


def test_a_table_of_estimators_is_one_family() -> None:
    close = {"mean": -1.0, "ci": [-1.9, -0.1], "words": "better"}  # p of .03
    report = {"reference": "w", "differences": {"fomm": {"l1": close}}}
    assert verdicts(report)[0].endswith("better")
    report["differences"]["mraa"] = {
        "l1": close | {"mean": -3.0, "ci": [-3.9, -2.1]},
        "ssim": close,
    }
    first, second = verdicts(report)
    assert first.endswith("perhaps better (one of many)")
    assert "-3.000 (-3.900 to -2.100), better" in second
    assert second.endswith("perhaps worse (one of many)")  # of SSIM more is better


def test_results_of_all_ages_are_judged_by_one_rule() -> None:
    """The first ones call a gain what the deviation of the paired differences contradicts."""
    old = {"mean": 4.1, "ci": [2.2, 6.0], "std": 2.3, "pooled_std": 2.0, "words": "a gain"}
    assert verdict(old) == "perhaps a gain (seeds differ)" and not evident(old)
    steady = old | {"std": 1.0, "evident": None}
    assert verdict(steady) == "a gain" and evident(steady)
    assert verdict(steady, stands=False) == "perhaps a gain (one of many)"
    judged = {"mean": -2.0, "interval": [-2.6, -1.3], "std": 0.3, "by_seed": [-2.2, -1.8]}
    assert verdict(judged | {"evident": True}) == "a loss"
    assert verdict(judged | {"evident": False}) == "perhaps a loss (one of many)"
    assert verdict(judged | {"by_seed": [-2.0]}) == "perhaps a loss (one seed)"
    trained_by_nobody = {"mean": 0.9, "interval": [0.2, 1.6], "evident": True}
    assert verdict(trained_by_nobody) == "a gain"
    assert verdict(trained_by_nobody | {"interval": [-0.2, 2.0]}) == "no evidence of a gain"


def test_a_share_has_its_interval_or_says_that_it_has_none() -> None:
    known = {"share_recovered": 0.7, "share_ci": [0.4, 0.95]}
    assert share_words(known) == "70% of it (40% to 95%)"
    assert share_words({"share_recovered": 0.7}) == "70% of it (no interval was kept)"
