"""Results of an experiment: records of its cells, and the report made of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from reidaug.experiments.arms import ExperimentOptions
from reidaug.experiments.experiment_data import ExperimentData
from reidaug.experiments.statistics import ArmScores, compare
from reidaug.reid.evaluation.retrieval import Evaluation
from reidaug.report.experiment import Scores

SCORES = ("mAP", "mAP_trapezoid", "rank1", "rank5", "rank10", "mINP")


class CellResult(NamedTuple):
    """Result of one arm with one seed."""

    evaluation: Evaluation  # scores of the trained model
    loss: float | None = None  # mean loss of the last tenth of the steps; None when there were none
    # Share of these training crops that the first head classified right.
    accuracy: float | None = None
    weights: str | None = None  # checksum of the file of the cell's weights, where it is kept
    # Counts of each clustering of an adaptation, see `reidaug.experiments.adaptation`.
    clusterings: list[dict[str, Any]] | None = None

    def as_record(self) -> dict[str, Any]:
        """Convert to JSON values."""
        return {**self._asdict(), "evaluation": self.evaluation._asdict()}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "CellResult":
        """Read the result from its `as_record`."""
        return cls(**{**record, "evaluation": Evaluation(**record["evaluation"])})


Cells = Mapping[str, Sequence[CellResult]]
"""Arms to their results, one per seed."""


def shared_report(
    options: ExperimentOptions, data: ExperimentData, cells: Cells, before: Cells
) -> dict[str, Any]:
    """Build the fields of `reidaug.report.experiment.ExperimentReport` that all experiments share.

    Args:
        options: The experiment.
        data: Its crops.
        cells: Results of the arms.
        before: Results of earlier stages whose CMC curves are reported beside those of the arms.
    """
    evaluation = next(iter(cells.values()))[0].evaluation
    comparison = compare(
        arm_scores(cells),
        data.query_pids,
        method=options.method,
        baseline=options.baseline,
        controls=options.controls,
        ceiling=options.ceiling,
    )
    return {
        "protocol": options.protocol,
        "evaluate_on": options.evaluate_on,
        "metric": options.metric,
        "feature_precision": "float32",
        "seeds": options.seeds,
        "queries": len(data.query),
        "queries_without_match": evaluation.unmatched,
        "gallery": len(data.gallery),
        "left_out": len(data.left_out),
        "extra_crops": {name: len(crops) for name, crops in data.extra.items()},
        "people_without_extra": dict(data.without_extra),
        "arms": {name: scores(results) for name, results in cells.items()},
        "cmc": {
            name: np.mean([cell.evaluation.curve for cell in results], axis=0).tolist()
            for name, results in {**before, **cells}.items()
        },
        **vars(comparison),
    }


def scores(results: Sequence[CellResult]) -> Scores:
    """Collect every score of an arm from its results, one number per seed, in percent.

    NaN where no query had a match, as in a dry run of a few crops.
    """
    return {key: [cell.evaluation.score(key) for cell in results] for key in SCORES}


def arm_scores(cells: Cells) -> dict[str, ArmScores]:
    """Collect the scores of every arm that arms are compared by."""
    return {
        name: ArmScores(
            np.array([cell.evaluation.score("mAP") for cell in results]),
            np.array([cell.evaluation.ap for cell in results], dtype=np.float64),
        )
        for name, results in cells.items()
    }
