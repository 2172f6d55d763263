import math

import numpy as np
import pytest
import torch
from body_shape import BodyShape, PairNumbers, compare_shapes, relative_area, shoulder_width, slope

from reidaug.geometry.pose import OPENPOSE_18, Pose

PLACES = {
    "right_shoulder": (20.0, 30.0),
    "left_shoulder": (44.0, 30.0),
    "right_hip": (24.0, 70.0),
    "left_hip": (40.0, 70.0),
    "left_ankle": (40.0, 120.0),
}


def person(*hidden: str) -> Pose:
    xy, visible = torch.full((18, 2), math.nan), torch.zeros(18, dtype=torch.bool)
    for name, place in PLACES.items():
        if name not in hidden:
            xy[OPENPOSE_18.index(name)] = torch.tensor(place)
            visible[OPENPOSE_18.index(name)] = True
    return Pose(xy, visible)


def test_shoulders_are_measured_in_torso_lengths() -> None:
    assert shoulder_width(person()) == pytest.approx(24 / 40)
    assert math.isnan(shoulder_width(person("left_hip")))
    double = Pose(2 * person().xy, person().visible)
    assert shoulder_width(double) == pytest.approx(24 / 40)


def test_the_area_is_that_of_a_square_as_high_as_the_outline() -> None:
    mask = np.zeros((128, 64), dtype=bool)
    mask[10:110, 20:45] = True
    assert relative_area(person(), mask) == pytest.approx(25 * 100 / 100**2)
    assert math.isnan(relative_area(person("left_ankle"), mask))  # the legs may be cut off
    assert math.isnan(relative_area(person(), np.zeros_like(mask)))
    assert math.isnan(relative_area(person(), None))


# Three crops, each with both targets.
PAIRS = PairNumbers(
    people=np.array([1, 1, 2, 2, 3, 3]),
    sources=np.array([0, 0, 1, 1, 2, 2]),
    targets=np.array([8, 9, 8, 9, 8, 9]),
)
SOURCE = np.repeat([0.3, 0.4, 0.5], 2)
TARGET = np.tile([0.36, 0.8], 3)


def compared(warp: np.ndarray, same_view: np.ndarray) -> dict:
    warps, sources, targets = (BodyShape(part, part) for part in (warp, SOURCE, TARGET))
    return compare_shapes(warps, sources, targets, PAIRS, same_view)["area"]


def test_a_body_that_is_kept_is_its_sources_and_one_that_is_taken_its_targets() -> None:
    everything = np.ones(6, dtype=bool)
    kept, taken = compared(SOURCE, everything), compared(TARGET, everything)
    assert (kept["median"], kept["beyond"]) == (1, 0)
    assert (kept["from_source"], kept["from_target"]) == (1, 0)
    assert (taken["from_source"], taken["from_target"]) == (0, 1)
    # Beyond 1.25 either way: all but .36 / .3 = 1.2 and .36 / .4; .36 / .5 is below 1 / 1.25.
    assert taken["beyond"] == round(4 / 6, 4)
    half = compared((SOURCE + TARGET) / 2, everything)
    assert (half["from_source"], half["from_target"]) == (0.5, 0.5)


def test_only_bodies_that_are_seen_count_and_those_of_the_same_view_by_themselves() -> None:
    warp = SOURCE.copy()
    warp[0], warp[1] = math.nan, 2 * warp[1]
    found = compared(warp, np.array([False, True, True, False, False, False]))
    assert (found["pairs"], found["shown"]) == (5, round(5 / 6, 4))
    assert (found["beyond"], found["same_view"]["beyond"]) == (0.2, 0.5)


def test_a_slope_knows_no_difference_between_groups() -> None:
    by, groups = np.array([0.0, 1, 10, 11]), np.array([0, 0, 1, 1])
    values = np.array([5.0, 7, -3, -1])
    assert slope("slope", values, by, groups, groups)["slope"] == 2
