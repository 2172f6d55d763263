"""How far a number may be off: what it is based on is drawn again and again, with replacement."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray

RESAMPLES = 2000


class Estimate(NamedTuple):
    """A number and its 95 % interval.

    Attributes:
        value: The number.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def mean_interval(
    values: Float[ndarray, "n"], *, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Bound a mean by drawing its values again.

    Args:
        values: Numbers (N,), finite.
        seed: Of the draw; as many values are drawn alike, so that rows of a table stay comparable.
        level: Probability the interval should cover.

    Returns:
        Lower and upper end of the interval; zeros where there are no values.
    """
    if not values.size:
        return 0.0, 0.0
    chance = np.random.default_rng(seed)
    means = [values[chance.integers(0, values.size, values.size)].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def ratio_of_sums(
    parts: Shaped[ndarray, "n"],
    wholes: Shaped[ndarray, "n"],
    groups: Shaped[ndarray, "n"],
    *,
    seed: int = 0,
) -> Estimate | None:
    """Divide the sum of some numbers by that of others; bound it by drawing groups of rows again.

    A mean is the ratio of values and ones; the share of successes that of booleans and ones. Rows
    of one group are drawn together, for they resemble each other.

    Args:
        parts: Numbers or booleans (N,), finite.
        wholes: Numbers or booleans (N,), not negative.
        groups: Which group each row belongs to (N,).
        seed: Of the draw.

    Returns:
        The ratio; None where the wholes sum to nothing.
    """
    if not wholes.sum():
        return None
    names, place = np.unique(groups, return_inverse=True)
    above = np.bincount(place, parts.astype(np.float64), minlength=len(names))
    below = np.bincount(place, wholes.astype(np.float64), minlength=len(names))
    drawn = np.random.default_rng(seed).integers(len(names), size=(RESAMPLES, len(names)))
    low, high = np.quantile(_ratios(above[drawn].sum(1), below[drawn].sum(1)), (0.025, 0.975))
    return Estimate(float(above.sum() / below.sum()), float(low), float(high))


def _ratios(above: Float[ndarray, "r"], below: Float[ndarray, "r"]) -> Float[ndarray, "_"]:
    """Divide; a draw of nothing says nothing."""
    some = below > 0
    return above[some] / below[some]
