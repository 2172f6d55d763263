"""How far people turn between two pictures of them."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from reidaug.augment.viewpoint import SIDE, facing
from reidaug.geometry.pose import Pose

TURNS = ("same side", "quarter turn", "half turn")
"""Up to 45 degrees, up to 135 degrees, and beyond."""

VIEW_TURNS = (
    "same view",
    "side to side",
    "side to front or back",
    "front or back to side",
    "half turn",
)
"""The same where only joints are known: both from the front or both from behind; both from a side,
be it the same or not; from a side to front or back and the reverse; from front to back or the
reverse."""

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


def view_turn_of(source: Pose, target: Pose) -> Int[ndarray, "n"]:
    """Name the turn between two poses, see `reidaug.augment.viewpoint.facing`.

    Args:
        source: Joints (N, 18, 2) in pixels.
        target: Joints (N, 18, 2) in pixels.

    Returns:
        Places (N,) in `VIEW_TURNS`.
    """
    before, after = (np.sign(f) * (np.abs(f) > SIDE) for f in map(_facing, (source, target)))
    kinds = [before * after > 0, (before == 0) & (after == 0), before == 0, after == 0]
    return np.select(kinds, list(range(4)), default=4)


def _facing(pose: Pose) -> Float[ndarray, "n"]:
    return facing(pose).numpy()
