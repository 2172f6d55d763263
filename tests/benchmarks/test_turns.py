import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from turns import TURNS, VIEW_TURNS, turn_of, turned_by, view_turn_of

from reidaug.geometry.pose import TORSO, Pose

ANGLES = st.floats(-20, 20)


def degrees(yaw: float, other: float) -> float:
    angle = turned_by(np.array([math.radians(yaw)]), np.array([math.radians(other)]))
    return math.degrees(float(angle[0]))


def test_the_shorter_way_round_counts() -> None:
    assert math.isclose(degrees(170, -170), 20)
    assert math.isclose(degrees(-90, 90), 180)
    assert math.isclose(degrees(0, 360), 0, abs_tol=1e-9)


def test_turns_have_names() -> None:
    yaw = np.radians([0.0, 44, 46, 90, 134, 136, 180, 226, 316])
    names = [TURNS[place] for place in turn_of(yaw, np.zeros(9))]
    assert names == ["same side"] * 2 + ["quarter turn"] * 3 + ["half turn"] * 2 + [
        "quarter turn",
        "same side",
    ]


@given(yaw=ANGLES, other=ANGLES, whole=st.integers(-3, 3))
def test_a_turn_depends_neither_on_order_nor_on_whole_rounds(
    yaw: float, other: float, whole: int
) -> None:
    one, two = np.array([yaw]), np.array([other])
    angle = turned_by(one, two)
    assert 0 <= float(angle[0]) <= math.pi
    assert np.allclose(angle, turned_by(two, one))
    assert np.allclose(angle, turned_by(one + 2 * math.pi * whole, two), atol=1e-6)
    # The cosine knows of no rounds at all.
    assert np.allclose(np.cos(angle), np.cos(one - two), atol=1e-6)


def torso(width: float) -> Pose:
    """One pose of a torso 40 pixels high; a person from behind has a negative width."""
    xy = torch.zeros(1, 18, 2)
    corners = [(-width, 0), (width, 0), (-width * 0.58, 40), (width * 0.58, 40)]
    xy[0, list(TORSO)] = torch.tensor(corners, dtype=torch.float32)
    return Pose(xy, torch.ones(1, 18, dtype=torch.bool))


def test_turns_between_poses_are_told_by_the_views() -> None:
    views = {"front": torso(18), "back": torso(-18), "side": torso(1)}
    found = {
        f"{a} {b}": VIEW_TURNS[int(view_turn_of(views[a], views[b])[0])]
        for a in views
        for b in views
    }
    assert found == {
        "front front": "same view",
        "back back": "same view",
        "side side": "side to side",
        "side front": "side to front or back",
        "side back": "side to front or back",
        "front side": "front or back to side",
        "back side": "front or back to side",
        "front back": "half turn",
        "back front": "half turn",
    }
