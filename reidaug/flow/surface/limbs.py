"""Limbs of the mean body: which of them a place on the body moves with.

A limb is a segment with a radius. A place belongs to the limbs whose surface is near, as in linear
blend skinning; these shares are within 5 % of the parametric body's own weights (tested).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.geometry.pose import OPENPOSE_18

SOFT = 0.02  # metres over which one limb turns into the next
ELBOW, KNEE = (0.36, -0.05, 0.45), (0.16, -0.03, -0.29)


class Limb(NamedTuple):
    """A segment on the mean body at rest, in metres; see `reidaug.flow.surface.places`."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float


TRUNK = (
    Limb((0, -0.03, 0.10), (0, -0.03, 0.22), 0.15),  # pelvis
    Limb((0, -0.03, 0.36), (0, -0.03, 0.62), 0.15),  # chest
    Limb((0, -0.04, 0.78), (0, -0.06, 0.95), 0.09),  # head
)
LEFT = (
    Limb((0.17, -0.02, 0.67), ELBOW, 0.05),
    Limb(ELBOW, (0.56, -0.30, 0.24), 0.04),  # with the hand
    Limb((0.10, -0.03, 0.05), KNEE, 0.08),
    Limb(KNEE, (0.19, 0, -0.72), 0.06),  # with the foot
)


def _right(limb: Limb) -> Limb:
    (ax, ay, az), (bx, by, bz) = limb.start, limb.end
    return Limb((-ax, ay, az), (-bx, by, bz), limb.radius)


LIMBS = (*TRUNK, *LEFT, *map(_right, LEFT))
MIRRORED = (0, 1, 2, 7, 8, 9, 10, 3, 4, 5, 6)
"""Number of each limb's mirror image."""

JOINTS = {
    "nose": (0, -0.17, 0.86),
    "left_shoulder": (0.17, -0.02, 0.67),
    "left_elbow": ELBOW,
    "left_wrist": (0.49, -0.21, 0.31),
    "left_hip": (0.10, -0.03, 0.13),
    "left_knee": KNEE,
    "left_ankle": (0.19, 0, -0.72),
    "left_eye": (0.03, -0.15, 0.89),
    "left_ear": (0.08, -0.06, 0.87),
}
"""Joints of the mean body at rest; those on the right are their mirror images."""


def joint_places() -> tuple[Float[Tensor, "3 j"], list[int]]:
    """List the J joints' positions on the mean body, and their numbers in the skeleton."""
    places, numbers = [], []
    for number, name in enumerate(OPENPOSE_18):
        left = name.replace("right_", "left_")
        if left in JOINTS:
            x, y, z = JOINTS[left]
            places.append((x if left == name else -x, y, z))
            numbers.append(number)
    return torch.tensor(places).mT, numbers


def limb_shares(
    places: Float[Tensor, "b 3 n"],
) -> tuple[Float[Tensor, "b l n"], Float[Tensor, "b n"]]:
    """Compute with which limbs places move, and how far front or back the limbs' axes are there.

    Args:
        places: On the mean body at rest, in metres.

    Returns:
        Shares that sum to one, and y coordinates in metres.
    """
    start, end = (torch.tensor([limb[k] for limb in LIMBS], device=places.device) for k in (0, 1))
    radius = torch.tensor([limb.radius for limb in LIMBS], device=places.device)
    axis = end - start
    square = axis.square().sum(1)[:, None]
    along = axis @ places - (axis * start).sum(1)[:, None]
    part = (along / square).clamp(0, 1)
    from_start = (
        places.square().sum(1, keepdim=True) - 2 * (start @ places) + start.square().sum(1)[:, None]
    )
    distance = from_start - 2 * part * along + part.square() * square
    surface = distance.clamp_min(1e-6).sqrt() - radius[:, None]
    shares = torch.softmax(-surface / SOFT, 1)
    return shares, (shares * (start[:, 1:2] + part * axis[:, 1:2])).sum(1)
