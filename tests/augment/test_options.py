from pathlib import Path

import pytest

from reidaug.augment.options import AugmentOptions
from reidaug.errors import UsageError
from reidaug.flow.closed_form import JointBlend
from reidaug.flow.surface import SurfaceFlow
from reidaug.recipes import resolve


@pytest.mark.parametrize(
    ("option", "value"),
    [("background", "pink"), ("poses", 0), ("min_quality", 2), ("turns", "twice"), ("seed", -1)],
)
def test_wrong_options_are_named(option: str, value: object) -> None:
    with pytest.raises(UsageError, match=option):
        resolve({option: value}, AugmentOptions, where="augment")


def test_an_estimator_without_weights_gains_nothing_from_bfloat16() -> None:
    assert AugmentOptions().for_estimator(JointBlend()).precision == "float32"
    assert AugmentOptions().for_estimator(JointBlend()).turns == "allow"
    assert (
        AugmentOptions().for_estimator(SurfaceFlow(**SurfaceFlow.preset("small"))).turns == "mirror"
    )
    assert AugmentOptions(turns="drop").for_estimator(JointBlend()).turns == "drop"
    assert AugmentOptions(precision="bfloat16").for_estimator(JointBlend()).bfloat16


def test_a_recipe_gives_the_options_back(tmp_path: Path) -> None:
    options = AugmentOptions(
        keypoints=tmp_path / "pose" / "keypoints.csv", masks=Path("/masks"), poses=3, turns="drop"
    )
    recipe = options.recipe(tmp_path)
    assert (recipe["keypoints"], recipe["masks"]) == ("pose/keypoints.csv", "/masks")
    assert "model" not in recipe
    assert AugmentOptions.of_run(tmp_path, {"command": "augment", **recipe}) == options
