"""The small tables of flow estimators as Markdown, from the files under benchmarks/results."""

from collections.abc import Mapping
from statistics import stdev
from typing import Any, NamedTuple

from multiplicity import RULE, standing

from reidaug.experiments.comparison import in_words as which_is_better
from reidaug.experiments.statistics import ONE_OF_MANY, seed_doubt


class Column(NamedTuple):
    """A score's title and digits."""

    title: str
    digits: int


SCORES = {
    "l1_32": Column("l1-32", 2),
    "l1": Column("l1", 2),
    "ssim": Column("SSIM", 3),
    "stlpips_alex": Column("ST-LPIPS (Alex)", 3),
    "stlpips_vgg": Column("ST-LPIPS (VGG)", 3),
    "epe_px": Column("EPE px", 1),
    "stlpips_alex_hidden": Column("ST-LPIPS (Alex), hidden", 3),
}
CLOSED = ("joint_blend", "torso_affine", "identity")
NAMES = {
    "unwarpme": "UnWarpME",
    "unwarpme_affine_only": "UnWarpME, affine task alone",
    "unwarpme_untrained": "UnWarpME, untrained",
    "unwarpme_channel": "UnWarpME, unit length per channel",
    "unwarpme_sa": "UnWarpME-SA",
    "unwarpme_sa_affine_only": "UnWarpME-SA, affine task alone",
    "unwarpme_sa_untrained": "UnWarpME-SA, untrained",
    "unwarpme_sa_exact": "UnWarpME-SA, exact flows",
    "unwarpme_sa_exact_perceptual": "UnWarpME-SA, exact flows, perceptual loss",
    "fomm_untrained": "FOMM, untrained",
    "mraa_untrained": "MRAA, untrained",
    "tpsmm_untrained": "TPSMM, untrained",
    "gfla64_untrained": "GFLA64, untrained",
    "fomm": "FOMM",
    "mraa": "MRAA",
    "tpsmm": "TPSMM",
    "gfla64": "GFLA64",
    "gfla32": "GFLA32",
    "joint_blend": "joint blend",
    "torso_affine": "torso affine",
    "identity": "identity",
}
TITLES = {
    "table1": "Table 1: every method with its own training",
    "parametric": "One generator and one set of losses for four flows",
    "table2": "Table 2: without the affine task",
    "table3": "Table 3: without the refinement network",
    "table4": "Table 4: depth of C_i, read literally",
    "table7": "Table 7: naive and continuous discriminator",
    "skip": "Sec. 5.8: a skip connection in R",
}
# Scores whose differences are told.
OWN = ("l1_32", "l1", "ssim", "stlpips_alex", "stlpips_vgg", "epe_px")


def drawn(report: Mapping[str, Any]) -> str:
    """Write what the intervals of a report draw; older reports do not say: single pairs."""
    return f"95 % intervals over {report.get('interval_over', 'pairs')}"


def seeds_of(report: Mapping[str, Any]) -> str:
    """Write with how many seeds rows were trained."""
    count = len(report.get("seeds", ()))
    return f"; means ± deviation over {count} seeds" if count else "; one seed"


def title_of(name: str) -> str:
    """Write the name of a row."""
    return NAMES.get(name, f"`{name}`")


def scores(report: Mapping[str, Any], *, closed: bool = True) -> list[str]:
    """Tabulate means with 95 % intervals: estimators down, scores across."""
    rows = {n: row for n, row in report["rows"].items() if closed or n not in CLOSED}
    present = [score for score in SCORES if any(score in row for row in rows.values())]
    lines = [f"| | {' | '.join(SCORES[score].title for score in present)} |"]
    lines.append("|---" * (len(present) + 1) + "|")
    for name, row in rows.items():
        cells = [_cell(row, score) for score in present]
        lines.append(f"| {title_of(name)} | {' | '.join(cells)} |")
    return lines


def verdicts(report: Mapping[str, Any]) -> list[str]:
    """List how every trained row differs from the reference, pair by pair.

    What is called better or worse stands by Holm's rule among all differences of the list.
    """
    return [
        f"- {title}: {'; '.join(_difference(score, found[score]) for score in found)}"
        for title, found in _trained_differences(report)
    ]


def family(report: Mapping[str, Any]) -> str:
    """Say by which rule, and among how many differences, verdicts are given."""
    count = sum(len(found) for _, found in _trained_differences(report))
    return f"by {RULE} among the {count} of this table"


def in_words(report: Mapping[str, Any]) -> list[str]:
    """List the scores in which every trained row is better or worse than the reference."""
    lines = []
    for title, found in _trained_differences(report):
        parts = []
        for word in ("better", "worse"):
            titles = [SCORES[score].title for score in found if found[score]["words"] == word]
            parts += [f"{word} in {', '.join(titles)}"] if titles else []
        lines.append(f"- {title}: {'; '.join(parts) or 'no evidence'}")
    return lines


def sizes(report: Mapping[str, Any]) -> list[str]:
    """List parameters, multiply-adds and time of every estimator."""
    lines = ["| | parameters | GMAC | ms per pair, one core |", "|---|---|---|---|"]
    for name, size in report["sizes"].items():
        title = NAMES.get(name, f"`{name}`")
        lines.append(
            f"| {title} | {size['parameters']:,} | {size['gmac']:.2f} | {size['ms']:.1f} |"
        )
    return lines


def table1(report: Mapping[str, Any]) -> list[str]:
    """Write the section on Table 1 of docs/results.md."""
    spent = sum(row["seconds"] for row in report["training"].values())
    return [
        f"**Rivals** (`{report['command']}`, {report['date']}): each method with its own training "
        f"and {report['budget']:,} pairs of rendered people, {spent / 60:.0f} core minutes in all; "
        f"{report['pairs']} pairs of other people, {drawn(report)}:",
        "",
        *scores(report),
        "",
        "![Six pairs: source, target, and the source warped by each row](table1.png)",
        "",
        f"Pair by pair against {title_of(report['reference'])}, of all scores but the "
        f"last, {family(report)} (the differences with their intervals are in "
        "[paper.md](paper.md), with the other small tables and what they cannot show):",
        "",
        *in_words(report),
        "",
    ]


def page(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Write the small tables of docs/paper.md."""
    lines: list[str] = []
    for name, report in reports.items():
        lines += [f"### {TITLES[name]}", ""]
        lines += [f"`{report['command']}`, {report['hardware']}, {report['date']}; "]
        lines += [
            f"{' x '.join(map(str, report['size']))}; {report['budget']:,} pairs per row, "
            f"{report['pairs']} test pairs; {drawn(report)}{seeds_of(report)}.",
            "",
        ]
        lines += [*scores(report, closed=name == "table1"), ""]
        lines += [f"Pair by pair against `{report['reference']}`, verdicts {family(report)}:", ""]
        lines += [*verdicts(report), ""]
    return lines


def _trained_differences(report: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """List titles of trained rows, and their differences in `OWN`; see `verdicts`."""
    rows = {
        name: {score: found[score] for score in OWN if score in found}
        for name, found in report["differences"].items()
        if name not in CLOSED
    }
    stand = standing({(n, score): row[score] for n, row in rows.items() for score in row})
    return [
        (
            title_of(name),
            {
                score: {**found, "words": _words(score, found, (name, score) in stand)}
                for score, found in row.items()
            },
        )
        for name, row in rows.items()
    ]


def _words(score: str, found: Mapping[str, Any], stands: bool) -> str:
    """Say what a difference shows by today's rule, whatever an older file calls it."""
    by_seed = found.get("by_seed", ())
    doubt = seed_doubt(found["mean"], stdev(by_seed), len(by_seed)) if len(by_seed) > 1 else None
    if doubt is None and not stands:
        doubt = ONE_OF_MANY
    return which_is_better(score, found["mean"], found["ci"], doubt)


def _cell(row: Mapping[str, Any], score: str) -> str:
    if score not in row:
        return "-"
    low, high = row[f"{score}_ci"]
    digits = SCORES[score].digits
    by_seed = row.get(f"{score}_by_seed")
    spread = f" ± {stdev(by_seed):.{digits}f}" if by_seed else ""
    return f"{row[score]:.{digits}f}{spread} ({low:.{digits}f} to {high:.{digits}f})"


def _difference(score: str, found: Mapping[str, Any]) -> str:
    digits = SCORES[score].digits
    low, high = (f"{end:+.{digits + 1}f}" for end in found["ci"])
    return (
        f"{SCORES[score].title} {found['mean']:+.{digits + 1}f} ({low} to {high}), {found['words']}"
    )
