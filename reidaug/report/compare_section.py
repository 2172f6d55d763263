"""Page of a comparison of flow estimators: scores, differences with intervals, warps, costs."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from reidaug.report import charts
from reidaug.report.flow_section import SCORES, Score, score_table
from reidaug.report.html import chart, duration, number, scaled, signed, thousands
from reidaug.report.page import (
    Block,
    Cell,
    Charts,
    Heading,
    Row,
    Section,
    Sheet,
    Table,
    Text,
    Tile,
)

PICTURE = "warps.png"
MOST_TILES = 5
UNTRAINED = ("identity", "torso_affine", "joint_blend")  # beside every trained row


def compare_title(report: Mapping[str, Any]) -> str:
    """Say in one line which row differs from the reference, in the first score there is."""
    key = first_score(report).key
    known = {name: d for name, d in report["differences"].items() if name not in UNTRAINED}
    found = {name: d[key] for name, d in known.items() if key in d}
    against = report["reference"]
    evident = [f"{name} {d['words']} than {against}" for name, d in found.items() if d["evident"]]
    told = ", ".join(evident) if evident else "no evidence of a difference"
    return f"{len(report['rows'])} flow estimators, by {first_score(report).name}: {told}"


def compare_tiles(report: Mapping[str, Any]) -> list[Tile]:
    """Give the best score of every trained row."""
    score = first_score(report)
    rows = report["rows"]
    own = [name for name in rows if name not in UNTRAINED and rows[name].get(score.key) is not None]
    return [
        Tile(
            number(rows[name][score.key], score.decimals),
            score.unit,
            f"{name}: {score.name}",
            main=name == report["reference"],
        )
        for name in own[:MOST_TILES]
    ]


def first_score(report: Mapping[str, Any]) -> Score:
    """Find the first score that every row has; the l1 distance where there is none."""
    rows = report["rows"].values()
    shared = (s for s in SCORES if all(row.get(s.key) is not None for row in rows))
    return next(shared, SCORES[1])


def scores_section(report: Mapping[str, Any]) -> Section:
    """Show the scores of all rows, and their differences from the reference."""
    budget = report.get("budget")
    lines = [
        f"Scored on {report['pairs']} pairs of people of the {report['evaluate_on']} part, at "
        f"{report['size'][0]} × {report['size'][1]}."
        + (f" Every trained row saw {thousands(budget)} training pairs." if budget else "")
    ]
    reference = report["reference"]
    blocks: list[Block] = [Text(lines), score_table(report, reference)]
    if report["differences"]:
        blocks += [Heading(f"Differences from {reference}"), *_differences(report)]
    return Section("scores", "Scores", blocks)


def _differences(report: Mapping[str, Any]) -> list[Block]:
    score = first_score(report)
    bars = {
        name: (d[score.key]["mean"], *d[score.key]["ci"], d[score.key]["evident"])
        for name, d in report["differences"].items()
        if score.key in d
    }
    columns = [s for s in SCORES if any(s.key in d for d in report["differences"].values())]
    rows = [
        Row(name, [_difference(d.get(s.key), s.decimals) for s in columns])
        for name, d in report["differences"].items()
    ]
    over = report.get("interval_over", "pairs")
    table = Table(
        f"Differences from {report['reference']}",
        ("Row", *(f"{s.name}{f' ({s.unit})' if s.unit else ''}" for s in columns)),
        rows,
        f"Paired differences; small print: 95 % intervals over {over}, and the verdict.",
    )
    if not bars:
        return [table]
    unit = f"{score.name} minus that of {report['reference']}"
    image = chart(
        partial(charts.intervals, bars, unit=unit),
        f"Differences in {score.name} with their intervals; the table holds them",
    )
    better = "right" if score.higher else "left"
    caption = f"Filled: more than chance explains. Better is on the {better}."
    return [Charts([(image, caption)]), table]


def _difference(found: Mapping[str, Any] | None, decimals: int) -> Cell:
    if found is None:
        return Cell("–")
    low, high = (signed(end, decimals) for end in found["ci"])
    small = f"{low} to {high}, {found['words']}"
    return Cell(signed(found["mean"], decimals), small, found["evident"])


def warps_section(folder: Path, pixels: int) -> Section:
    """Show pairs beside their warps by every estimator, in so many pixels at most."""
    alt = "Pairs of images beside the warps of every estimator"
    caption = "A row a pair: source, target, and the source warped by every estimator."
    return Section("warps", "Warps", [Sheet(scaled(folder / PICTURE, alt, pixels), caption)])


def costs_section(report: Mapping[str, Any]) -> Section:
    """Show parameters, multiply-adds and times, and what trainings took."""
    rows = []
    for name, size in report["sizes"].items():
        training = report["training"].get(name)
        rows.append(
            Row(
                name,
                (
                    Cell(thousands(size["parameters"])),
                    Cell(number(size["gmac"], 3)),
                    Cell(number(size["ms"], 1)),
                    Cell(duration(training["seconds"]) if training else "–"),
                    Cell(thousands(training["pairs"]) if training else "–"),
                ),
            )
        )
    head = ("Row", "parameters", "GMAC", "ms a pair,\none thread", "training", "training pairs")
    return Section("costs", "Costs", [Table("Sizes and times of the estimators", head, rows)])
