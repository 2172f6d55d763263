"""What the numbers say, in plain words: no sentence here claims more than its numbers."""

import statistics
from collections.abc import Mapping
from typing import Any, NamedTuple

from reidaug.report.html import number, signed

ARM_NAMES = {
    "real_only": "Original crops only",
    "identity_grey": "Own pose on grey",
    "affine_grey": "Torso-affine warps",
    "warps_grey": "UnWarpME warps",
    "true_views_grey": "True other views",
}
START_NOTE = "what all arms start from"
ARM_NOTES = {
    "real_only": "the crops themselves once more",
    "identity_grey": "control: background removed, no new pose",
    "affine_grey": "control: new poses without learning",
    "warps_grey": "new poses by the learnt flow",
    "true_views_grey": "ceiling: rendered again, not warped",
}


class Gain(NamedTuple):
    """How much better one arm is than another, in points of mAP.

    Attributes:
        mean: Mean of the differences, seed by seed.
        std: Their standard deviation; 0 for a single seed.
        versus: The arm compared with.
        better: In how many seeds the difference is above zero.
        seeds: How many there are.
        interval: 95 % interval of the mean over resampled queries.
        evident: Whether chance between seeds and queries does not explain the difference.
    """

    mean: float
    std: float
    versus: str
    better: int
    seeds: int
    interval: tuple[float, float] | None = None
    evident: bool = False


def paired_gain(arms: Mapping[str, Any], name: str, versus: str) -> Gain:
    """Compare two arms seed by seed.

    Args:
        arms: Per arm its scores, ``mAP`` (one a seed, the seeds in the same order) among them.
        name: The arm in question.
        versus: The arm it is compared with.

    Returns:
        The gain, not judged.

    Raises:
        ValueError: The arms have different numbers of seeds.
    """
    pairs = zip(arms[name]["mAP"], arms[versus]["mAP"], strict=True)
    differences = [mine - other for mine, other in pairs]
    std = statistics.stdev(differences) if len(differences) > 1 else 0.0
    better = sum(difference > 0 for difference in differences)
    return Gain(statistics.fmean(differences), std, versus, better, len(differences))


def judged_gain(reid: Mapping[str, Any], key: str) -> Gain:
    """Read a gain that `reidaug finetune-eval` has judged.

    Args:
        reid: Its report.
        key: ``gain_mAP``, ``gain_over_best_control`` or ``ceiling``.

    Returns:
        The gain.
    """
    entry = reid[key]
    gain = paired_gain(reid["arms"], entry.get("arm", "warps_grey"), entry["vs"])
    low, high = entry["ci"]
    return gain._replace(interval=(low, high), evident=not entry["words"].startswith("no evidence"))


def headline(over_real: Gain, over_control: Gain) -> str:
    """Say in one line whether warps helped.

    Args:
        over_real: Gain of the warps over the original crops alone.
        over_control: Gain of the warps over the best control.

    Returns:
        The headline; a gain that chance could have made is called that.
    """
    gain = f"{signed(over_control.mean)} mAP"
    control = _CONTROLS[over_control.versus]
    if over_control.evident and over_control.mean > 0:
        return f"Warps into new poses helped: {gain} over {control}, the best control"
    if over_control.evident:
        return f"Warps into new poses did not help: {gain} against {control}, the best control"
    if over_real.evident and over_real.mean > 0:
        return (
            f"Warps beat the original crops by {number(over_real.mean)} mAP, but chance could "
            f"explain what they add to {control} ({gain})"
        )
    return f"Whether warps into new poses help cannot be told: {gain} over {control}"


def findings(reid: Mapping[str, Any]) -> list[str]:
    """Say what each comparison showed.

    Args:
        reid: Report of `reidaug finetune-eval`.

    Returns:
        Sentences, each from its numbers; those about an arm that was not run are left out.
    """
    over_real = judged_gain(reid, "gain_mAP")
    over_control = judged_gain(reid, "gain_over_best_control")
    sentences = [
        f"Against fine-tuning on the original crops alone, adding warps changes mAP by "
        f"{_told(over_real)}."
    ]
    control = over_control.versus
    if control == "real_only":
        sentences.append("No control did better than the original crops alone.")
    else:
        plain = paired_gain(reid["arms"], control, "real_only")
        caution = "A naive comparison would stop there. But t" if over_real.mean > 0 else "T"
        sentences.append(
            f"{caution}he best control, {_CONTROLS[control]}, for which no flow was learnt, "
            f"changes it by {signed(plain.mean)} ± {number(plain.std)}. Against this control the "
            f"warps are at {_told(over_control)}."
        )
    if "ceiling" in reid:
        sentences.append(_ceiling(reid))
    return sentences


def recovered_share(reid: Mapping[str, Any]) -> float | None:
    """Find how much of what true views add the warps add.

    Args:
        reid: Report of `reidaug finetune-eval`.

    Returns:
        (warps - best control) / (true views - best control); None where true views were not
        tried or add nothing beyond chance.
    """
    share: float | None = reid.get("ceiling", {}).get("share_recovered")
    return share


_CONTROLS = {
    "real_only": "the original crops alone",
    "identity_grey": "the same crops on grey",
    "affine_grey": "torso-affine warps",
}


def _ceiling(reid: Mapping[str, Any]) -> str:
    ceiling = judged_gain(reid, "ceiling")
    told = (
        f"Rendered people can be seen in the new poses for real. Such true views, the most any "
        f"warp could show, are at {_told(ceiling)}, against the same control."
    )
    share = recovered_share(reid)
    if share is None:
        return f"{told} Where true views gain nothing beyond chance, warps have nothing to recover."
    return f"{told} The warps recover {number(100 * share, 0)} % of that."


def _told(gain: Gain) -> str:
    """Write a gain with what speaks for and against it."""
    seeds = f"above zero in {gain.better} of {gain.seeds} seeds"
    interval = ""
    if gain.interval is not None:
        low, high = gain.interval
        interval = f"; 95 % interval over queries {signed(low)} to {signed(high)}"
    chance = "more than chance explains" if gain.evident else "which chance could explain"
    return f"{signed(gain.mean)} ± {number(gain.std)} ({seeds}{interval}), {chance}"
