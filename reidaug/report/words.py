"""What the numbers say, in plain words: no sentence here claims more than its numbers."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reidaug.report.html import number, signed

ARM_NAMES = {
    "real_only": "Original crops only",
    "identity_grey": "Own pose on grey",
    "affine_grey": "Torso-affine warps",
    "warps_grey": "UnWarpME warps",
    "true_views_grey": "True other views",
}
ARM_NOTES = {
    "real_only": "nothing added",
    "identity_grey": "control: background removed, no new pose",
    "affine_grey": "control: new poses without learning",
    "warps_grey": "new poses by the learnt flow",
    "true_views_grey": "ceiling: rendered again, not warped",
}
CONTROLS = ("real_only", "identity_grey", "affine_grey")
# A difference counts when it is larger than this many pooled standard deviations.
CLEAR = 2.0


class Gain(NamedTuple):
    """How much better one arm is than another.

    Attributes:
        mean: Mean of the differences, seed by seed.
        std: Standard deviation of the differences.
        pooled: Pooled standard deviation of the two arms over their seeds.
        versus: The arm compared with.
        better: In how many seeds the difference is above zero.
        seeds: How many there are.
    """

    mean: float
    std: float
    pooled: float
    versus: str
    better: int
    seeds: int

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``unclear`` where chance could have made the difference."""
        if self.seeds < 2 or abs(self.mean) <= CLEAR * self.pooled:
            return "unclear"
        return "better" if self.mean > 0 else "worse"


def paired_gain(scores: Sequence[float], versus: str, reference: Sequence[float]) -> Gain:
    """Compare two arms seed by seed.

    Args:
        scores: One score a seed.
        versus: Name of the arm compared with.
        reference: Its scores, the seeds in the same order.

    Returns:
        The gain; its deviations are 0 for a single seed.

    Raises:
        ValueError: The arms have different numbers of seeds.
    """
    differences = [a - b for a, b in zip(scores, reference, strict=True)]
    several = len(differences) > 1
    variances = [statistics.variance(arm) if several else 0.0 for arm in (scores, reference)]
    return Gain(
        statistics.fmean(differences),
        statistics.stdev(differences) if several else 0.0,
        math.sqrt(statistics.fmean(variances)),
        versus,
        sum(d > 0 for d in differences),
        len(differences),
    )


def best_control(arms: Mapping[str, Mapping[str, Any]]) -> str:
    """Find the control with the highest mean mAP.

    Args:
        arms: Per arm its scores, ``mAP`` among them.

    Returns:
        Its name.
    """
    return max(
        (name for name in CONTROLS if name in arms),
        key=lambda name: statistics.fmean(arms[name]["mAP"]),
    )


def headline(over_real: Gain, over_control: Gain) -> str:
    """Say in one line whether warps helped.

    Args:
        over_real: Gain of the warps over the original crops alone.
        over_control: Gain of the warps over the best control.

    Returns:
        The headline; a gain over a control that chance could have made is called that.
    """
    gain = f"{signed(over_control.mean)} mAP"
    control = _control(over_control.versus)
    if over_control.verdict == "better":
        return f"Warps into new poses helped: {gain} over {control}, the best control"
    if over_control.verdict == "worse":
        return f"Warps into new poses did not help: {gain} against {control}, the best control"
    if over_real.verdict == "better" and over_control.versus != "real_only":
        return (
            f"Warps beat the original crops by {number(over_real.mean)} mAP, but what the new "
            f"poses add over {control} is within the noise ({gain})"
        )
    return f"Whether warps into new poses help is not clear here: {gain} over {control}"


def findings(arms: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say what each comparison showed.

    Args:
        arms: Per arm its scores, ``mAP`` (percent, one a seed) among them.

    Returns:
        Sentences; those about an arm that was not run are left out.
    """
    warps = arms["warps_grey"]["mAP"]
    control = best_control(arms)
    over_real = paired_gain(warps, "real_only", arms["real_only"]["mAP"])
    over_control = paired_gain(warps, control, arms[control]["mAP"])
    sentences = [
        f"Against fine-tuning on the original crops alone, adding warps changes mAP by "
        f"{signed(over_real.mean)} ± {number(over_real.std)} ({_seeds(over_real)})."
    ]
    if control != "real_only":
        grey = paired_gain(arms[control]["mAP"], "real_only", arms["real_only"]["mAP"])
        sentences.append(
            f"A naive comparison would stop there. But {_control(control)}, which learnt no flow, "
            f"already changes it by {signed(grey.mean)} ± {number(grey.std)}. Against that "
            f"control the warps are at {signed(over_control.mean)} ± {number(over_control.std)} "
            f"({_seeds(over_control)}), {_judged(over_control)}."
        )
    else:
        sentences.append(f"No control did better than the original crops, {_judged(over_control)}.")
    if "true_views_grey" in arms:
        sentences.append(_ceiling(arms, control))
    return sentences


def recovered_share(arms: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Find how much of what true views would add the warps do add.

    Args:
        arms: Per arm its scores, ``mAP`` among them.

    Returns:
        (warps - best control) / (true views - best control) in means over seeds; None where true
        views add nothing.
    """
    if "true_views_grey" not in arms:
        return None
    control = statistics.fmean(arms[best_control(arms)]["mAP"])
    room = statistics.fmean(arms["true_views_grey"]["mAP"]) - control
    if room <= 0:
        return None
    return (statistics.fmean(arms["warps_grey"]["mAP"]) - control) / room


def _ceiling(arms: Mapping[str, Mapping[str, Any]], control: str) -> str:
    ceiling = paired_gain(arms["true_views_grey"]["mAP"], control, arms[control]["mAP"])
    told = (
        f"Rendered people can be seen in the new poses for real: such true views are at "
        f"{signed(ceiling.mean)} ± {number(ceiling.std)} over the same control, the most any "
        f"warp could add here."
    )
    share = recovered_share(arms)
    if share is None:
        return f"{told} There is nothing to recover: new poses are not what this world lacks."
    return f"{told} The warps recover {number(100 * share, 0)} % of it."


def _control(name: str) -> str:
    return {
        "real_only": "the original crops alone",
        "identity_grey": "the same crops on grey",
        "affine_grey": "torso-affine warps",
    }[name]


def _seeds(gain: Gain) -> str:
    return f"better in {gain.better} of {gain.seeds} seeds"


def _judged(gain: Gain) -> str:
    if gain.seeds < 2:
        return "and one seed says nothing about chance"
    bound = number(CLEAR * gain.pooled)
    if gain.verdict == "unclear":
        return f"which is within the noise of the seeds (twice the pooled deviation is {bound})"
    return f"which is more than the noise of the seeds (twice the pooled deviation is {bound})"
