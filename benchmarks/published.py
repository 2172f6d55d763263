"""Figures printed in the UnWarpME paper, for comparison with measured ones."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tabulate import tabulate

SCALE_NOTE = (
    "paper: as printed for DeepFashion photographs at 256x256 on white; compare the order of the "
    "rows, not the numbers"
)


class PublishedTable(NamedTuple):
    """One table of the paper.

    Attributes:
        title: What it compares.
        rows: By row name, as in recipes, and score: the number as printed.
        note: Caveats.
    """

    title: str
    rows: dict[str, dict[str, float]]
    note: str = ""


def _columns(names: tuple[str, ...], **scores: tuple[float, ...]) -> dict[str, dict[str, float]]:
    lines = {score: dict(zip(names, numbers, strict=True)) for score, numbers in scores.items()}
    return {name: {score: line[name] for score, line in lines.items()} for name in names}


_ABLATION = {
    "l1": (42.13, 15.52),
    "ssim": (0.504, 0.608),
    "lpips_alex": (0.84, 0.39),
    "lpips_vgg": (0.92, 0.35),
}
_ABLATION_NOTE = "Tables 2 and 3 of the paper print the same numbers for two different ablations"

TABLES = {
    1: PublishedTable(
        "direct sampling from source images, compared with targets",
        _columns(
            ("unwarpme", "fomm", "mraa", "tpsmm", "gfla32", "gfla64"),
            l1_32=(13.11, 13.26, 13.79, 13.66, 14.18, 14.01),
            l1=(15.52, 15.97, 15.58, 16.12, 28.13, 20.25),
            ssim=(0.608, 0.604, 0.607, 0.617, 0.554, 0.615),
            lpips_alex=(0.39, 0.47, 0.42, 0.45, 0.52, 0.48),
            lpips_vgg=(0.35, 0.42, 0.38, 0.41, 0.49, 0.44),
        ),
    ),
    2: PublishedTable(
        "without the affine-preserving loss",
        _columns(("no_affine", "full"), **_ABLATION),
        note=_ABLATION_NOTE,
    ),
    3: PublishedTable(
        "without the refinement network",
        _columns(("no_refinement", "full"), **_ABLATION),
        note=_ABLATION_NOTE,
    ),
    4: PublishedTable(
        "depth of the convolutions C_i",
        _columns(
            ("depth1", "depth2", "depth3", "depth4", "depth5", "depth6"),
            l1=(33.31, 27.92, 21.17, 16.14, 15.96, 15.52),
            lpips_alex=(0.61, 0.59, 0.47, 0.42, 0.40, 0.39),
            lpips_vgg=(0.58, 0.51, 0.44, 0.39, 0.35, 0.35),
        ),
    ),
    7: PublishedTable(
        "naive and continuous discriminator",
        _columns(("naive", "continuous"), lpips=(0.39, 0.37)),
        note="Table 7 names no network of LPIPS; 0.39 is what Table 1 prints for AlexNet",
    ),
}
"""Tables of flow scores by their number in the paper. Tables 2 and 3 hold identical numbers."""

BESIDE = {
    "l1_32": ("l1_32",),
    "l1": ("l1",),
    "ssim": ("ssim",),
    "lpips": ("lpips_alex", "lpips"),
    "stlpips_alex": ("lpips_alex", "lpips"),
    "stlpips_vgg": ("lpips_vgg",),
}
"""Measured score, and the printed scores it may be compared with. ST-LPIPS is LPIPS made tolerant
of small shifts: another scale again."""


def printed(table: int, row: str, score: str) -> float | None:
    """Look up a number of the paper.

    Args:
        table: Number of the table, a key of `TABLES`.
        row: Name of the row.
        score: Measured score.

    Returns:
        The number; None where the paper prints none.
    """
    numbers = TABLES[table].rows.get(row, {})
    return next((numbers[key] for key in BESIDE.get(score, ()) if key in numbers), None)


def published(number: int, report: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the paper's table for the rows of a comparison.

    Args:
        number: Number of the table, a key of `TABLES`.
        report: ``report.json`` of `reidaug compare`.

    Returns:
        JSON values: ``table``, ``title``, ``rows`` and ``note``.
    """
    table = TABLES[number]
    return {
        "table": number,
        "title": table.title,
        "rows": {name: line for name, line in table.rows.items() if name in report["rows"]},
        "note": "; ".join(filter(None, (SCALE_NOTE, table.note))),
    }


def beside(number: int, report: Mapping[str, Any]) -> str:
    """Tabulate measured means above the paper's numbers, estimators across.

    Args:
        number: Number of the table, a key of `TABLES`.
        report: ``report.json`` of `reidaug compare`.

    Returns:
        Two lines for each score that the paper prints for one of the rows.
    """
    about, rows = published(number, report), report["rows"]
    names = list(about["rows"])
    lines: list[list[str]] = []
    for score in BESIDE:
        numbers = {name: printed(number, name, score) for name in names}
        if not any(score in rows[name] and numbers[name] is not None for name in names):
            continue
        digits = 3 if score == "ssim" else 2  # as many as are printed
        measured = {name: rows[name].get(score) for name in names}
        for title, line in ((score, measured), ("  paper", numbers)):
            cells = ("-" if line[n] is None else f"{line[n]:.{digits}f}" for n in names)
            lines.append([title, *cells])
    table = tabulate(
        lines, ["", *names], tablefmt="plain", disable_numparse=True, preserve_whitespace=True,
        colalign=["left", *["right"] * len(names)],
    )  # fmt: skip
    return f"{table}\nTable {number}, {about['title']}; {about['note']}"
