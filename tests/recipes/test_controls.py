"""Recipes of re-ID experiments: warps stand beside the same use of own pose and of torso-affine."""

from pathlib import Path

import pytest
import yaml

from reidaug.experiments.adaptation_config import AdaptationRecipe
from reidaug.experiments.finetune_config import FinetuneRecipe
from reidaug.recipes import resolve

ROOT = Path(__file__).parents[2]
RECIPES = [
    path
    for path in sorted((ROOT / "recipes").rglob("*.yaml"))
    if path.read_text().startswith("# reidaug finetune-eval") and "warps_" in path.read_text()
]
OWN = "own_ground"  # of the sources: that of the real crops themselves


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(ROOT / "recipes")))
def test_every_arm_of_warps_has_its_controls_on_the_same_ground(path: Path) -> None:
    values = yaml.safe_load(path.read_text())
    kind = AdaptationRecipe if values.get("protocol") == "uda" else FinetuneRecipe
    recipe = resolve(values, kind, where=path.name)
    for arm in recipe.arms:
        if arm.startswith("warps_") and arm.endswith(("_grey", "_ground", "_elsewhere")):
            ground = arm.removeprefix("warps_")
            if ground != OWN:
                assert {f"identity_{ground}", f"affine_{ground}"} <= set(recipe.arms), arm
    ground = recipe.method.removeprefix("warps_")
    assert {f"identity_{ground}", f"affine_{ground}"} <= set(recipe.controls)
    assert recipe.baseline in recipe.controls
    given = [name for name in recipe.controls if recipe.arms.get(name)]
    assert set(given) == {name for name in given if not name.startswith("warps")}
