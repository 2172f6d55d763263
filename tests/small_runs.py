"""Run folders of every command, written in an instant: their pages are made of nothing else."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from augmented import augmented
from small_report import MEANS, reid_report
from stick_market import stick_market

from reidaug.data.images import encode_png
from reidaug.runs import RunFolder

SCORES = ("epe_px", "l1", "l1_32", "ssim")
HOSTILE = "<script>alert('x')</script>"


def small_runs(root: Path) -> dict[str, Path]:
    """Write a finished run of every kind below a folder; gives their paths."""
    market = stick_market(root / "market", people=3, images=2)
    augmented(market, root / "warps", flow="joint-blend", poses=3)
    runs = {"augment": root / "warps"}
    for kind, (command, report, log) in _reports().items():
        runs[kind] = root / kind
        write_run(runs[kind], command, report, log, row="unwarpme")
    for kind, name in (("compare", "warps.png"), ("evaluate", "ranked.png")):
        (runs[kind] / name).write_bytes(_picture())
    (runs["synth"] / "train").mkdir()
    (runs["synth"] / "train" / "a.png").write_bytes(_picture())
    runs["check"] = root / "check.json"
    runs["check"].write_text(json.dumps(_check()))
    runs["pose"] = root / "joints.csv"
    runs["pose"].write_text("name:keypoints_y:keypoints_x\n")
    (root / "joints.report.json").write_text(json.dumps(_pose()))
    (root / "joints.sheet.png").write_bytes(_picture())
    return runs


def write_run(
    folder: Path,
    command: str,
    report: Mapping[str, Any] | None,
    log: list[dict[str, Any]] | None = None,
    **recipe: Any,
) -> Path:
    """Write a run folder; without a report it is not finished."""
    run = RunFolder.open(folder, {"command": command, "seed": 0, **recipe}, resume=True)
    for record in log or ():
        run.log(**record)
    if report is not None:
        run.report(report)
    return folder


def _reports() -> dict[str, tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    reid = reid_report(np.random.default_rng(0), MEANS).as_dict()
    gains = {vs: reid["gain_mAP"] | {"vs": vs} for vs in MEANS if vs != "warps_grey"}
    losses = [{"stage": "start", "seed": 0, "step": k, "loss": 1 / k} for k in range(1, 9)]
    steps = [{"step": k, "l1": 1 / k, "exact": 2 / k} for k in range(1, 9)]
    start = {key: values[:1] for key, values in reid["arms"]["real_only"].items()}
    uda = reid | {
        "protocol": "uda",
        "start": start,
        "warmup": start,
        "steps": {"start": 5, "warmup": 2, "warps_grey": 4},
        "source_people": 4,
        "source_images": 12,
        "target_images": 20,
        "clusters": {"warps_grey": [[{"clusters": 3, "outliers": 0, "quality": 0.2}]]},
    }
    evaluation = {
        "dataset": "market",
        "subsets": {"query": {"ids": 3, "images": 6, "cameras": 2}},
        "backbone": HOSTILE,
        "scores": {"mAP": 50.0, "mINP": 40.0, "rank1": 60.0, "rank5": 80.0, "rank10": 90.0},
        "cmc": [60.0, 70.0, 80.0],
        "ap": [20.0, None, 80.0],
        "unmatched": 1,
        "ranked": [{"query": "q/a.jpg", "kind": "worst", "ap": 20.0, "results": []}],
    }
    evaluation["reranked"] = {"by": "gnn", "scores": evaluation["scores"], "cmc": [1.0, 2.0, 3.0]}
    return {
        "train-flow": ("train-flow", _flow(), steps),
        "compare": ("compare", _comparison(), []),
        "finetune": ("finetune-eval", {**reid, "differences": gains}, losses),
        "uda": ("finetune-eval", uda, losses),
        "evaluate": ("finetune-eval --eval-only --rerank gnn", evaluation, []),
        "pairs": ("pairs", {"pairs": 72, "images": 24, "people": 6, "masks": False}, []),
        "synth": ("synth pairs", {"crops": 6, "train_pairs": 4}, []),
    }


def _scores(value: float) -> dict[str, Any]:
    return {key: value for key in SCORES} | {f"{key}_ci": [value / 2, value * 2] for key in SCORES}


def _flow() -> dict[str, Any]:
    rows = {name: _scores(k / 4) for k, name in enumerate(("unwarpme", "identity"), 1)}
    return {"size": [64, 32], "pairs": 4, "region": "foreground", "rows": rows}


def _comparison() -> dict[str, Any]:
    less = {"mean": -0.1, "ci": [-0.2, -0.05], "evident": True, "words": "better"}
    same = {"mean": 0.0, "ci": [-0.1, 0.1], "evident": False, "words": "no evidence"}
    return _flow() | {
        "rows": {HOSTILE: _scores(0.1), "soft": _scores(0.2), "identity": _scores(0.9)},
        "evaluate_on": "test",
        "budget": 1000,
        "reference": "soft",
        "differences": {HOSTILE: {"epe_px": less, "ssim": same}, "identity": {"epe_px": same}},
        "training": {"soft": {"steps": 10, "batch": 4, "pairs": 40, "seconds": 12.3}},
        "sizes": {"soft": {"parameters": 10019, "gmac": 0.002, "ms": 1.13}},
    }


def _check() -> dict[str, Any]:
    problem = {
        "rank": "problem", "where": "query", "what": "6 of 6 images cannot be read",
        "advice": "make them again", "cases": 6, "examples": [f"{HOSTILE}.jpg", "b.jpg"],
        "stops": ["evaluation"],
    }  # fmt: skip
    counts = {"ids": 3, "images": 6, "cameras": 2, "junk": 0, "distractors": 0}
    return {
        "dataset": "/data/market",
        "splits": {"query": counts},
        "names": ["0001_c1s1_1.jpg: person 1, camera 1"],
        "findings": [problem, problem | {"rank": "remark", "examples": [], "stops": []}],
        "usable": {"augment": True, "training": True, "evaluation": False},
    }


def _pose() -> dict[str, Any]:
    counts = {"crops": 6, "people": 5, "at_second_try": 1, "without_person": 1}
    return counts | {"joints": {"nose": 0.5, "right_hip": 1.0}, "workers": 1}


def _picture() -> bytes:
    return encode_png(torch.arange(3 * 40 * 60, dtype=torch.uint8).reshape(3, 40, 60))
