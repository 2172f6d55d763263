"""Evidence for differences: intervals over people, spread over seeds, and Holm's rule."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidaug.bootstrap import RESAMPLES, resampled_ratios
from reidaug.experiments.run_grid import Grid
from reidaug.experiments.statistics import standing

Array = NDArray[np.float64]


def precision_of(grid: Grid[Any], arm: str) -> Array:
    """Read the average precision (S, 1, Q) in [0, 1] of an arm or stage with S seeds."""
    found = [cell.evaluation.ap for cell in grid.results(arm)]
    return np.array([[np.array(ap, dtype=float)] for ap in found]) / 100


def mean_of(row: Array) -> float:
    """Mean mAP over seeds, in percent."""
    return round(100 * float(np.nanmean(row[:, 0])), 2)


def scored(
    rows: Mapping[str, Array],
    gains: Mapping[str, Any],
    over: Mapping[str, Mapping[str, Any]],
    against: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """Collect mAP by seed of all arms, what they gain, and warps over their best control.

    Args:
        rows: Average precision of each arm (S, 1, Q).
        gains: Of some arms, see `compared`.
        over: The same over their controls.
        against: Names of these controls.
    """
    found: dict[str, dict[str, Any]] = {}
    for arm, row in rows.items():
        found[arm] = {"mAP": [round(100 * float(np.nanmean(one[0])), 2) for one in row]}
        if arm in gains:
            found[arm]["gain"] = gains[arm]
        if arm in over:
            found[arm]["over_controls"] = {"vs": against[arm], **over[arm]}
    return found


def compared(row: Array, base: Array, people: NDArray[np.int64]) -> dict[str, Any]:
    """Mean difference in mAP, its interval over people, and how often draws contradict it.

    Args:
        row: Average precision (1, Q) of every query, or this and Rank-1 (2, Q), or the same of S
            seeds (S, 1 or 2, Q); NaN where a query has no match.
        base: The same of what it is compared with.
        people: Person (Q,) of every query.
    """
    by_seed = 100 * (row - base).reshape(-1, *row.shape[-2:])
    difference = by_seed.mean(0)
    known = ~np.isnan(difference[0])
    gain, ones = difference[0][known], np.ones(int(known.sum()))
    means = resampled_ratios(gain, ones, people[known])
    mean = float(gain.mean())
    against = np.mean(means <= 0) if mean > 0 else np.mean(means >= 0)
    found: dict[str, Any] = {
        "mean": round(mean, 2),
        "interval": [round(float(end), 2) for end in np.quantile(means, (0.025, 0.975))],
        "p": min(1.0, round(2 * max(float(against), 1 / RESAMPLES), 4)),
    }
    if len(difference) > 1:
        found["rank1"] = round(float(np.nanmean(difference[1])), 2)
    if len(by_seed) > 1:
        seeds = np.nanmean(by_seed[:, 0], axis=1)
        spread = [
            np.var(100 * np.nanmean(part.reshape(-1, *part.shape[-2:])[:, 0], axis=1), ddof=1)
            for part in (row, base)
        ]
        found["by_seed"] = [round(float(one), 2) for one in seeds]
        found["std"] = round(float(np.std(seeds, ddof=1)), 2)
        found["pooled_std"] = round(float(np.sqrt(np.mean(spread))), 2)
    return found


def holm(tests: dict[str, dict[str, Any]]) -> None:
    """Mark the differences that are evident among all of their kind.

    By Holm's step-down rule over people and, where there are several seeds, by more than twice the
    standard deviation of the paired differences.
    """
    stand = standing({name: test["p"] for name, test in tests.items()})
    for name, test in tests.items():
        test["evident"] = name in stand and abs(test["mean"]) > 2 * test.get("std", 0.0)
