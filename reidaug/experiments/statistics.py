"""What the arms of an experiment say about each other: paired over seeds and over queries."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reidaug.bootstrap import mean_interval


class Arm(NamedTuple):
    """One arm's scores.

    Attributes:
        mAP: Mean average precision (S,) of every seed in percent.
        ap: Average precision (S, Q) of every query in percent, NaN where it has no match.
    """

    mAP: Float[ndarray, "s"]  # noqa: N815
    ap: Float[ndarray, "s q"]


class Gain(NamedTuple):
    """How much better one arm is than another, in points of mAP.

    Attributes:
        mean: Mean over seeds of the paired differences.
        std: Their standard deviation; 0 for one seed.
        pooled_std: Root of the mean of both arms' own variances over seeds.
        low: Lower end of the 95 % interval of the mean over resampled queries.
        high: Upper end.
        seeds: How many there are.
    """

    mean: float
    std: float
    pooled_std: float
    low: float
    high: float
    seeds: int

    @property
    def evident(self) -> bool:
        """Whether the difference is more than chance between seeds and queries explains.

        One seed says nothing about chance between seeds, so nothing is evident from it.
        """
        beyond_seeds = self.seeds > 1 and abs(self.mean) > 2 * self.pooled_std
        return beyond_seeds and (self.low > 0 or self.high < 0)

    @property
    def words(self) -> str:
        """The difference in plain words."""
        if not self.evident:
            return "no evidence of a gain"
        return "a gain" if self.mean > 0 else "a loss"


def gain(arm: Arm, control: Arm) -> Gain:
    """Compare two arms that share seeds and queries.

    Args:
        arm: The one in question.
        control: The one it is measured against.

    Returns:
        Their difference.
    """
    paired = arm.mAP - control.mAP
    one = len(paired) < 2
    variances = [0.0 if one else float(np.var(a.mAP, ddof=1)) for a in (arm, control)]
    by_query = (arm.ap - control.ap).mean(0)
    by_query = by_query[~np.isnan(by_query)]
    low, high = mean_interval(by_query)
    return Gain(
        float(paired.mean()),
        0.0 if one else float(np.std(paired, ddof=1)),
        float(np.sqrt(np.mean(variances))),
        low,
        high,
        len(paired),
    )


def best(arms: Mapping[str, Arm], names: Sequence[str]) -> str | None:
    """Name the arm with the highest mean mAP.

    Args:
        arms: Scores by name.
        names: The arms that compete; those that were not run are passed over.

    Returns:
        Its name, the first of equals; None when none of them was run.
    """
    run = [name for name in names if name in arms]
    return max(run, key=lambda name: float(arms[name].mAP.mean()), default=None)


def compare(
    arms: Mapping[str, Arm],
    *,
    method: str,
    baseline: str,
    controls: Sequence[str],
    ceiling: str | None,
) -> dict[str, Any]:
    """Say what the method gains, and how much of what can be gained.

    Args:
        arms: Scores by name.
        method: The arm in question.
        baseline: The arm without any augmentation.
        controls: The arms that explain a gain away, the baseline among them.
        ceiling: The arm no augmentation of this kind can beat.

    Returns:
        For ``report.json``: ``gain_mAP`` over the baseline, ``gain_over_best_control``,
        ``differences`` of the method from every other arm, and ``ceiling`` with the share of the
        possible gain that is recovered (None when the ceiling is not evidently above the best
        control). Parts whose arms were not run are left out.
    """
    control = best(arms, controls)
    said: dict[str, Any] = {}
    if method in arms and baseline in arms:
        said["gain_mAP"] = against(arms, method, baseline)
    if method in arms and control is not None:
        said["gain_over_best_control"] = against(arms, method, control)
    if method in arms:
        others = [name for name in arms if name != method]
        said["differences"] = {name: against(arms, method, name) for name in others}
    if ceiling in arms and ceiling is not None and control is not None:
        room = gain(arms[ceiling], arms[control])
        said["ceiling"] = {"arm": ceiling, **against(arms, ceiling, control)}
        if method in arms:
            recovered = gain(arms[method], arms[control]).mean / room.mean if room.mean else 0.0
            possible = room.evident and room.mean > 0
            said["ceiling"]["share_recovered"] = recovered if possible else None
    return said


def against(arms: Mapping[str, Arm], name: str, control: str) -> dict[str, Any]:
    """Compare two arms by name.

    Args:
        arms: Scores by name.
        name: The arm in question.
        control: The arm it is measured against.

    Returns:
        JSON values: mean, std, pooled_std, ci, vs and words.
    """
    found = gain(arms[name], arms[control])
    return {
        "mean": found.mean,
        "std": found.std,
        "pooled_std": found.pooled_std,
        "ci": [found.low, found.high],
        "vs": control,
        "words": found.words,
    }
