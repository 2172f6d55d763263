"""Comparison of arms, paired over seeds and over the people who are searched for."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from reidaug.bootstrap import grouped_mean
from reidaug.report.experiment import Ceiling, Comparison, Gain


class ArmScores(NamedTuple):
    """Scores of one arm."""

    # Mean average precision (S,) of every seed in percent.
    mAP: Float[ndarray, "s"]  # noqa: N815
    # Average precision (S, Q) in percent, NaN for queries without a match.
    ap: Float[ndarray, "s q"]


def compare(
    arms: Mapping[str, ArmScores],
    people: Int[ndarray, "q"],
    *,
    method: str,
    baseline: str,
    controls: Sequence[str],
    ceiling: str | None,
) -> Comparison:
    """Compare the method with all other arms.

    Args:
        arms: Scores by name; arms that were not run are missing.
        people: Person (Q,) of every query.
        method: The arm in question.
        baseline: The arm without any augmentation.
        controls: Arms that could explain a gain away, the baseline among them.
        ceiling: The arm no augmentation of this kind can beat.
    """
    control = best(arms, controls)

    def gain(arm: str | None, vs: str | None) -> Gain | None:
        if arm is None or vs is None or not {arm, vs} <= arms.keys():
            return None
        return paired_gain(arms, people, arm, vs)

    over_control, above = gain(method, control), gain(ceiling, control)
    others = [name for name in arms if name != method] if method in arms else []
    return Comparison(
        gain_mAP=gain(method, baseline),
        gain_over_best_control=over_control,
        differences={name: paired_gain(arms, people, method, name) for name in others},
        ceiling=None
        if above is None
        else Ceiling(**vars(above), share_recovered=recovered(over_control, above)),
    )


def best(arms: Mapping[str, ArmScores], names: Sequence[str]) -> str | None:
    """Name of the arm with the highest mean mAP, the first of equals; None when none was run."""
    run = [name for name in names if name in arms]
    return max(run, key=lambda name: float(arms[name].mAP.mean()), default=None)


def paired_gain(
    arms: Mapping[str, ArmScores], people: Int[ndarray, "q"], name: str, vs: str
) -> Gain:
    """Compare an arm with another (`vs`) that shares its seeds and queries.

    The interval draws people (Q,), each with all their queries, which resemble each other. The
    difference is evident when it is more than twice the standard deviation of the paired
    differences over seeds and the interval does not hold 0. One seed says nothing about chance
    between seeds, one person nothing about other people, so nothing is evident from either.
    """
    arm, control = arms[name], arms[vs]
    paired = arm.mAP - control.mAP
    several = len(paired) > 1
    variances = [float(np.var(a.mAP, ddof=1)) if several else 0.0 for a in (arm, control)]
    mean, pooled_std = float(paired.mean()), float(np.sqrt(np.mean(variances)))
    std = float(np.std(paired, ddof=1)) if several else 0.0
    by_query = (arm.ap - control.ap).mean(0)
    measured = people[~np.isnan(by_query)]
    found = grouped_mean(by_query, people)
    low, high = (0.0, 0.0) if found is None else found[1:]
    chance = not several or len(np.unique(measured)) < 2
    evident = not chance and abs(mean) > 2 * std and (low > 0 or high < 0)
    return Gain(
        arm=name,
        vs=vs,
        mean=mean,
        std=std,
        pooled_std=pooled_std,
        ci=(low, high),
        interval_over="people",
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
