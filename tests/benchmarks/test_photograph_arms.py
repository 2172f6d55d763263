"""Arms on photographs, trained on drawn crops: each against real crops and its own controls."""

from pathlib import Path

import numpy as np
import pytest
from photograph_arms import CONTROLS, RECIPES, compare_arms, recipe_of, warps
from photograph_crops import write_split
from stick_market import copy_as_warps, stick_market

TINY = (
    "backbone=resnet18", "backbone_options={width: 8, blocks: [1, 1, 1, 1], embedding: 8}",
    "weights=null", "size=[32, 16]", "people=3", "images=2", "precision=float32", "steps=2",
    "pretrain_steps=2", "seeds=[0, 1]",
)  # fmt: skip


def test_an_arm_is_compared_with_real_crops_and_the_best_of_its_controls(tmp_path: Path) -> None:
    market = stick_market(tmp_path / "market", people=11, images=8)
    root = write_split(market, tmp_path / "tune", "tune")
    names = ("identity_grey", "affine_grey", "warps_grey")
    for name in names:
        copy_as_warps(root, warps(tmp_path, 1) / name)
    recipe = recipe_of(RECIPES / "grid.yaml", tmp_path, "tune", 1, TINY)
    report = compare_arms(recipe, tmp_path / "run", workers=1)
    means = {name: np.mean(scores["mAP"]) for name, scores in report["arms"].items()}
    found = report["comparisons"]
    assert found.keys() == set(names)
    for name in names:
        gain = found[name]["over_real_only"]
        assert (gain["arm"], gain["vs"], gain["interval_over"]) == (name, "real_only", "people")
        assert gain["mean"] == pytest.approx(means[name] - means["real_only"])
        assert ("over_best_control" in found[name]) == (name == "warps_grey")
    over = found["warps_grey"]["over_best_control"]
    assert over["vs"] == max(CONTROLS["warps_grey"], key=lambda control: means[control])
    assert over["mean"] == pytest.approx(means["warps_grey"] - means[over["vs"]])
    assert len(report["start"]["mAP"]) == 2  # a start of each seed's own
