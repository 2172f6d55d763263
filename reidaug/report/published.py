"""The figures UnWarpME prints, to stand beside measured ones."""

from typing import NamedTuple

SCALE_NOTE = (
    "paper: as printed for DeepFashion photographs at 256x256 on white; compare the order of the "
    "rows, not the numbers"
)


class PublishedTable(NamedTuple):
    """One table of the paper.

    Attributes:
        title: What it compares.
        rows: Row name as recipes write it, then score, then the number exactly as printed.
        note: What a reader should know of it.
    """

    title: str
    rows: dict[str, dict[str, float]]
    note: str = ""


def _columns(names: tuple[str, ...], **scores: tuple[float, ...]) -> dict[str, dict[str, float]]:
    lines = {score: dict(zip(names, numbers, strict=True)) for score, numbers in scores.items()}
    return {name: {score: line[name] for score, line in lines.items()} for name in names}


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
        _columns(
            ("no_affine", "full"),
            l1=(42.13, 15.52),
            ssim=(0.504, 0.608),
            lpips_alex=(0.84, 0.39),
            lpips_vgg=(0.92, 0.35),
        ),
        note="Tables 2 and 3 of the paper print the same numbers for two different ablations",
    ),
    3: PublishedTable(
        "without the refinement network",
        _columns(
            ("no_refinement", "full"),
            l1=(42.13, 15.52),
            ssim=(0.504, 0.608),
            lpips_alex=(0.84, 0.39),
            lpips_vgg=(0.92, 0.35),
        ),
        note="Tables 2 and 3 of the paper print the same numbers for two different ablations",
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
"""Measured score, and the printed scores it may stand beside. ST-LPIPS is LPIPS made tolerant of
small shifts: another scale again."""


def printed(table: int, row: str, score: str) -> float | None:
    """Look up what the paper prints.

    Args:
        table: Number of the table, a key of `TABLES`.
        row: Name of the row.
        score: Measured score the number should stand beside.

    Returns:
        The number; None where the paper prints none.
    """
    numbers = TABLES[table].rows.get(row, {})
    return next((numbers[key] for key in BESIDE.get(score, ()) if key in numbers), None)
