"""Agreement of an estimated pose with that found in the mirrored crop.

Where the network is sure of what it sees, it sees the same in the mirror: many of its gross errors
show without any annotation.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8

from reidaug.geometry.pck import match_joints
from reidaug.geometry.pose import Pose, stack
from reidaug.perception.pose_estimator import PoseEstimator
from reidaug.perception.second_tries import Try, try_again

RADIUS = 0.1  # of the height: joints within it agree


class MirrorAgreement(NamedTuple):
    """How far the pose found in a mirrored crop agrees with a known one."""

    joints: float  # share of the joints visible in both that agree; 0 where there is none
    outline: float | None  # intersection of the outlines over their union; None: none is known


def mirror_agreement(
    estimator: PoseEstimator,
    image: UInt8[np.ndarray, "h w 3"],
    pose: Pose,
    mask: Bool[np.ndarray, "h w"] | None = None,
) -> MirrorAgreement:
    """Compare a pose with the one that an estimator finds in the mirrored crop.

    Args:
        estimator: The estimator that found the pose.
        image: RGB bytes (h, w, 3) of the crop, upright.
        pose: The 18 joints (18, 2) in its pixels.
        mask: The person's outline (h, w), or None.
    """
    found = try_again(estimator, image, Try(0.0, mirrored=True))
    matches = match_joints(stack([found.pose]), stack([pose]), RADIUS * image.shape[0])
    both = int(matches.detected.sum())
    joints = int(matches.correct.sum()) / both if both else 0.0
    if mask is None:
        return MirrorAgreement(joints, None)
    union = int((found.mask | mask).sum())
    return MirrorAgreement(joints, int((found.mask & mask).sum()) / union if union else 0.0)
