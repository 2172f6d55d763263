"""Agreement of two worlds about the order of some settings, with what chance does to it.

Kendall's tau-b of the settings' mean average precisions. Its interval draws people, with all their
queries, and seeds with replacement, in both worlds; each world draws its own.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import kendalltau

DRAWS = 2000
Floats = NDArray[np.float64]
Integers = NDArray[np.signedinteger[Any]]


class Scores(NamedTuple):
    """Average precisions of a world's queries."""

    ap: Floats  # in percent (settings, seeds, queries)
    pids: Integers  # person of each query (queries,)


class PersonSums(NamedTuple):
    """Average precisions of `Scores`, summed over the queries of each person."""

    ap: Floats  # (settings, seeds, people)
    queries: Integers  # number of queries of each person (people,)

    @classmethod
    def of(cls, scores: Scores) -> "PersonSums":
        """Sum the average precisions of each person."""
        pids, person, queries = np.unique(scores.pids, return_inverse=True, return_counts=True)
        belongs = (person[:, None] == np.arange(len(pids))).astype(np.float64)
        return cls(scores.ap @ belongs, queries)

    def means(self, seeds: Integers, people: Integers) -> Floats:
        """Average over some seeds and the queries of some people, for every setting."""
        total: Floats = self.ap[:, seeds][:, :, people].sum((1, 2))
        return total / (len(seeds) * self.queries[people].sum())


class Agreement(NamedTuple):
    """Kendall's tau of two orders."""

    tau: float  # tau-b of the settings' means over seeds and queries
    interval: tuple[float, float]  # the middle 95 % over drawn people and seeds
    # Pairs of settings that the first world itself decides: the middle 95 % of their difference
    # lies on one side of zero.
    decided: int
    pairs: int  # pairs in all
    tau_decided: float | None  # agreeing less disagreeing decided pairs, as a share of them


class Reproducibility(NamedTuple):
    """Kendall's tau of a world with itself."""

    # Mean tau between halves of the people, and of the seeds where there are several.
    tau: float
    interval: tuple[float, float]  # the middle 95 % of it over random halves
    decided: int  # as in `Agreement`
    pairs: int


def best_first(scores: Scores) -> list[int]:
    """Order settings by their mean."""
    return [int(k) for k in np.argsort(-scores.ap.mean((1, 2)), kind="stable")]


def agreement(first: Scores, second: Scores, *, seed: int = 0) -> Agreement:
    """Compare the orders of two worlds; the settings are the same in both."""
    rng = np.random.default_rng(seed)
    worlds = [PersonSums.of(world) for world in (first, second)]
    drawn, taus = [], []
    for _ in range(DRAWS):
        one, other = (
            w.means(_draw(w.ap.shape[1], rng), _draw(len(w.queries), rng)) for w in worlds
        )
        drawn.append(one)
        taus.append(_tau(one, other))
    means = [world.ap.mean((1, 2)) for world in (first, second)]
    decided = _decided(np.array(drawn))
    alike = np.sign(_differences(means[0])) * np.sign(_differences(means[1]))
    return Agreement(
        tau=round(_tau(*means), 3),
        interval=_middle(np.array(taus)),
        decided=int(decided.sum()),
        pairs=len(decided),
        tau_decided=round(float(alike[decided].mean()), 3) if decided.any() else None,
    )


def ceiling(scores: Scores, *, seed: int = 0) -> Reproducibility:
    """Compare the order of a world between disjoint halves of its people and seeds."""
    rng = np.random.default_rng(seed)
    world = PersonSums.of(scores)
    people, count = len(world.queries), scores.ap.shape[1]
    taus, drawn = [], []
    for _ in range(DRAWS):
        persons, seeds = rng.permutation(people), rng.permutation(count)
        parts = (seeds[: count // 2], seeds[count // 2 :]) if count > 1 else (seeds, seeds)
        halves = (persons[: people // 2], persons[people // 2 :])
        taus.append(_tau(*map(world.means, parts, halves)))
        drawn.append(world.means(_draw(count, rng), _draw(people, rng)))
    decided = _decided(np.array(drawn))
    return Reproducibility(
        round(float(np.mean(taus)), 3), _middle(np.array(taus)), int(decided.sum()), len(decided)
    )


def _draw(count: int, rng: Generator) -> Integers:
    """Draw as many numbers below a count with replacement."""
    return np.asarray(rng.integers(count, size=count))


def _tau(one: Floats, other: Floats) -> float:
    return float(kendalltau(one, other).statistic)


def _differences(means: Floats) -> Floats:
    """Subtract the means (..., settings) of all pairs of settings (..., pairs)."""
    rows, columns = np.triu_indices(means.shape[-1], 1)
    result: Floats = means[..., rows] - means[..., columns]
    return result


def _decided(drawn: Floats) -> NDArray[np.bool_]:
    low, high = np.percentile(_differences(drawn), (2.5, 97.5), axis=0)
    decided: NDArray[np.bool_] = (low > 0) | (high < 0)
    return decided


def _middle(values: Floats) -> tuple[float, float]:
    low, high = np.percentile(values, (2.5, 97.5)).round(3).tolist()
    return low, high
