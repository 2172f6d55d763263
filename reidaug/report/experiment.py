"""Reports of re-ID experiments: the records that ``report.json`` holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import TypeAdapter

Scores = dict[str, list[float]]
"""Every score of an arm: its name to the values in percent, one a seed."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """How much better one arm is than another, in points of mAP."""

    arm: str  # the arm in question
    vs: str  # the arm it is compared with
    mean: float  # mean of the paired differences over seeds
    std: float  # their standard deviation; 0 for one seed
    pooled_std: float  # root of the mean of both arms' own variances over seeds
    ci: tuple[float, float]  # 95 % interval of the mean over resampled queries
    by_seed: tuple[float, ...]  # difference of every seed
    evident: bool  # whether chance between seeds and queries does not explain the difference
    words: str  # ``a gain``, ``a loss`` or ``no evidence of a gain``


@dataclass(frozen=True, kw_only=True)
class Ceiling(Gain):
    """Gain of the arm that no augmentation of this kind can beat."""

    # Gain of the method over the same control, as a share of the ceiling's; None where the method
    # was not run or the ceiling gains nothing beyond chance.
    share_recovered: float | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The arm in question (the method) against the others; None for arms that were not run."""

    # Gain over the baseline.
    gain_mAP: Gain | None = None  # noqa: N815
    gain_over_best_control: Gain | None = None  # over the control with the highest mean mAP
    differences: dict[str, Gain] = field(default_factory=dict)  # from every other arm
    ceiling: Ceiling | None = None  # of the ceiling over the best control


@dataclass(frozen=True, kw_only=True)
class ExperimentReport(Comparison):
    """What every experiment reports.

    Attributes:
        protocol: ``supervised``, ``cross_domain`` or ``uda``.
        evaluate_on: ``test`` or ``held_out``.
        seeds: Seeds of every arm.
        queries: Query crops.
        queries_without_match: Those of them that do not count.
        gallery: Gallery crops.
        extra_crops: Extra crops of every arm.
        arms: Scores of every arm.
        cmc: Share of queries (percent) with a match within the first 1, 2, ... ranks, mean over
            seeds, for every arm.
    """

    protocol: str
    evaluate_on: str
    seeds: tuple[int, ...]
    queries: int
    queries_without_match: int
    gallery: int
    extra_crops: dict[str, int]
    arms: dict[str, Scores]
    cmc: dict[str, list[float]]

    def as_dict(self) -> dict[str, Any]:
        """Convert to JSON values; comparisons with arms that were not run are left out."""
        values = TypeAdapter(type(self)).dump_python(self, mode="json")
        return {key: value for key, value in values.items() if value not in (None, {})}


@dataclass(frozen=True, kw_only=True)
class FinetuneReport(ExperimentReport):
    """What fine-tuning reports.

    Attributes:
        backbone: Network.
        pretrain_steps: Optimiser steps of the first stage; 0 for a given checkpoint.
        steps: Optimiser steps of every arm.
        train_people: Training people.
        train_images: Real training crops.
        start: Scores of the model that all arms are fine-tuned from; where it was trained here
            also its last ``loss`` and ``accuracy``.
    """

    backbone: str
    pretrain_steps: int
    steps: int
    train_people: int
    train_images: int
    start: Scores


R = TypeVar("R", bound=ExperimentReport)


def read_report(values: Mapping[str, Any], kind: type[R]) -> R:
    """Read what `ExperimentReport.as_dict` wrote.

    Args:
        values: JSON values.
        kind: Kind of report.

    Returns:
        The report.
    """
    return TypeAdapter(kind).validate_python(values)
