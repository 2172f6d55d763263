"""A comparison of flow estimators as plain text, laid out as the paper's Table 1."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reidaug.report.published import printed


class Line(NamedTuple):
    """A score's line: its name, digits, and which end is good."""

    name: str
    decimals: int
    higher: bool = False


LINES = {
    "l1_32": Line("l1-norm, 32", 2),
    "l1": Line("l1-norm, {size}", 2),
    "ssim": Line("SSIM", 3, higher=True),
    "lpips": Line("LPIPS (Alex)", 3),
    "stlpips_alex": Line("ST-LPIPS (Alex)", 3),
    "stlpips_vgg": Line("ST-LPIPS (VGG)", 3),
    "epe_px": Line("EPE px, visible", 2),
    "stlpips_alex_hidden": Line("ST-LPIPS (Alex), hidden", 3),
    "stlpips_vgg_hidden": Line("ST-LPIPS (VGG), hidden", 3),
    "generated_l1": Line("l1-norm, drawn", 2),
    "generated_ssim": Line("SSIM, drawn", 3, higher=True),
    "generated_stlpips_alex": Line("ST-LPIPS (Alex), drawn", 3),
    "generated_stlpips_vgg": Line("ST-LPIPS (VGG), drawn", 3),
}
"""Scores in the order of the paper's Table 1; what it does not have comes after: hidden parts, and
what a drawing network makes of the warped source (Table 7 does not say which image it scored)."""

SAME = "no evidence of a difference"


def scores_text(report: Mapping[str, Any]) -> str:
    """Lay the scores out: scores down, estimators across.

    Args:
        report: What `reidaug compare` reports.

    Returns:
        Per score a line of means, the best with a star, a line of 95 % intervals and, where the
        paper prints numbers for these rows, a line of those.
    """
    height, width = report["size"]
    rows = report["rows"]
    table: list[list[str]] = [["", *rows]]
    for score, line in LINES.items():
        if not any(score in row for row in rows.values()):
            continue
        means = {name: row[score] for name, row in rows.items() if score in row}
        best = (max if line.higher else min)(means.values())
        cells = {n: f"{m:.{line.decimals}f}{'*' if m == best else ' '}" for n, m in means.items()}
        title = line.name.format(size=f"{height}x{width}")
        table.append([title, *(cells.get(name, "- ") for name in rows)])
        table.append(
            ["  95 %", *(_interval(row.get(f"{score}_ci"), line) for row in rows.values())]
        )
        table += _paper_line(report, score, line)
    region = "the person alone" if report["region"] == "foreground" else "whole images"
    lines = [_aligned(table), f"{report['pairs']} pairs, {region}; * best mean"]
    if "published" in report:
        published = report["published"]
        lines.append(f"Table {published['table']}, {published['title']}; {published['note']}")
    return "\n".join(lines)


def differences_text(report: Mapping[str, Any]) -> str:
    """Say how every row differs from the reference, pair by pair.

    Args:
        report: What `reidaug compare` reports.

    Returns:
        Per row what is better or worse, then what shows no evidence of a difference. Each
        interval stands for itself: none is widened for their number.
    """
    lines = [f"Pair by pair against {report['reference']}, 95 % intervals, each for itself:"]
    for name, scores in report["differences"].items():
        known = [(line, score, scores[score]) for score, line in LINES.items() if score in scores]
        for line, score, found in known:
            if found["words"] != SAME:
                lines.append(f"  {name}: {_difference(score, line, found)}: {found['words']}")
        same = [score for _, score, found in known if found["words"] == SAME]
        if same:
            lines.append(f"  {name}: {SAME} in {', '.join(same)}")
    return "\n".join(lines)


def sizes_text(report: Mapping[str, Any]) -> str:
    """List what every estimator costs.

    Args:
        report: What `reidaug compare` reports.

    Returns:
        A table of parameters, multiply-adds and time for one pair.
    """
    table = [["", "parameters", "GMAC", "ms a pair"]]
    for name, size in report["sizes"].items():
        table.append([name, f"{size['parameters']:,}", f"{size['gmac']:.3f}", f"{size['ms']:.1f}"])
    height, width = report["size"]
    return f"{_aligned(table)}\nat {height}x{width}, one core"


def _paper_line(report: Mapping[str, Any], score: str, line: Line) -> Iterator[list[str]]:
    if "published" not in report:
        return
    numbers = [printed(report["published"]["table"], name, score) for name in report["rows"]]
    if any(number is not None for number in numbers):
        digits = min(line.decimals, 3 if score == "ssim" else 2)  # as many as are printed
        cells = ["- " if n is None else f"{n:.{digits}f} " for n in numbers]
        yield ["  paper", *cells]


def _interval(ends: Sequence[float] | None, line: Line) -> str:
    if ends is None:
        return "- "
    return "–".join(f"{end:.{line.decimals}f}" for end in ends) + " "


def _difference(score: str, line: Line, found: Mapping[str, Any]) -> str:
    low, high = found["ci"]
    digits = line.decimals + 1
    return f"{score} {found['mean']:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def _aligned(table: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[k]) for line in table) for k in range(len(table[0]))]
    lines = []
    for first, *cells in table:
        padded = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(lines)
