"""Plain-text tables of a comparison of flow estimators, arranged as the paper's Table 1."""

from collections.abc import Sequence
from statistics import stdev
from typing import NamedTuple

from tabulate import tabulate

from reidaug.experiments.comparison import NO_EVIDENCE, Comparison, Difference


class Line(NamedTuple):
    """Line of a score: its title, digits, and whether higher is better."""

    title: str
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
    "generated_l1": Line("l1-norm, generated", 2),
    "generated_ssim": Line("SSIM, generated", 3, higher=True),
    "generated_stlpips_alex": Line("ST-LPIPS (Alex), generated", 3),
    "generated_stlpips_vgg": Line("ST-LPIPS (VGG), generated", 3),
}
"""Scores in the order of the paper's Table 1, then those it lacks: hidden regions, and generated
images (Table 7 does not say which image it scored)."""


def scores_text(report: Comparison) -> str:
    """Tabulate scores: scores down, estimators across.

    Per score a line of means, the best with a star, a line of 95 % intervals and, with several
    seeds, a line of standard deviations over them.
    """
    height, width = report.size
    rows = report.rows
    table: list[list[str]] = []
    for score, line in LINES.items():
        means = {name: row[score] for name, row in rows.items() if score in row}
        if not means:
            continue
        best = (max if line.higher else min)(means.values())
        cells = {n: f"{m:.{line.decimals}f}{'*' if m == best else ' '}" for n, m in means.items()}
        title = line.title.format(size=f"{height}x{width}")
        table.append([title, *(cells.get(name, "- ") for name in rows)])
        intervals = (_interval(row.get(f"{score}_ci"), line) for row in rows.values())
        table.append(["  95 %", *intervals])
        if report.seeds:
            spread = (_deviation(row.get(f"{score}_by_seed"), line) for row in rows.values())
            table.append(["  ± over seeds", *spread])
    region = "the person alone" if report.region == "foreground" else "whole images"
    below = f"{report.pairs} pairs, {region}; * best mean; intervals over {report.interval_over}"
    if report.seeds:
        below += f"; means over {len(report.seeds)} seeds"
    return f"{_aligned(table, ['', *rows])}\n{below}"


def differences_text(report: Comparison) -> str:
    """List for every row what is better or worse than the reference, then what shows no evidence.

    Differences are paired; intervals are not corrected for multiple comparisons. With several
    seeds a difference is evident only beyond two standard deviations of it over the seeds; below
    it is called ``perhaps better`` or ``perhaps worse``.
    """
    lines = [
        f"Pair by pair against {report.reference}, uncorrected 95 % intervals over "
        f"{report.interval_over}:"
    ]
    for name, scores in report.differences.items():
        known = {score: scores[score] for score in LINES if score in scores}
        for score, found in known.items():
            if found.words != NO_EVIDENCE:
                lines.append(f"  {name}: {_difference(score, found)}: {found.words}")
        same = [score for score, found in known.items() if found.words == NO_EVIDENCE]
        if same:
            lines.append(f"  {name}: {NO_EVIDENCE} in {', '.join(same)}")
    return "\n".join(lines)


def sizes_text(report: Comparison) -> str:
    """Tabulate parameters, multiply-adds and time of every estimator for one pair."""
    table = [
        [name, f"{size.parameters:,}", f"{size.gmac:.3f}", f"{size.ms:.1f}"]
        for name, size in report.sizes.items()
    ]
    height, width = report.size
    columns = ["", "parameters", "GMAC", "ms per pair"]
    return f"{_aligned(table, columns)}\nat {height}x{width}, one core"


def _interval(ends: Sequence[float] | None, line: Line) -> str:
    if ends is None:
        return "- "
    return "–".join(f"{end:.{line.decimals}f}" for end in ends) + " "


def _deviation(by_seed: Sequence[float] | None, line: Line) -> str:
    return "- " if by_seed is None else f"{stdev(by_seed):.{line.decimals}f} "


def _difference(score: str, found: Difference) -> str:
    (low, high), digits = found.ci, LINES[score].decimals + 1
    return f"{score} {found.mean:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def _aligned(table: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    align = ["left", *["right"] * (len(headers) - 1)]
    return tabulate(
        table,
        headers,
        tablefmt="plain",
        disable_numparse=True,
        colalign=align,
        headersglobalalign="right",
        preserve_whitespace=True,
    )
