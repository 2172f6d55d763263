"""Verdicts on differences, one rule for results of all ages; many together by Holm's rule."""

from collections.abc import Hashable, Mapping
from statistics import NormalDist
from typing import Any, TypeVar

from reidaug.experiments import statistics
from reidaug.experiments.statistics import LEVEL, ONE_OF_MANY, seed_doubt

WIDTH = 2 * NormalDist().inv_cdf(1 - LEVEL / 2)  # of a 95 % interval, in standard errors
RULE = "Holm's rule"

K = TypeVar("K", bound=Hashable)


def standing(tests: Mapping[K, Mapping[str, Any]]) -> set[K]:
    """Name the differences that stand among all, see `reidaug.experiments.statistics.standing`.

    Args:
        tests: Differences with ``mean`` and ``ci``, and ``p`` where it was kept.
    """
    return statistics.standing({name: p_of(test) for name, test in tests.items()})


def verdict(found: Mapping[str, Any], *, stands: bool = True) -> str:
    """Judge a difference, see `reidaug.experiments.statistics.verdict`.

    By today's rule, whatever an older result says: the first ones pooled the deviations of both
    arms in place of the deviation of the paired differences, which all files hold.

    Args:
        found: Difference with ``mean`` and ``ci`` or ``interval``; ``by_seed`` and ``std`` where
            seeds take part, ``evident`` where it was judged among others.
        stands: Whether it stands among those it is looked at with.
    """
    doubt = None
    if "by_seed" in found:
        doubt = seed_doubt(found["mean"], found["std"], len(found["by_seed"]))
    elif "std" in found:  # of the first results, whose experiments had several seeds each
        doubt = seed_doubt(found["mean"], found["std"], 2)
    if doubt is None and (not stands or found.get("evident") is False):
        doubt = ONE_OF_MANY
    return statistics.verdict(found["mean"], ends_of(found), doubt)


def evident(found: Mapping[str, Any], *, stands: bool = True) -> bool:
    """Whether chance between seeds and people does not explain a difference, see `verdict`."""
    return verdict(found, stands=stands) in ("a gain", "a loss")


def ends_of(found: Mapping[str, Any]) -> tuple[float, float]:
    """Read the ends of a difference's interval."""
    low, high = found["ci"] if "ci" in found else found["interval"]
    return low, high


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
