"""Uses of extra crops: their arms, and what they are compared with."""

from pathlib import Path

import numpy as np
import pytest
from evidence import mean_of
from photograph_arms import ARMS
from training_uses import (
    CELLS,
    CONTROLS,
    METHODS,
    USES,
    Cell,
    best_mean,
    control_arms,
    recipe_of,
    summarise,
    without_extra,
)

from reidaug.flow.builtin import SHIPPED, SURFACE

PEOPLE = np.repeat(np.arange(40), 2)


def scores(*means: float) -> np.ndarray:
    """Average precision of two seeds, spread over the queries around their means."""
    around = np.linspace(-0.2, 0.2, len(PEOPLE))
    return np.array([[mean + around] for mean in means])


def rows() -> dict[str, np.ndarray]:
    return {
        "start": scores(0.25, 0.25),
        "real_only": scores(0.3, 0.3),
        "copies-own": scores(0.31, 0.31),
        "copies-affine": scores(0.33, 0.32),
        "copies-market": scores(0.35, 0.34),
        "copies-surface": scores(0.36, 0.30),
        "grounds-real": scores(0.5, 0.5),
    }


def test_warps_are_compared_with_the_best_control_of_the_same_use() -> None:
    found = summarise(rows(), PEOPLE)["rows"]
    over = found["copies-market"]["over_controls"]
    assert over["vs"] == "copies-affine"
    assert over["mean"] == pytest.approx(2.0)
    assert over["interval"] == pytest.approx([2, 2])
    assert over["evident"] and over["std"] == pytest.approx(0)
    assert found["copies-market"]["gain"]["mean"] == pytest.approx(4.5)
    assert found["copies-market"]["gain"]["by_seed"] == pytest.approx([5, 4])
    surface = found["copies-surface"]["over_controls"]
    assert surface["by_seed"] == pytest.approx([3, -2]) and not surface["evident"]
    assert found["grounds-real"]["gain"]["mean"] == pytest.approx(20)
    assert "over_controls" not in found["grounds-real"]
    assert "over_controls" not in found["copies-affine"]
    means = {arm: mean_of(row) for arm, row in rows().items()}
    assert best_mean(means, "copies") == pytest.approx(34.5)


def test_real_crops_alone_are_a_control_too() -> None:
    weak = rows() | {"real_only": scores(0.4, 0.4)}
    over = summarise(weak, PEOPLE)["rows"]["copies-market"]["over_controls"]
    assert over["vs"] == "real_only" and over["mean"] == pytest.approx(-5.5)


def test_real_crops_that_are_changed_alike_are_a_control() -> None:
    assert without_extra("copies") is None and without_extra("views") is None
    assert without_extra("kept_more") == "grounds_and_light"
    assert without_extra("kept_stretched") == "grounds_and_stretched"
    assert control_arms("kept") == [
        "real_only", "grounds_and_light-real", "kept-own", "kept-affine",
    ]  # fmt: skip
    kept = {f"kept-{kind}": scores(0.4, 0.4) for kind in ("own", "affine", "market", "surface")}
    found = summarise(rows() | kept | {"grounds_and_light-real": scores(0.42, 0.42)}, PEOPLE)
    over = found["rows"]["kept-market"]["over_controls"]
    assert over["vs"] == "grounds_and_light-real" and over["mean"] == pytest.approx(-2)


@pytest.mark.parametrize("use", USES)
def test_every_use_has_its_real_crops_alone(use: str) -> None:
    if (real := without_extra(use)) is not None:
        assert set(USES[real].crops) == {"real"}
        assert USES[real].changes.items() <= USES[use].changes.items()


@pytest.mark.parametrize("use", USES)
def test_a_use_is_the_same_for_warps_and_controls(use: str, tmp_path: Path) -> None:
    recipe = recipe_of(Cell((f"dataset={tmp_path}",), tmp_path / "warps"), [use], 3)
    assert recipe.seeds == (0, 1, 2)
    kinds = set(USES[use].crops)
    assert kinds in ({"real"}, {*METHODS, *CONTROLS})
    assert set(recipe.arms) == {"real_only", *(f"{use}-{kind}" for kind in kinds)}
    arms = [recipe.arms[f"{use}-{kind}"] for kind in kinds]
    assert all(arm.changes == arms[0].changes for arm in arms)
    flows = {"own": "identity", "affine": "torso-affine", "market": SHIPPED, "surface": SURFACE}
    for kind, crops in USES[use].crops.items():
        root = None if crops is None else tmp_path / "warps" / crops
        assert recipe.arms[f"{use}-{kind}"].crops == (root,)
        assert crops is None or ARMS[crops][0] == flows[kind]
        if crops is not None and kind != "own":
            assert ARMS[crops][1] == ARMS[str(USES[use].crops["affine"])][1]


def test_cells_hold_one_camera_and_few_crops() -> None:
    assert CELLS["one_camera"] is not None and CELLS["one_camera"].cameras_each == 1
    assert CELLS["few_crops"] is not None and CELLS["few_crops"].images_each == 4
    assert CELLS["across"] is None
