import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from turns import TURNS, turn_of, turned_by

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
