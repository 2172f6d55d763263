"""Reports of re-ID experiments: the records that ``report.json`` holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

Scores = dict[str, list[float]]
"""Every score of an arm: its name to the values in percent, one per seed."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Gain of one arm over another, in points of mAP."""

    arm: str  # the arm in question
    vs: str  # the arm it is compared with
    mean: float  # mean of the paired differences over seeds
    std: float  # their standard deviation; 0 for one seed
    pooled_std: float  # root of the mean of both arms' own variances over seeds
    ci: tuple[float, float]  # 95 % interval of the mean, over resampled people
    # What the interval draws. Reports that do not say are older: theirs drew single queries.
    interval_over: Literal["people", "queries"] = "queries"
    by_seed: tuple[float, ...]  # difference of every seed
    evident: bool  # whether chance between seeds and people does not explain the difference
    # ``a gain``, ``a loss``, ``perhaps a gain (seeds differ)``, ``no evidence of a gain``, ...
    words: str
    # Twice the share of resamples on the other side of 0; None in older reports.
    p: float | None = None


@dataclass(frozen=True, kw_only=True)
class Ceiling(Gain):
    """Gain of the arm that no augmentation of this kind can beat."""

    # Gain of the method over the same control, as a share of the ceiling's; None where the method
    # was not run or the ceiling gains nothing beyond chance.
    share_recovered: float | None
    # Its 95 % interval over resampled people; None without a share, and in older reports.
    share_ci: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The arm in question (the method) against the others; None for arms that were not run."""

    # Gain over the baseline.
    gain_mAP: Gain | None = None  # noqa: N815
    gain_over_best_control: Gain | None = None  # over the control with the highest mean mAP
    # From every other arm; evident by Holm's rule among them all.
    differences: dict[str, Gain] = field(default_factory=dict)
    ceiling: Ceiling | None = None  # of the ceiling over the best control


@dataclass(frozen=True, kw_only=True)
class ExperimentReport(Comparison):
    """Report of any experiment."""

    protocol: str  # ``supervised``, ``cross_domain`` or ``uda``
    evaluate_on: str  # ``test`` or ``held_out``
    metric: str = "cosine"  # distance of features
    # Number format that features were computed in; reports that do not say are older.
    feature_precision: str | None = None
    seeds: tuple[int, ...]  # seeds of every arm
    queries: int  # query crops
    queries_without_match: int  # those of them that do not count
    gallery: int  # gallery crops
    left_out: int = 0  # images of all roots that could not be used
    extra_crops: dict[str, int]  # extra crops of every arm
    # By arm, the training people of whom it has no extra crop, where there are some: their real
    # crops stand in, except in adaptations.
    people_without_extra: dict[str, int] = field(default_factory=dict)
    arms: dict[str, Scores]  # scores of every arm
    # Share of queries (percent) with a match in the first 1, 2, ... ranks, mean over seeds, by arm.
    cmc: dict[str, list[float]]

    def as_dict(self) -> dict[str, Any]:
        """Convert to JSON values; comparisons with arms that were not run are left out."""
        values = TypeAdapter(type(self)).dump_python(self, mode="json")
        return {key: value for key, value in values.items() if value not in (None, {})}


@dataclass(frozen=True, kw_only=True)
class FinetuneReport(ExperimentReport):
    """Report of a fine-tuning experiment."""

    backbone: str  # network
    pretrain_steps: int  # optimiser steps of the first stage; 0 for a given checkpoint
    steps: int  # optimiser steps of every arm
    train_people: int  # training people
    train_images: int  # real training crops
    # Scores of the models that the arms start from: one per seed, or a single one that serves all;
    # if trained here also the last ``loss`` and ``accuracy``.
    start: Scores


R = TypeVar("R", bound=ExperimentReport)


def read_report(values: Mapping[str, Any], kind: type[R]) -> R:
    """Read a report of a kind from the JSON values of `ExperimentReport.as_dict`."""
    return TypeAdapter(kind).validate_python(values)
