"""Correct keypoints: the counts of PCK, joint by joint."""

from typing import NamedTuple

from jaxtyping import Bool
from torch import Tensor

from reidaug.geometry.pose import FLIP_18, Pose


class JointMatches(NamedTuple):
    """Detected joints of N images against the expected ones."""

    expected: Bool[Tensor, "n 18"]  # joints (N, 18) that should be visible
    detected: Bool[Tensor, "n 18"]  # those of them that were detected (N, 18)
    correct: Bool[Tensor, "n 18"]  # those of them that were detected within the threshold (N, 18)
    # Images (N,) in which more joints are within the threshold of their mirror twins' expected
    # positions: left and right are exchanged.
    swapped: Bool[Tensor, "n"]


def match_joints(detected: Pose, expected: Pose, threshold: float) -> JointMatches:
    """Compare detected with expected joints (N, 18, 2) in the same pixels.

    PCK is the share of correct joints among the detected ones; among the expected ones a missing
    joint counts as wrong. ``threshold`` is the greatest distance of a correct joint in pixels.
    """
    order = list(FLIP_18)
    twins = Pose(expected.xy[:, order], expected.visible[:, order])
    correct = _within(detected, expected, threshold)
    swapped = _within(detected, twins, threshold).sum(1) > correct.sum(1)
    return JointMatches(expected.visible, detected.visible & expected.visible, correct, swapped)


def _within(detected: Pose, expected: Pose, threshold: float) -> Bool[Tensor, "n 18"]:
    # The position of a missing joint may be anything, even NaN, which is within no threshold.
    distance = (detected.xy - expected.xy).norm(dim=-1)
    return (distance <= threshold) & detected.visible & expected.visible
