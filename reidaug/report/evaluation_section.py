"""Page of the evaluation of a finished re-ID model: scores, CMC, ranked results."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reidaug.report.html import number, scaled, thousands
from reidaug.report.page import (
    Block,
    Cell,
    Charts,
    Row,
    Section,
    Sheet,
    Table,
    Text,
    Tile,
)
from reidaug.report.reid_section import cmc_chart

KEYS = {"mAP": "mAP", "rank1": "Rank-1", "rank5": "Rank-5", "rank10": "Rank-10", "mINP": "mINP"}
FURTHER = {
    "reranked": "re-ranked",
    "averaged": "averaged with warps",
    "averaged_reranked": "averaged with warps, re-ranked",
}
RANKED = "ranked.png"


def evaluation_title(report: Mapping[str, Any]) -> str:
    """Say in one line how good the model is."""
    scores = report["scores"]
    if scores["mAP"] is None:
        return f"{report['backbone']} on {report['dataset']}: no query shows a known person"
    return (
        f"{report['backbone']} on {report['dataset']}: mAP {number(scores['mAP'])} %, "
        f"Rank-1 {number(scores['rank1'])} %"
    )


def evaluation_tiles(report: Mapping[str, Any]) -> list[Tile]:
    """Give the scores at the head."""
    scores = report["scores"]
    return [
        Tile(number(scores["mAP"]), "%", "mAP", main=True),
        Tile(number(scores["rank1"]), "%", "Rank-1"),
        Tile(number(scores["mINP"]), "%", "mINP"),
    ]


def evaluation_section(report: Mapping[str, Any]) -> Section:
    """Show the scores of every ranking, CMC curves and the sizes of the dataset's parts."""
    rankings = {"plain": report, **{n: report[key] for key, n in FURTHER.items() if key in report}}
    rows = [
        Row(
            name,
            [Cell(number(found["scores"].get(key), 2)) for key in KEYS],
            note=str(found.get("by", "")) if name != "plain" else "",
            strong=name == "plain",
        )
        for name, found in rankings.items()
    ]
    metric = report.get("metric", "cosine")
    precision = report.get("feature_precision") or "an unknown number format"
    caption = f"In percent. Features compared by {metric}, computed in {precision}."
    blocks: list[Block] = [Table("Scores of the model", ("Ranking", *KEYS.values()), rows, caption)]
    cmc = {name: f["cmc"] for name, f in rankings.items() if None not in f["cmc"]}
    if cmc:
        words = "Share of queries with a right match among the first results."
        blocks.append(Charts([(cmc_chart(cmc), words)]))
    if unmatched := report.get("unmatched"):
        blocks.append(Text([f"{unmatched} queries have no match and do not count."]))
    return Section("scores", "Scores", [*blocks, _subsets(report["subsets"])])


def _subsets(subsets: Mapping[str, Mapping[str, int]]) -> Table:
    rows = [
        Row(name, [Cell(thousands(part[key])) for key in ("ids", "images", "cameras")])
        for name, part in subsets.items()
    ]
    return Table("Parts of the dataset", ("Part", "persons", "images", "cameras"), rows)


def ranked_section(folder: Path, report: Mapping[str, Any], pixels: int) -> list[Section]:
    """Show some queries with their results, in so many pixels at most; nothing without any."""
    if not report.get("ranked") or not (folder / RANKED).exists():
        return []
    known = [ap for ap in report["ap"] if ap is not None]
    spread = f" Median average precision: {number(statistics.median(known))} %." if known else ""
    alt = "Queries on the left with their nearest gallery crops, right ones green, wrong ones red"
    caption = (
        "Queries with the worst, median and best average precision, and their nearest gallery "
        f"crops: a tick and green is right, a cross and red is wrong.{spread}"
    )
    sheet = Sheet(scaled(folder / RANKED, alt, pixels), caption)
    return [Section("ranked", "Ranked results", [sheet])]
