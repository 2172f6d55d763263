"""Results as text: tables and sentences of an experiment, and of an evaluated model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from reidaug.data.market1501 import Person
from reidaug.reid.evaluation.retrieval import Evaluation
from reidaug.report.experiment import Ceiling, ExperimentReport, Gain, Scores

COLUMNS = {
    "mAP": "mAP",
    "mAP_trapezoid": "mAP trapezoid",
    "rank1": "Rank-1",
    "rank5": "Rank-5",
    "rank10": "Rank-10",
    "mINP": "mINP",
}


class Subset(NamedTuple):
    """Size of a split of a dataset."""

    ids: int  # persons, the distractors (pid 0) counted as one
    images: int  # crops
    cameras: int

    @classmethod
    def of(cls, people: Sequence[Person]) -> "Subset":
        """Count the crops of a split."""
        pids, camids = {person.pid for person in people}, {person.camid for person in people}
        return cls(len(pids), len(people), len(camids))


def summary(
    report: ExperimentReport, before: Mapping[str, Scores], gains: Iterable[Gain | None]
) -> str:
    """Sum up an experiment: protocol, scores, the method beside every other arm, and sentences.

    Args:
        report: Its report.
        before: Scores of the stages before the arms.
        gains: Gains to describe in words; None for arms that were not run.
    """
    parts = [f"protocol: {report.protocol}", score_table({**before, **report.arms})]
    if report.differences:
        parts += ["", difference_table(report.differences)]
    return "\n".join([*parts, "", *(sentence(gain) for gain in gains if gain is not None)])


def score_table(arms: Mapping[str, Scores]) -> str:
    """Markdown table of all arms' scores: means and standard deviations over seeds."""
    rows = [[name, *(_mean_std(scores[key]) for key in COLUMNS)] for name, scores in arms.items()]
    return _markdown(["arm", *COLUMNS.values()], rows)


def difference_table(differences: Mapping[str, Gain]) -> str:
    """Markdown table of the gains of the method over every other arm, at least one.

    The paired difference in mAP, its standard deviation over seeds, the standard deviation of the
    two arms pooled, the interval over people, and the verdict, by Holm's rule among all arms.
    """
    first = next(iter(differences.values()))
    rows = [
        [
            name,
            f"{gain.mean:+.2f}",
            *(
                f"{std:.2f}" if len(gain.by_seed) > 1 else "-"
                for std in (gain.std, gain.pooled_std)
            ),
            f"{gain.ci[0]:+.2f} to {gain.ci[1]:+.2f}",
            gain.words,
        ]
        for name, gain in differences.items()
    ]
    interval = f"95 % over {first.interval_over}"
    head = [f"{first.arm} against", "mAP", "std", "pooled std", interval, "by Holm's rule"]
    return _markdown(head, rows)


def sentence(gain: Gain) -> str:
    """Write a gain in one line."""
    low, high = gain.ci
    seeds = f"std {gain.std:.2f} over paired seeds" if len(gain.by_seed) > 1 else "one seed"
    return (
        f"{gain.arm} against {gain.vs}: {gain.mean:+.2f} mAP, {seeds}, "
        f"95 % over {gain.interval_over} {low:+.2f} to {high:+.2f}: {gain.words}"
    )


def share_sentence(method: str, ceiling: Ceiling) -> str:
    """Write which share of the ceiling the method reaches, in a line; nothing without a share."""
    if ceiling.share_recovered is None:
        return ""
    known = ceiling.share_ci
    interval = "" if known is None else f" (95 % over people {known[0]:.0%} to {known[1]:.0%})"
    return (
        f"{method} recovers {ceiling.share_recovered:.0%}{interval} of what {ceiling.arm} gains\n"
    )


def subset_table(subsets: Mapping[str, Subset]) -> str:
    """Markdown table of the splits of a dataset, as torchreid and fast-reid print them."""
    rows = [[name, *(str(count) for count in subset)] for name, subset in subsets.items()]
    return _markdown(["subset", "# ids", "# images", "# cameras"], rows)


def results_table(rows: Mapping[str, Evaluation]) -> str:
    """Markdown table, in percent, of evaluations by dataset or ranking, as fast-reid prints them.

    ``metric`` is the mean of mAP and Rank-1.
    """
    keys = {"Rank-1": "rank1", "Rank-5": "rank5", "Rank-10": "rank10", "mAP": "mAP", "mINP": "mINP"}
    lines = []
    for name, evaluation in rows.items():
        scores = [evaluation.score(key) for key in keys.values()]
        metric = (evaluation.score("mAP") + evaluation.score("rank1")) / 2
        lines.append([name, *(_number(score, 2) for score in [*scores, metric])])
    return _markdown(["Dataset", *keys, "metric"], lines)


def results_block(evaluation: Evaluation) -> str:
    """Write an evaluation as torchreid does, in the lines that people search logs for."""

    def score(name: str) -> str:
        return _number(evaluation.score(name), 1, "%")

    ranks = [f"Rank-{rank:<3}: {score(f'rank{rank}')}" for rank in (1, 5, 10, 20)]
    return "\n".join(["** Results **", f"mAP: {score('mAP')}", "CMC curve", *ranks])


def ap_lines(evaluation: Evaluation) -> str:
    """Write mAP by both formulas, and which is which, in two lines."""
    standard, trapezoid = evaluation.score("mAP"), evaluation.score("mAP_trapezoid")
    return (
        f"mAP {_number(standard, 2)} standard, {_number(trapezoid, 2)} trapezoid\n"
        "standard: mean precision at the matches (torchreid, fast-reid, and all tables above); "
        "trapezoid: area under the precision-recall curve (DG-Net, Market-1501's own code)"
    )


def _number(value: float, digits: int, unit: str = "") -> str:
    """Write a score; a dash where it is not defined."""
    return "-" if np.isnan(value) else f"{value:.{digits}f}{unit}"


def _mean_std(values: Sequence[float]) -> str:
    mean = float(np.mean(values))
    return f"{mean:.2f}" if len(values) < 2 else f"{mean:.2f} ± {np.std(values, ddof=1):.2f}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table whose first column is on the left and whose others are on the right."""
    sides = ["left", *["right"] * (len(head) - 1)]
    return tabulate(rows, head, tablefmt="pipe", disable_numparse=True, colalign=sides)
