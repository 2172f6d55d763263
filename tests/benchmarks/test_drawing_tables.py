from typing import Any

from drawing_tables import ROWS, SCORES, drawing

SCORED = {"epe_px": 5.0, "l1": 12.0, "ssim": 0.65, "stlpips_alex": 0.14}


def result() -> dict[str, Any]:
    rows = {name: dict(SCORED) for name in ROWS}
    rows["drawn_2"] |= {"l1": 11.0, "l1_ci": [10.0, 12.5]}
    depth = {
        "scale": 0.5,
        "depth": 5,
        "share_absolute": 0.987,
        "share_relative": 0.2,
        "cosine": -0.3,
    }
    return {
        "command": "run", "hardware": "a machine", "date": "today", "size": [64, 32], "batch": 8,
        "steps": {"affine_only": 1500, "drawn_2": 1500}, "rows": rows,
        "gradients": {"depths": [depth], "sums": {"absolute": -0.25, "relative": 0.21}},
    }  # fmt: skip


def test_the_tables_quote_scores_shares_and_cosines() -> None:
    text = "\n".join(drawing(result()))
    both = "| **both tasks, with R and D, two depths** | 1500 |"
    assert f"{both} 5.00 | 11.00 (10.00 to 12.50) | 0.650 | 0.140 |" in text
    assert "| 0.5 | 5 | 98.7% | 20.0% | -0.30 |" in text
    assert "| all | all, absolute | | | -0.25 |" in text
    assert "| all | all, relative | | | +0.21 |" in text
    assert len(SCORES) == len(SCORED)
