"""Many differences looked at together: which stand by Holm's rule."""

from collections.abc import Hashable, Mapping
from statistics import NormalDist
from typing import Any, TypeVar

from reidaug.experiments import statistics
from reidaug.experiments.statistics import LEVEL

WIDTH = 2 * NormalDist().inv_cdf(1 - LEVEL / 2)  # of a 95 % interval, in standard errors
RULE = "Holm's rule"

K = TypeVar("K", bound=Hashable)


def standing(tests: Mapping[K, Mapping[str, Any]]) -> set[K]:
    """Name the differences that stand among all, see `reidaug.experiments.statistics.standing`.

    Args:
        tests: Differences with ``mean`` and ``ci``, and ``p`` where it was kept.
    """
    return statistics.standing({name: p_of(test) for name, test in tests.items()})


def p_of(test: Mapping[str, Any]) -> float:
    """Read p of a difference; of an older one that has none, from its interval as of a normal."""
    if test.get("p") is not None:
        return float(test["p"])
    low, high = test["ci"]
    if high <= low:
        return 1.0
    return 2 * NormalDist().cdf(-abs(test["mean"]) * WIDTH / (high - low))


def share_words(ceiling: Mapping[str, Any]) -> str:
    """Write the share of the ceiling that warps reach, with its interval."""
    known = ceiling.get("share_ci")
    interval = "no interval was kept" if known is None else f"{known[0]:.0%} to {known[1]:.0%}"
    return f"{ceiling['share_recovered']:.0%} of it ({interval})"
