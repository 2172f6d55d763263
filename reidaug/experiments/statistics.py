"""Comparison of arms, paired over seeds and over queries."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reidaug.bootstrap import mean_interval
from reidaug.report.experiment import Ceiling, Comparison, Gain


class ArmScores(NamedTuple):
    """Scores of one arm."""

    # Mean average precision (S,) of every seed in percent.
    mAP: Float[ndarray, "s"]  # noqa: N815
    # Average precision (S, Q) in percent, NaN for queries without a match.
    ap: Float[ndarray, "s q"]


def compare(
    arms: Mapping[str, ArmScores],
    *,
    method: str,
    baseline: str,
    controls: Sequence[str],
    ceiling: str | None,
) -> Comparison:
    """Compare the method with all other arms.

    Args:
        arms: Scores by name; arms that were not run are missing.
        method: The arm in question.
        baseline: The arm without any augmentation.
        controls: Arms that could explain a gain away, the baseline among them.
        ceiling: The arm no augmentation of this kind can beat.
    """
    control = best(arms, controls)

    def gain(arm: str | None, vs: str | None) -> Gain | None:
        if arm is None or vs is None or not {arm, vs} <= arms.keys():
            return None
        return paired_gain(arms, arm, vs)

    over_control, above = gain(method, control), gain(ceiling, control)
    others = [name for name in arms if name != method] if method in arms else []
    return Comparison(
        gain_mAP=gain(method, baseline),
        gain_over_best_control=over_control,
        differences={name: paired_gain(arms, method, name) for name in others},
        ceiling=None
        if above is None
        else Ceiling(**vars(above), share_recovered=recovered(over_control, above)),
    )


def best(arms: Mapping[str, ArmScores], names: Sequence[str]) -> str | None:
    """Name of the arm with the highest mean mAP, the first of equals; None when none was run."""
    run = [name for name in names if name in arms]
    return max(run, key=lambda name: float(arms[name].mAP.mean()), default=None)


def paired_gain(arms: Mapping[str, ArmScores], name: str, vs: str) -> Gain:
    """Compare an arm with another (`vs`) that shares its seeds and queries.

    The difference is evident when it is more than twice the pooled standard deviation over seeds
    and its interval over queries does not hold 0. One seed says nothing about chance between
    seeds, so nothing is evident from it.
    """
    arm, control = arms[name], arms[vs]
    paired = arm.mAP - control.mAP
    several = len(paired) > 1
    variances = [float(np.var(a.mAP, ddof=1)) if several else 0.0 for a in (arm, control)]
    mean, pooled_std = float(paired.mean()), float(np.sqrt(np.mean(variances)))
    by_query = (arm.ap - control.ap).mean(0)
    low, high = mean_interval(by_query[~np.isnan(by_query)])
    evident = several and abs(mean) > 2 * pooled_std and (low > 0 or high < 0)
    return Gain(
        arm=name,
        vs=vs,
        mean=mean,
        std=float(np.std(paired, ddof=1)) if several else 0.0,
        pooled_std=pooled_std,
        ci=(low, high),
        by_seed=tuple(paired.tolist()),
        evident=evident,
        words=("a gain" if mean > 0 else "a loss") if evident else "no evidence of a gain",
    )


def recovered(method: Gain | None, ceiling: Gain) -> float | None:
    """Method's gain (None if not run) over the ceiling's, both over the same control.

    None where there is nothing evident to recover.
    """
    if method is None or not ceiling.evident or ceiling.mean <= 0:
        return None
    return method.mean / ceiling.mean
