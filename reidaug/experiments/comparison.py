"""Report of a comparison of flow estimators: scores of rows, and their differences.

A row that was trained with several seeds has the mean over them for every pair, so that intervals
draw people, and beside it the mean of each seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray
from pydantic import TypeAdapter

from reidaug.experiments.statistics import ONE_PERSON, seed_doubt, verdict
from reidaug.flow.cost import Cost
from reidaug.flow.scores import HIGHER_IS_BETTER, Values, paired_difference, summarise

NO_EVIDENCE = "no evidence of a difference"


@dataclass(frozen=True)
class Difference:
    """Paired difference of a row from the reference in one score."""

    mean: float  # mean over pairs of the row minus the reference
    ci: tuple[float, float]  # its 95 % bootstrap interval
    # Whether the interval excludes zero, and the mean is more than twice the standard deviation of
    # ``by_seed``; never for pairs of one person.
    evident: bool
    # ``better``, ``worse``, ``perhaps better (seeds differ)``, no evidence of a difference, ...
    words: str
    by_seed: tuple[float, ...] = ()  # mean with each seed, where there are several


@dataclass(frozen=True)
class RowTraining:
    """Training of a row: steps, pairs per step, pairs in all, and its time in seconds."""

    steps: int
    batch: int
    pairs: int
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """``report.json`` of a comparison."""

    size: tuple[int, int]  # (height, width) of the images
    pairs: int  # number of scored pairs
    region: str  # ``foreground`` or ``image``, the pixels compared
    evaluate_on: str  # ``test`` or ``held_out`` people
    budget: int | None  # training pairs of every trained row
    # By row: means, ``<score>_ci`` (95 % intervals), ``parameters``.
    rows: dict[str, dict[str, Any]]
    reference: str  # row the others are compared with
    differences: dict[str, dict[str, Difference]]  # from every other arm
    training: dict[str, RowTraining]  # by trained row, with several seeds ``<row>-seed<seed>``
    sizes: dict[str, Cost]  # parameters, multiply-adds and time by row
    seeds: tuple[int, ...] = ()  # of every trained row, where there are several
    # What all intervals draw. Reports that do not say are older: theirs drew single pairs.
    interval_over: Literal["people", "pairs"] = "pairs"

    def as_dict(self) -> dict[str, Any]:
        """Give the JSON values of ``report.json``."""
        return asdict(self) | {"sizes": {name: size._asdict() for name, size in self.sizes.items()}}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Comparison":
        """Read ``report.json`` back."""
        return TypeAdapter(Comparison).validate_python(values)


def over_seeds(values: Sequence[Values]) -> Values:
    """Average the scores of each pair over the seeds of a row, those that all seeds have."""
    shared = [score for score in values[0] if all(score in one for one in values)]
    return {score: np.mean([one[score] for one in values], axis=0) for score in shared}


def row_scores(
    values: Sequence[Values], people: Shaped[ndarray, "n"], *, seed: int
) -> dict[str, Any]:
    """Average a row's scores.

    Args:
        values: Scores by pair, for each seed of the row.
        people: Person (N,) of every pair.
        seed: Random seed of the bootstrap.

    Returns:
        Each mean, its 95 % interval over people as ``<score>_ci`` and, with several seeds, the
        mean of each as ``<score>_by_seed``.
    """
    row: dict[str, Any] = dict(summarise(over_seeds(values), people, seed=seed).as_dict())
    if len(values) > 1:
        for score in [name for name in row if not name.endswith("_ci")]:
            row[f"{score}_by_seed"] = [round(float(np.nanmean(one[score])), 5) for one in values]
    return row


def differences(
    values: Sequence[Values],
    reference: Sequence[Values],
    people: Shaped[ndarray, "n"],
    *,
    seed: int,
) -> dict[str, Difference]:
    """Compare a row with the reference pair by pair, in the scores that both have.

    Args:
        values: Scores of the row by pair, for each of its seeds.
        reference: Scores of the reference, for as many seeds, or for one.
        people: Person (N,) of every pair.
        seed: Random seed of the bootstrap.
    """
    result = {}
    ours, theirs = over_seeds(values), over_seeds(reference)
    for score in [name for name in ours if name in theirs]:
        found = paired_difference(ours[score], theirs[score], people, seed=seed)
        if found is None:
            continue
        by_seed = _by_seed([one[score] for one in values], [one[score] for one in reference])
        doubt = None
        if by_seed:
            doubt = seed_doubt(found.mean, float(np.std(by_seed, ddof=1)), len(by_seed))
        if not found.evident:  # the interval holds 0, or the pairs are of one person
            doubt = ONE_PERSON
        mean, ci = round(found.mean, 5), (round(found.low, 5), round(found.high, 5))
        result[score] = Difference(
            mean=mean,
            ci=ci,
            evident=bool(found.evident and doubt is None),
            words=in_words(score, mean, ci, doubt),
            by_seed=tuple(round(one, 5) for one in by_seed),
        )
    return result


def in_words(score: str, mean: float, ci: Sequence[float], doubt: str | None = None) -> str:
    """Say which row is better by a score, see `reidaug.experiments.statistics.verdict`."""
    sides = ("better", "worse") if score in HIGHER_IS_BETTER else ("worse", "better")
    return verdict(mean, ci, doubt, sides=sides, nothing=NO_EVIDENCE)


def _by_seed(values: Sequence[ndarray], reference: Sequence[ndarray]) -> list[float]:
    """Mean difference with each seed; a row of one seed stands beside every seed of the other."""
    seeds = max(len(values), len(reference))
    if seeds == 1:
        return []
    pairs = ((values[k % len(values)], reference[k % len(reference)]) for k in range(seeds))
    return [float(np.nanmean(ours - theirs)) for ours, theirs in pairs]
