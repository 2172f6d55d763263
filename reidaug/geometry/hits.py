"""Which joints are found where they should be, joint by joint."""

from typing import NamedTuple

from jaxtyping import Bool
from torch import Tensor

from reidaug.geometry.pose import FLIP_18, Pose


class Hits(NamedTuple):
    """What became of the joints of N pictures.

    Attributes:
        asked: Joints (N, 18) that should be seen.
        found: Those of them that were found at all (N, 18).
        near: Those of them that were found near enough (N, 18).
        exchanged: Pictures (N,) in which more joints are near where their twin should be: left and
            right are taken for each other.
    """

    asked: Bool[Tensor, "n 18"]
    found: Bool[Tensor, "n 18"]
    near: Bool[Tensor, "n 18"]
    exchanged: Bool[Tensor, "n"]


def joint_hits(found: Pose, asked: Pose, reach: float) -> Hits:
    """Compare poses with what they should be.

    The share of near ones among those found is PCK; among all asked for, what is missing counts
    as wrong.

    Args:
        found: The joints found (N, 18, 2).
        asked: What they should be (N, 18, 2), in the same pixels.
        reach: How far off a near one is at most, in pixels.

    Returns:
        The hits.
    """
    order = list(FLIP_18)
    twins = Pose(asked.xy[:, order], asked.visible[:, order])
    near = _near(found, asked, reach)
    exchanged = _near(found, twins, reach).sum(1) > near.sum(1)
    return Hits(asked.visible, found.visible & asked.visible, near, exchanged)


def _near(found: Pose, asked: Pose, reach: float) -> Bool[Tensor, "n 18"]:
    # The position of a missing joint may be anything, even NaN, of which nothing is at most.
    apart = (found.xy - asked.xy).norm(dim=-1)
    return (apart <= reach) & found.visible & asked.visible
