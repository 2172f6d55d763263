from typing import Any

import pytest

from reidaug.report.verdicts import (
    Gain,
    findings,
    headline,
    judged_gain,
    paired_gain,
    recovered_share,
)


def report(warps: float, *, evident: bool = True, vs: str = "identity_grey") -> dict[str, Any]:
    means = {"real_only": 30.0, "identity_grey": 34.0, "warps_grey": warps, "true_views_grey": 40.0}
    arms = {name: {"mAP": [mean - 1, mean, mean + 1]} for name, mean in means.items()}

    def against(arm: str, versus: str, evident: bool) -> dict[str, Any]:
        gain = means[arm] - means[versus]
        words = ("a gain" if gain > 0 else "a loss") if evident else "no evidence of a gain"
        return {"arm": arm, "vs": versus, "mean": gain, "ci": [gain - 1, gain + 1], "words": words}

    return {
        "arms": arms,
        "gain_mAP": against("warps_grey", "real_only", True),
        "gain_over_best_control": against("warps_grey", vs, evident),
        "ceiling": against("true_views_grey", vs, True)
        | {"share_recovered": (warps - means[vs]) / (40.0 - means[vs])},
    }


def line(reid: dict[str, Any]) -> str:
    return headline(judged_gain(reid, "gain_mAP"), judged_gain(reid, "gain_over_best_control"))


def test_gains_are_taken_seed_by_seed() -> None:
    arms = {"a": {"mAP": [1.0, 12.0, 23.0]}, "b": {"mAP": [0.0, 10.0, 24.0]}}
    gain = paired_gain(arms, "a", "b")
    assert gain == Gain(pytest.approx(2 / 3), pytest.approx((7 / 3) ** 0.5), "b", 2, 3)


def test_one_seed_has_no_spread() -> None:
    gain = paired_gain({"a": {"mAP": [2.0]}, "b": {"mAP": [1.0]}}, "a", "b")
    assert (gain.mean, gain.std, gain.evident) == (1.0, 0.0, False)


def test_arms_with_other_seeds_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired_gain({"a": {"mAP": [2.0]}, "b": {"mAP": [1.0, 2.0]}}, "a", "b")


def test_the_headline_says_helped_only_when_it_is_evident() -> None:
    assert line(report(37.0)).startswith("Warps into new poses helped: +3.0 mAP")
    assert "helped" not in line(report(37.0, evident=False))


def test_the_headline_tells_grey_from_warps() -> None:
    told = line(report(35.0, evident=False))
    assert "chance could explain what they add to the same crops on grey (+1.0 mAP)" in told
    assert told.startswith("Warps beat the original crops by 5.0 mAP")


def test_the_headline_admits_a_loss() -> None:
    told = line(report(31.0))
    assert told.startswith("Warps into new poses did not help: \N{MINUS SIGN}3.0 mAP against")


def test_findings_hold_each_comparison_with_its_numbers() -> None:
    real, control, ceiling = findings(report(37.0))
    assert "+7.0 ± 0.0 (above zero in 3 of 3 seeds" in real
    assert "changes it by +4.0" in control
    assert "+3.0 ± 0.0" in control
    assert "The warps recover 50 % of that." in ceiling


def test_findings_say_when_there_is_nothing_to_recover() -> None:
    reid = report(34.0)
    reid["ceiling"]["share_recovered"] = None
    assert recovered_share(reid) is None
    assert "warps have nothing to recover" in findings(reid)[-1]


def test_findings_without_a_ceiling_or_a_better_control() -> None:
    reid = report(37.0, vs="real_only")
    del reid["ceiling"]
    assert findings(reid)[1:] == ["No control did better than the original crops alone."]
