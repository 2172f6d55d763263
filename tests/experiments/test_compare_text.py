"""Plain-text tables of a comparison."""

from dataclasses import replace
from typing import Any

from reidaug.experiments.compare_text import differences_text, scores_text, sizes_text
from reidaug.experiments.comparison import NO_EVIDENCE, Comparison

VALUES: dict[str, Any] = {
    "evaluate_on": "test",
    "budget": 100,
    "training": {},
    "size": [128, 64],
    "pairs": 200,
    "region": "foreground",
    "rows": {
        "unwarpme": {
            "epe_px": 5.5, "epe_px_ci": [5.1, 5.9], "l1": 11.7, "l1_ci": [11.2, 12.3],
            "l1_32": 9.6, "l1_32_ci": [9.1, 10.1], "ssim": 0.694, "ssim_ci": [0.681, 0.705],
            "stlpips_alex": 0.1447, "stlpips_alex_ci": [0.137, 0.152], "parameters": 5,
        },
        "fomm": {
            "epe_px": 6.5, "epe_px_ci": [6.1, 6.9], "l1": 11.5, "l1_ci": [11.0, 12.0],
            "l1_32": 9.6, "l1_32_ci": [9.1, 10.1], "ssim": 0.7, "ssim_ci": [0.69, 0.71],
            "stlpips_alex": 0.15, "stlpips_alex_ci": [0.14, 0.16], "parameters": 7,
        },
        "joint_blend": {"l1": 12.4, "l1_ci": [11.8, 13.0]},
    },
    "reference": "unwarpme",
    "differences": {
        "fomm": {
            "epe_px": {"mean": 1.0, "ci": [0.8, 1.2], "evident": True, "words": "worse"},
            "l1": {"mean": -0.2, "ci": [-0.5, 0.1], "evident": False, "words": NO_EVIDENCE},
            "ssim": {"mean": 0.006, "ci": [0.001, 0.011], "evident": True, "words": "better"},
        },
        "joint_blend": {"l1": {"mean": 0.7, "ci": [0.5, 0.9], "evident": True, "words": "worse"}},
    },
    "sizes": {
        "unwarpme": {"parameters": 6250000, "gmac": 1.23456, "ms": 31.25},
        "fomm": {"parameters": 7, "gmac": 0.0, "ms": 0.5},
    },
}  # fmt: skip
REPORT = Comparison.from_dict(VALUES)


def test_scores_go_down_and_estimators_across_as_in_table_1() -> None:
    text = scores_text(REPORT)
    lines = text.splitlines()
    assert lines[0].split() == ["unwarpme", "fomm", "joint_blend"]
    titles = [line[:16].strip() for line in lines[1:11:2]]
    assert titles == [
        "l1-norm, 32",
        "l1-norm, 128x64",
        "SSIM",
        "ST-LPIPS (Alex)",
        "EPE px, visible",
    ]
    assert [line.split()[-3:] for line in lines[1:6:2]] == [
        ["9.60*", "9.60*", "-"],
        ["11.70", "11.50*", "12.40"],
        ["0.694", "0.700*", "-"],
    ]
    assert lines[2].split() == ["95", "%", "9.10–10.10", "9.10–10.10", "-"]
    assert len({len(line) for line in lines[1:11] if not line.endswith("-")}) <= 2
    assert "200 pairs, the person alone; * best mean; intervals over pairs" in text
    whole = scores_text(replace(REPORT, region="image"))
    assert "whole images" in whole


def test_differences_list_evident_ones_first() -> None:
    assert differences_text(replace(REPORT, interval_over="people")).splitlines() == [
        "Pair by pair against unwarpme, uncorrected 95 % intervals over people:",
        "  fomm: ssim +0.0060 (+0.0010 to +0.0110): better",
        "  fomm: epe_px +1.000 (+0.800 to +1.200): worse",
        "  fomm: no evidence of a difference in l1",
        "  joint_blend: l1 +0.700 (+0.500 to +0.900): worse",
    ]


def test_sizes() -> None:
    lines = sizes_text(REPORT).splitlines()
    assert lines[0].split() == ["parameters", "GMAC", "ms", "per", "pair"]
    assert lines[1].split() == ["unwarpme", "6,250,000", "1.235", "31.2"]
    assert lines[-1] == "at 128x64, one core"
