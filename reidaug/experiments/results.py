"""The cells of an experiment put together: the report, and what is printed of it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reidaug.data.market1501 import Person
from reidaug.experiments.statistics import Arm
from reidaug.reid.evaluation.retrieval import Evaluation

COLUMNS = {
    "mAP": "mAP",
    "mAP_trapezoid": "mAP trapezoid",
    "rank1": "Rank-1",
    "rank5": "Rank-5",
    "rank10": "Rank-10",
    "mINP": "mINP",
}


class Cell(NamedTuple):
    """One arm with one seed.

    Attributes:
        tested: How the model did in the end.
        loss: Mean loss of the last tenth of the steps; None when there were none.
        accuracy: Share of the training crops named right there.
    """

    tested: Evaluation
    loss: float | None
    accuracy: float | None

    def encoded(self) -> bytes:
        """Write the cell as JSON."""
        content = {"tested": self.tested._asdict(), "loss": self.loss, "accuracy": self.accuracy}
        return json.dumps(content).encode()

    @classmethod
    def read(cls, path: Path) -> "Cell":
        """Read a cell that `encoded` wrote.

        Args:
            path: The file.

        Returns:
            The cell.
        """
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(Evaluation(**content["tested"]), content["loss"], content["accuracy"])


class Subset(NamedTuple):
    """What a split of a dataset holds.

    Attributes:
        ids: Persons, the distractors (pid 0) counted as one.
        images: Crops.
        cameras: Cameras.
    """

    ids: int
    images: int
    cameras: int

    @classmethod
    def of(cls, people: Sequence[Person]) -> "Subset":
        """Count.

        Args:
            people: The split's crops.

        Returns:
            Its counts.
        """
        pids, camids = {person.pid for person in people}, {person.camid for person in people}
        return cls(len(pids), len(people), len(camids))


def arm_of(cells: Sequence[Cell]) -> Arm:
    """Take from an arm's cells what is compared.

    Args:
        cells: One a seed.

    Returns:
        Their scores.
    """
    ap = np.array([cell.tested.ap for cell in cells], dtype=np.float64)
    return Arm(np.array([cell.tested.scores["mAP"] for cell in cells]), ap)


def rows_of(arms: Mapping[str, Sequence[Cell]]) -> dict[str, dict[str, list[float]]]:
    """List every score of every arm.

    Args:
        arms: The cells of each, one a seed.

    Returns:
        Arm to score to one number a seed, in percent.
    """
    return {
        name: {score: [cell.tested.scores[score] for cell in cells] for score in COLUMNS}
        for name, cells in arms.items()
    }


def curves_of(arms: Mapping[str, Sequence[Cell]]) -> dict[str, list[float]]:
    """Average every arm's CMC curve over its seeds.

    Args:
        arms: The cells of each, one a seed.

    Returns:
        Arm to the share of queries with a match among the first 1, 2, ..., in percent.
    """
    return {
        name: np.mean([cell.tested.cmc for cell in cells], axis=0).tolist()
        for name, cells in arms.items()
    }


def difference_table(method: str, differences: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out what a method is worth beside every other arm.

    Args:
        method: The arm in question.
        differences: What `reidaug.experiments.statistics.against` returns, by arm.

    Returns:
        A Markdown table: the paired difference in mAP, its standard deviation over seeds, the
        standard deviation of the two arms pooled, the interval over queries, and words.
    """
    head = [f"{method} against", "mAP", "std", "pooled std", "95 % over queries", ""]
    lines = [
        [
            name,
            f"{found['mean']:+.2f}",
            f"{found['std']:.2f}",
            f"{found['pooled_std']:.2f}",
            f"{found['ci'][0]:+.2f} to {found['ci'][1]:+.2f}",
            found["words"],
        ]
        for name, found in differences.items()
    ]
    return _markdown(head, lines)


def table(rows: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Lay out the scores of all arms.

    Args:
        rows: What `rows_of` returns.

    Returns:
        A Markdown table of means and standard deviations over seeds.
    """
    lines = [[name, *(_spread(scores[key]) for key in COLUMNS)] for name, scores in rows.items()]
    return _markdown(["arm", *COLUMNS.values()], lines)


def subset_table(subsets: Mapping[str, Subset]) -> str:
    """Sum up a dataset the way torchreid and fast-reid do.

    Args:
        subsets: Its splits by name.

    Returns:
        A Markdown table.
    """
    lines = [[name, *(str(count) for count in subset)] for name, subset in subsets.items()]
    return _markdown(["subset", "# ids", "# images", "# cameras"], lines)


def results_table(rows: Mapping[str, Evaluation]) -> str:
    """Lay out scores the way fast-reid does.

    Args:
        rows: How a model did, by dataset or by way of searching it.

    Returns:
        A Markdown table in percent; ``metric`` is the mean of mAP and Rank-1.
    """
    keys = {"Rank-1": "rank1", "Rank-5": "rank5", "Rank-10": "rank10", "mAP": "mAP", "mINP": "mINP"}
    lines = []
    for name, tested in rows.items():
        scores = [tested.scores[key] for key in keys.values()]
        metric = (tested.scores["mAP"] + tested.scores["rank1"]) / 2
        lines.append([name, *(f"{score:.2f}" for score in [*scores, metric])])
    return _markdown(["Dataset", *keys, "metric"], lines)


def ap_lines(tested: Evaluation) -> str:
    """Tell mAP by both formulas, and which is which.

    Args:
        tested: How a model did.

    Returns:
        Two lines.
    """
    standard, trapezoid = tested.scores["mAP"], tested.scores["mAP_trapezoid"]
    return (
        f"mAP {standard:.2f} standard, {trapezoid:.2f} trapezoid\n"
        "standard: mean precision at the matches (torchreid, fast-reid, and all tables above); "
        "trapezoid: area under the precision-recall curve (DG-Net, Market-1501's own code)"
    )


def results_block(tested: Evaluation) -> str:
    """Print a model's scores the way torchreid does.

    Args:
        tested: How it did.

    Returns:
        The lines people search logs for.
    """
    ranks = [(rank, tested.scores[f"rank{rank}"]) for rank in (1, 5, 10, 20)]
    lines = ["** Results **", f"mAP: {tested.scores['mAP']:.1f}%", "CMC curve"]
    return "\n".join([*lines, *(f"Rank-{rank:<3}: {share:.1f}%" for rank, share in ranks)])


def comparison(
    rows: Mapping[str, Mapping[str, Sequence[float]]],
    report: Mapping[str, Any],
    *,
    method: str,
    told: Mapping[str, str],
) -> str:
    """Say what an experiment found: its table, the method beside every arm, and plain words.

    Args:
        rows: What `rows_of` returns, with what was before the arms.
        report: The experiment's; parts it lacks are passed over.
        method: The arm in question.
        told: Keys of the report's comparisons, each with the arm it is about.

    Returns:
        Lines.
    """
    parts = [f"protocol: {report['protocol']}", table(rows)]
    if report.get("differences"):
        parts += ["", difference_table(method, report["differences"])]
    words = [sentence(name, report[key]) for key, name in told.items() if key in report]
    return "\n".join([*parts, "", *words])


def sentence(name: str, found: Mapping[str, Any]) -> str:
    """Say what a comparison says.

    Args:
        name: The arm in question.
        found: What `reidaug.experiments.statistics.against` returns.

    Returns:
        One line.
    """
    low, high = found["ci"]
    return (
        f"{name} against {found['vs']}: {found['mean']:+.2f} mAP, std {found['std']:.2f} over "
        f"paired seeds, 95 % over queries {low:+.2f} to {high:+.2f}: {found['words']}"
    )


def _spread(values: Sequence[float]) -> str:
    mean = float(np.mean(values))
    return f"{mean:.2f}" if len(values) < 2 else f"{mean:.2f} ± {np.std(values, ddof=1):.2f}"


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Align a table: the first column to the left, the others to the right."""
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in [head, rule, *lines]
    )
