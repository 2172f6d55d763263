"""The paper's tables, typed a second time from the paper, row by row."""

import pytest
from published import BESIDE, TABLES, beside, printed, published

SHEETS = {
    1: """
| unwarpme | fomm | mraa | tpsmm | gfla32 | gfla64
l1_32 | 13.11 | 13.26 | 13.79 | 13.66 | 14.18 | 14.01
l1 | 15.52 | 15.97 | 15.58 | 16.12 | 28.13 | 20.25
ssim | 0.608 | 0.604 | 0.607 | 0.617 | 0.554 | 0.615
lpips_alex | 0.39 | 0.47 | 0.42 | 0.45 | 0.52 | 0.48
lpips_vgg | 0.35 | 0.42 | 0.38 | 0.41 | 0.49 | 0.44
""",
    2: """
| no_affine | full
l1 | 42.13 | 15.52
ssim | 0.504 | 0.608
lpips_alex | 0.84 | 0.39
lpips_vgg | 0.92 | 0.35
""",
    3: """
| no_refinement | full
l1 | 42.13 | 15.52
ssim | 0.504 | 0.608
lpips_alex | 0.84 | 0.39
lpips_vgg | 0.92 | 0.35
""",
    4: """
| depth1 | depth2 | depth3 | depth4 | depth5 | depth6
l1 | 33.31 | 27.92 | 21.17 | 16.14 | 15.96 | 15.52
lpips_alex | 0.61 | 0.59 | 0.47 | 0.42 | 0.40 | 0.39
lpips_vgg | 0.58 | 0.51 | 0.44 | 0.39 | 0.35 | 0.35
""",
    7: """
| naive | continuous
lpips | 0.39 | 0.37
""",
}


@pytest.mark.parametrize("number", SHEETS)
def test_figures_are_those_of_the_paper(number: int) -> None:
    head, *lines = SHEETS[number].strip().splitlines()
    names = [cell.strip() for cell in head.split("|")[1:]]
    assert list(TABLES[number].rows) == names
    expected: dict[str, dict[str, float]] = {name: {} for name in names}
    for line in lines:
        score, *cells = (cell.strip() for cell in line.split("|"))
        for name, cell in zip(names, cells, strict=True):
            expected[name][score] = float(cell)
    assert TABLES[number].rows == expected
    assert set(TABLES) == set(SHEETS)


def test_measured_scores_find_printed_ones() -> None:
    assert printed(1, "fomm", "l1") == 15.97
    assert printed(1, "fomm", "stlpips_alex") == printed(1, "fomm", "lpips") == 0.47
    assert printed(1, "fomm", "stlpips_vgg") == 0.42
    assert printed(7, "continuous", "stlpips_alex") == 0.37
    assert printed(1, "fomm", "epe_px") is None
    assert printed(1, "joint_blend", "l1") is None
    scores = {s for table in TABLES.values() for row in table.rows.values() for s in row}
    assert scores == {key for keys in BESIDE.values() for key in keys}


def test_measured_means_stand_above_the_papers_numbers() -> None:
    rows = {
        "unwarpme": {"l1": 11.7, "ssim": 0.694, "stlpips_alex": 0.1447, "epe_px": 5.5},
        "fomm": {"l1": 11.5, "ssim": 0.7, "stlpips_alex": 0.15},
        "joint_blend": {"l1": 12.4},
    }
    lines = [line.split() for line in beside(1, {"rows": rows}).splitlines()]
    assert lines[:-1] == [
        ["unwarpme", "fomm"],
        ["l1", "11.70", "11.50"],
        ["paper", "15.52", "15.97"],
        ["ssim", "0.694", "0.700"],
        ["paper", "0.608", "0.604"],
        ["stlpips_alex", "0.14", "0.15"],
        ["paper", "0.39", "0.47"],
    ]
    fourth = {"rows": {"depth5": rows["fomm"]}}
    assert "0.40" in beside(4, fourth)
    assert "same numbers" in published(3, {"rows": {"full": {}}})["note"]
