"""Arms on photographs, trained on drawn crops: each against real crops and its own controls."""

from pathlib import Path

import numpy as np
import photograph_grid
import pytest
from photograph_arm_tables import settings
from photograph_arms import CONTROLS, RECIPES, compare_arms, recipe_of, warps
from photograph_crops import write_split
from photograph_grid import compare_rows, compare_settings
from stick_market import copy_as_warps, stick_market

TINY = (
    "backbone=resnet18", "backbone_options={width: 8, blocks: [1, 1, 1, 1], embedding: 8}",
    "weights=null", "size=[32, 16]", "people=3", "images=2", "precision=float32", "steps=2",
    "pretrain_steps=2", "seeds=[0, 1]",
)  # fmt: skip
EXTRA = ("identity_other_ground", "affine_kept", "own_body_kept")
WHOLE = ("people_share=1.0", "images_each=null")


def test_an_arm_is_compared_with_real_crops_and_the_best_of_its_controls(tmp_path: Path) -> None:
    market = stick_market(tmp_path / "market", people=11, images=8)
    root = write_split(market, tmp_path / "tune", "tune")
    names = ("identity_grey", "affine_grey", "warps_grey", "own_body_grey")
    for name in names:
        copy_as_warps(root, warps(tmp_path, 1) / name)
    recipe = recipe_of(RECIPES / "arms_small.yaml", tmp_path, "tune", 1, [*TINY, *WHOLE])
    report = compare_arms(recipe, tmp_path / "run", workers=1)
    means = {name: np.mean(scores["mAP"]) for name, scores in report["arms"].items()}
    found = report["comparisons"]
    assert found.keys() == set(names)
    for name in names:
        gain = found[name]["over_real_only"]
        assert (gain["arm"], gain["vs"], gain["interval_over"]) == (name, "real_only", "people")
        assert gain["mean"] == pytest.approx(means[name] - means["real_only"])
        assert ("over_best_control" in found[name]) == (name in CONTROLS)
    over = found["warps_grey"]["over_best_control"]
    assert over["vs"] == max(CONTROLS["warps_grey"], key=lambda control: means[control])
    assert over["mean"] == pytest.approx(means["warps_grey"] - means[over["vs"]])
    assert len(report["start"]["mAP"]) == 2  # a start of each seed's own


def test_every_setting_has_its_controls_and_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = stick_market(tmp_path / "market", people=11, images=8)
    root = write_split(market, tmp_path / "tune", "tune")
    for name in EXTRA:
        copy_as_warps(root, warps(tmp_path, 1) / name)
    monkeypatch.setattr(photograph_grid, "SHARES", (1.0,))
    monkeypatch.setattr(photograph_grid, "IMAGES", (2, None))
    monkeypatch.setattr(photograph_grid, "CAMERAS", (None,))
    keys = [*TINY, "arms.grounds=null", "masks=null", *(f"arms.{a}.changes={{}}" for a in EXTRA)]
    found = compare_settings(RECIPES / "grid.yaml", tmp_path, "tune", 1, keys=keys, workers=1)
    assert [setting["images_each"] for setting in found] == [2, None]
    assert found[0]["train_images"] < found[1]["train_images"]
    for setting in found:
        rows = setting["rows"]
        means = {arm: np.mean(row["mAP"]) for arm, row in rows.items()}
        assert rows.keys() == {"start", "real_only", "grounds", *EXTRA}
        assert all("evident" in rows[arm]["gain"] for arm in ("grounds", *EXTRA))
        over = rows["own_body_kept"]["over_controls"]
        others = ("real_only", "grounds", "identity_other_ground", "affine_kept")
        assert means[over["vs"]] == max(means[name] for name in others)
        expected = means["own_body_kept"] - means[over["vs"]]
        assert over["mean"] == pytest.approx(expected, abs=0.02) and "evident" in over
    lines = settings({
        "command": "c", "hardware": "h", "date": "commit abc, d", "settings": found,
        "market": {"people": 751}, "method": "own_body_kept",
    })  # fmt: skip
    rows_written = [line for line in lines if line.startswith(f"| {found[0]['train_people']} |")]
    assert len(rows_written) == 2 and "commit abc, d;" in lines[0]


def test_an_arm_of_the_grid_is_compared_the_right_way_round() -> None:
    means = {
        "start": 0.1, "real_only": 0.2, "grounds": 0.25, "identity_other_ground": 0.3,
        "affine_kept": 0.4, "own_body_kept": 0.35,
    }  # fmt: skip
    rows = {arm: np.full((2, 1, 40), value) for arm, value in means.items()}
    found = compare_rows(rows, np.repeat(np.arange(8), 5))
    assert found["own_body_kept"]["gain"]["mean"] == pytest.approx(15)
    assert found["grounds"]["gain"]["mean"] == pytest.approx(5)
    over = found["own_body_kept"]["over_controls"]
    assert (over["vs"], over["mean"]) == ("affine_kept", pytest.approx(-5))
    assert "gain" not in found["real_only"] and "over_controls" not in found["affine_kept"]
