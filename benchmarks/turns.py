"""How far people turn between two pictures of them."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

TURNS = ("same side", "quarter turn", "half turn")
"""Up to 45 degrees, up to 135 degrees, and beyond."""

_QUARTER, _HALF = np.pi / 4, 3 * np.pi / 4


def turned_by(yaw: Float[ndarray, "n"], other: Float[ndarray, "n"]) -> Float[ndarray, "n"]:
    """Measure the angle between two directions people face.

    Args:
        yaw: Directions (N,) in radians, see `reidaug.people3d.camera.View`.
        other: Other directions (N,).

    Returns:
        Angles (N,) in [0, pi], whichever way round is shorter.
    """
    return np.abs((yaw - other + np.pi) % (2 * np.pi) - np.pi)


def turn_of(yaw: Float[ndarray, "n"], other: Float[ndarray, "n"]) -> Int[ndarray, "n"]:
    """Name the turn between two directions people face.

    Args:
        yaw: Directions (N,) in radians.
        other: Other directions (N,).

    Returns:
        Places (N,) in `TURNS`.
    """
    return np.digitize(turned_by(yaw, other), (_QUARTER, _HALF), right=True)
