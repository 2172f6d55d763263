"""Bootstrap intervals: the uncertainty of a number, by resampling what it is computed from."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray

RESAMPLES = 2000


class Estimate(NamedTuple):
    """A number and its 95 % interval."""

    value: float
    low: float  # lower end of the interval
    high: float  # upper end of the interval


def grouped_mean(
    values: Float[ndarray, "n"], groups: Shaped[ndarray, "n"], *, seed: int = 0
) -> Estimate | None:
    """Average numbers, with an interval over groups of rows.

    Args:
        values: Numbers (N,); NaN counts as not measured.
        groups: Group of each (N,), such as the person it was measured on; one group alone has an
            interval of no width, which says nothing about other groups.
        seed: Random seed; the same groups are drawn from equally many, so that rows of a table stay
            comparable.

    Returns:
        The mean; None where nothing was measured.
    """
    measured = ~np.isnan(values)
    ones = np.ones(int(measured.sum()))
    return ratio_of_sums(values[measured], ones, groups[measured], seed=seed)


def ratio_of_sums(
    parts: Shaped[ndarray, "n"],
    wholes: Shaped[ndarray, "n"],
    groups: Shaped[ndarray, "n"],
    *,
    seed: int = 0,
) -> Estimate | None:
    """Divide the sum of some numbers by that of others, with an interval over groups of rows.

    A mean is the ratio of values and ones; the share of successes that of booleans and ones. Rows
    of one group are resampled together, for they resemble each other.

    Args:
        parts: Numbers or booleans (N,), finite.
        wholes: Numbers or booleans (N,), not negative.
        groups: Group of each row (N,).
        seed: Random seed.

    Returns:
        The ratio; None where the wholes sum to zero.
    """
    if not wholes.sum():
        return None
    drawn = resampled_ratios(parts, wholes, groups, seed=seed)
    low, high = np.quantile(drawn, (0.025, 0.975))
    value = parts.sum(dtype=np.float64) / wholes.sum(dtype=np.float64)
    return Estimate(float(value), float(low), float(high))


def resampled_ratios(
    parts: Shaped[ndarray, "n"],
    wholes: Shaped[ndarray, "n"],
    groups: Shaped[ndarray, "n"],
    *,
    seed: int = 0,
) -> Float[ndarray, "r"]:
    """Divide sums of rows of groups drawn again, `RESAMPLES` times; see `ratio_of_sums`.

    Draws whose wholes sum to no more than zero are left out.
    """
    names, group = np.unique(groups, return_inverse=True)
    above = np.bincount(group, parts.astype(np.float64), minlength=len(names))
    below = np.bincount(group, wholes.astype(np.float64), minlength=len(names))
    drawn = np.random.default_rng(seed).integers(len(names), size=(RESAMPLES, len(names)))
    whole, part = below[drawn].sum(1), above[drawn].sum(1)
    ratios: Float[ndarray, r] = part[whole > 0] / whole[whole > 0]
    return ratios
