"""Comparison of arms, paired over seeds and over the people who are searched for."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from reidaug.bootstrap import RESAMPLES, resampled_ratios
from reidaug.report.experiment import Ceiling, Comparison, Gain

LEVEL = 0.05  # of a test, and of all tests of a family together
NO_EVIDENCE = "no evidence of a gain"
# Why a difference whose interval leaves out 0 is not called evident.
SEEDS_DIFFER = "seeds differ"  # it is at most `DEVIATIONS` standard deviations over seeds
ONE_SEED = "one seed"
ONE_PERSON = "one person"
ONE_OF_MANY = "one of many"  # it does not stand by Holm's rule
DEVIATIONS = 2
K = TypeVar("K", bound=Hashable)


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

    Its gains over the baseline and over the best control are asked by themselves; its differences
    from all arms are many questions, and their verdicts are by Holm's rule, see `among_all`.

    Args:
        arms: Scores by name; arms that were not run are missing.
        people: Person (Q,) of every query.
        method: The arm in question.
        baseline: The arm without any augmentation.
        controls: Arms that could explain a gain away, the baseline among them.
        ceiling: The arm no augmentation of this kind can beat.
    """
    control = best(arms, [name for name in controls if name != method])

    def gain(arm: str | None, vs: str | None) -> Gain | None:
        if arm is None or vs is None or not {arm, vs} <= arms.keys():
            return None
        return paired_gain(arms, people, arm, vs)

    over_control, above = gain(method, control), gain(ceiling, control)
    others = [name for name in arms if name != method] if method in arms else []
    return Comparison(
        gain_mAP=gain(method, baseline),
        gain_over_best_control=over_control,
        differences=among_all({name: paired_gain(arms, people, method, name) for name in others}),
        ceiling=None if above is None else _ceiling(arms, people, over_control, above),
    )


def best(arms: Mapping[str, ArmScores], names: Sequence[str]) -> str | None:
    """Name of the arm with the highest mean mAP, the first of equals; None when none was run."""
    run = [name for name in names if name in arms]
    return max(run, key=lambda name: float(arms[name].mAP.mean()), default=None)


def paired_gain(
    arms: Mapping[str, ArmScores], people: Int[ndarray, "q"], name: str, vs: str
) -> Gain:
    """Compare an arm with another (`vs`) that shares its seeds and queries.

    The interval draws people (Q,), each with all their queries, which resemble each other; ``p`` is
    by the same draws. The
    difference is evident when it is more than twice the standard deviation of the paired
    differences over seeds and the interval does not hold 0. One seed says nothing about chance
    between seeds, one person nothing about other people, so nothing is evident from either.
    What the words are: `verdict`.
    """
    arm, control = arms[name], arms[vs]
    paired = arm.mAP - control.mAP
    several = len(paired) > 1
    variances = [float(np.var(a.mAP, ddof=1)) if several else 0.0 for a in (arm, control)]
    mean, pooled_std = float(paired.mean()), float(np.sqrt(np.mean(variances)))
    std = float(np.std(paired, ddof=1)) if several else 0.0
    by_query = (arm.ap - control.ap).mean(0)
    measured = people[~np.isnan(by_query)]
    low = high = 0.0
    p = 1.0
    if len(measured):
        drawn = _drawn(by_query, np.ones(len(by_query)), people)
        low, high = (float(end) for end in np.quantile(drawn, (LEVEL / 2, 1 - LEVEL / 2)))
        against = float(np.mean(drawn <= 0 if mean > 0 else drawn >= 0))
        p = min(1.0, 2 * max(against, 1 / RESAMPLES))
    doubt = seed_doubt(mean, std, len(paired))
    if len(np.unique(measured)) < 2:
        doubt = ONE_PERSON
    return Gain(
        arm=name,
        vs=vs,
        mean=mean,
        std=std,
        pooled_std=pooled_std,
        ci=(low, high),
        interval_over="people",
        by_seed=tuple(paired.tolist()),
        evident=doubt is None and (low > 0 or high < 0),
        words=verdict(mean, (low, high), doubt),
        p=p,
    )


def among_all(gains: Mapping[str, Gain]) -> dict[str, Gain]:
    """Keep as evident, of differences that are all looked at, those that stand by Holm's rule.

    What seeds contradict is not evident either. See `standing`.
    """
    stand = standing({name: 1.0 if gain.p is None else gain.p for name, gain in gains.items()})
    return {
        name: replace(gain, evident=False, words=verdict(gain.mean, gain.ci, ONE_OF_MANY))
        if gain.evident and name not in stand
        else gain
        for name, gain in gains.items()
    }


def verdict(
    mean: float,
    ci: Sequence[float],
    doubt: str | None = None,
    *,
    sides: tuple[str, str] = ("a gain", "a loss"),
    nothing: str = NO_EVIDENCE,
) -> str:
    """Put a difference into words.

    Args:
        mean: The difference.
        ci: Ends of its interval.
        doubt: Why it is not evident although the interval leaves out 0: one of `SEEDS_DIFFER`,
            `ONE_SEED`, `ONE_PERSON`, `ONE_OF_MANY`; None where nothing speaks against it.
        sides: What a difference above and below 0 is called.
        nothing: What is said where the interval holds 0.

    Returns:
        ``a gain``, ``perhaps a loss (seeds differ)``, ``no evidence of a gain`` and the like.
    """
    low, high = ci
    if low <= 0 <= high:
        return nothing
    side = sides[0] if mean > 0 else sides[1]
    return side if doubt is None else f"perhaps {side} ({doubt})"


def seed_doubt(mean: float, std: float, seeds: int) -> str | None:
    """Say what seeds have against a difference: how many they are, how far they differ (std)."""
    if seeds < 2:
        return ONE_SEED
    return SEEDS_DIFFER if abs(mean) <= DEVIATIONS * std else None


def standing(p: Mapping[K, float]) -> set[K]:
    """Name the tests of a family that stand by Holm's rule.

    From the least p on, each has to be at most `LEVEL` over the number of those left; from the
    first one above on, none stands. So the chance that any stands without a difference is at most
    `LEVEL`, however many there are.

    Source:
        Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    order = sorted(p, key=lambda name: p[name])
    for k, name in enumerate(order):
        if p[name] > LEVEL / (len(order) - k):
            return set(order[:k])
    return set(order)


def recovered(method: Gain | None, ceiling: Gain) -> float | None:
    """Method's gain (None if not run) over the ceiling's, both over the same control.

    None where there is nothing evident to recover.
    """
    if method is None or not ceiling.evident or ceiling.mean <= 0:
        return None
    return method.mean / ceiling.mean


def _ceiling(
    arms: Mapping[str, ArmScores], people: Int[ndarray, "q"], method: Gain | None, above: Gain
) -> Ceiling:
    """Add to the ceiling's gain the share that the method recovers, and its interval over people.

    Method and ceiling are drawn together. Draws in which the ceiling gains nothing are left out.
    """
    share = recovered(method, above)
    if method is None or share is None:
        return Ceiling(**vars(above), share_recovered=None)
    control = arms[above.vs].ap
    parts, wholes = ((arms[gain.arm].ap - control).mean(0) for gain in (method, above))
    drawn = _drawn(parts, wholes, people)
    low, high = (float(end) for end in np.quantile(drawn, (LEVEL / 2, 1 - LEVEL / 2)))
    return Ceiling(**vars(above), share_recovered=share, share_ci=(low, high))


def _drawn(
    parts: Float[ndarray, "q"], wholes: Float[ndarray, "q"], people: Int[ndarray, "q"]
) -> Float[ndarray, "r"]:
    """Divide sums over the queries of people drawn again; NaN counts as not measured."""
    known = ~np.isnan(parts)
    return resampled_ratios(parts[known], wholes[known], people[known])
