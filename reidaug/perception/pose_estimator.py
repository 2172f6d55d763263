"""The interface of pose estimators: joints and outline of the person on a crop."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from reidaug.geometry.pose import Pose

MIN_PERSON, MIN_CERTAINTY = 0.1, 0.6  # of a person, and the mean over the joints
MIN_JOINTS = 4
MIN_SHARE = 0.05  # of the crop
MIN_OUTLINE_CERTAINTY = 0.5  # mean over the joints, below which an outline is no person's either


class PoseEstimate(NamedTuple):
    """Joints and outline of the person on a crop."""

    pose: Pose  # the 18 joints (18, 2) in pixels; missing: probably hidden, or off the crop
    # Probability (18,) that each joint is visible; of the neck, the smaller of the two shoulders'.
    certainty: Float[Tensor, "18"]
    person: float  # probability in [0, 1] that there is a person at all; see `shows_person`
    mask: Bool[np.ndarray, "h w"]  # True on the person (h, w), of the crop's size


@runtime_checkable
class PoseEstimator(Protocol):
    """Finds joints and outline of the person on a crop."""

    def estimate(self, image: UInt8[np.ndarray, "h w 3"]) -> PoseEstimate:
        """Estimate the pose of one person from RGB bytes (h, w, 3), upright; any size."""


def shows_person(estimate: PoseEstimate) -> bool:
    """Decide whether a crop shows a person, from its estimate.

    It does where the network detects one and is sure of the joints, at least `MIN_JOINTS` are
    visible and the outline is no smaller than `MIN_SHARE` of the crop. The network's probability
    alone is not enough: it is high for noise, and low for a person without feet.
    ``benchmarks/pose_errors.py`` measures both error rates.
    """
    return bool(
        estimate.person > MIN_PERSON
        and float(estimate.certainty.mean()) > MIN_CERTAINTY
        and int(estimate.pose.visible.sum()) >= MIN_JOINTS
        and estimate.mask.mean() >= MIN_SHARE
    )


def shows_outline(estimate: PoseEstimate) -> bool:
    """Decide whether the outline is probably a person's, even if the joints are not to be trusted.

    It is where `shows_person` holds, and also below `MIN_CERTAINTY` down to
    `MIN_OUTLINE_CERTAINTY`. An empty picture has an outline too, but is far less certain of joints.
    """
    return bool(
        estimate.person > MIN_PERSON
        and float(estimate.certainty.mean()) > MIN_OUTLINE_CERTAINTY
        and estimate.mask.mean() >= MIN_SHARE
    )
