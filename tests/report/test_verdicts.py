"""Sentences about an experiment."""

from dataclasses import replace

import numpy as np
import pytest
from small_report import reid_report

from reidaug.report.experiment import Ceiling, FinetuneReport, Gain
from reidaug.report.verdicts import findings, headline, mean_and_std, seed_differences, spread

MEANS = {"real_only": 30.0, "identity_grey": 34.0, "true_views_grey": 40.0}


def report(warps: float, *, evident: bool = True, vs: str = "identity_grey") -> FinetuneReport:
    """Three seeds a point apart, so that every seed has the same difference."""
    means = {**MEANS, "warps_grey": warps}

    def gain(arm: str, vs: str, evident: bool) -> Gain:
        mean = means[arm] - means[vs]
        words = ("a gain" if mean > 0 else "a loss") if evident else "no evidence of a gain"
        return Gain(
            arm=arm, vs=vs, mean=mean, std=0.0, pooled_std=1.0, ci=(mean - 1, mean + 1),
            by_seed=(mean,) * 3, evident=evident, words=words,
        )  # fmt: skip

    share = (warps - means[vs]) / (40.0 - means[vs])
    return replace(
        reid_report(np.random.default_rng(0), means),
        arms={name: {"mAP": [mean - 1, mean, mean + 1]} for name, mean in means.items()},
        gain_mAP=gain("warps_grey", "real_only", True),
        gain_over_best_control=gain("warps_grey", vs, evident),
        ceiling=Ceiling(**vars(gain("true_views_grey", vs, True)), share_recovered=share),
    )


def test_gains_are_taken_seed_by_seed() -> None:
    arms = {"a": {"mAP": [1.0, 12.0, 23.0]}, "b": {"mAP": [0.0, 10.0, 24.0]}}
    differences = seed_differences(replace(report(37.0), arms=arms), "a", "b")
    assert differences == [1.0, 2.0, -1.0]
    assert mean_and_std(differences) == "+0.7 ± 1.5"


def test_one_seed_has_no_spread() -> None:
    assert mean_and_std([1.0]) == "+1.0"
    gain = report(37.0).gain_mAP
    assert gain is not None
    assert spread(gain, 2) == f"± {gain.std:.2f}"
    assert spread(replace(gain, by_seed=(1.0,))) == "one seed"


def test_arms_with_other_seeds_cannot_be_compared() -> None:
    arms = {"a": {"mAP": [2.0]}, "b": {"mAP": [1.0, 2.0]}}
    with pytest.raises(ValueError, match="zip"):
        seed_differences(replace(report(37.0), arms=arms), "a", "b")


def test_the_headline_says_helped_only_when_it_is_evident() -> None:
    assert headline(report(37.0)).startswith("Warps into new poses helped: +3.0 mAP")
    assert "helped" not in headline(report(37.0, evident=False))


def test_the_headline_separates_warps_from_the_grey_background() -> None:
    line = headline(report(35.0, evident=False))
    assert "chance could explain what they add to the same crops on grey (+1.0 mAP)" in line
    assert line.startswith("Warps beat the original crops by 5.0 mAP")


def test_the_headline_admits_a_loss() -> None:
    line = headline(report(31.0))
    assert line.startswith("Warps into new poses did not help: \N{MINUS SIGN}3.0 mAP against")


def test_a_headline_needs_the_deciding_arms() -> None:
    with pytest.raises(ValueError, match="not run"):
        headline(replace(report(37.0), gain_mAP=None))


def test_findings_hold_each_comparison_with_its_numbers() -> None:
    real, control, ceiling = findings(report(37.0))
    assert "+7.0 ± 0.0 (above zero in 3 of 3 seeds" in real
    assert "changes it by +4.0" in control
    assert "+3.0 ± 0.0" in control
    assert "The warps recover 50 % of that." in ceiling
    reid = report(37.0)
    assert reid.ceiling is not None
    reid = replace(reid, ceiling=replace(reid.ceiling, share_ci=(0.2, 0.8)))
    assert "50 % of that (95 % interval over people 20 to 80 %)." in findings(reid)[-1]


def test_findings_say_when_there_is_nothing_to_recover() -> None:
    reid = report(34.0)
    assert reid.ceiling is not None
    reid = replace(reid, ceiling=replace(reid.ceiling, share_recovered=None))
    assert "warps have nothing to recover" in findings(reid)[-1]


def test_findings_without_a_ceiling_or_a_better_control() -> None:
    reid = replace(report(37.0, vs="real_only"), ceiling=None)
    assert findings(reid)[1:] == ["No control did better than the original crops alone."]
