"""Unseen legs: of a person cut off at the waist the network draws knees and feet all the same."""

import numpy as np
import torch

from reidaug.geometry.pose import OPENPOSE_18, Pose
from reidaug.perception.pose_estimator import MIN_SHARE, PoseEstimate

# Least height of a whole person's outline in widths: few whole people on crops are lower, and most
# people cut off at the waist are.
LEAST_STANDING = 1.4
LEAST_IN_LOW_CROP = 1.8
LOW_CROP = 1.5  # height in widths; detectors cut whole people higher
LEGS = tuple(
    OPENPOSE_18.index(f"{side}_{joint}")
    for side in ("right", "left")
    for joint in ("knee", "ankle")
)
"""Knees and ankles."""


def without_unseen_legs(estimate: PoseEstimate) -> PoseEstimate:
    """Mark knees and ankles as missing where the outline is too low for a whole person.

    It is where the outline's box is less than `LEAST_STANDING` times as high as it is wide, and in
    crops lower than `LOW_CROP` widths less than `LEAST_IN_LOW_CROP` times. The network expects a
    whole person and squeezes one into a crop that ends at the waist. Somebody who sits or rides a
    bicycle may lose knees that are there: a missing joint costs less than one that is nowhere.
    Outlines smaller than `MIN_SHARE` of the crop say nothing.
    """
    if estimate.mask.mean() < MIN_SHARE:
        return estimate
    rows, columns = np.nonzero(estimate.mask)
    height, width = estimate.mask.shape
    least = LEAST_STANDING if height >= LOW_CROP * width else LEAST_IN_LOW_CROP
    if np.ptp(rows) + 1 >= least * (np.ptp(columns) + 1):
        return estimate
    visible, xy = estimate.pose.visible.clone(), estimate.pose.xy.clone()
    visible[list(LEGS)] = False
    xy[list(LEGS)] = torch.tensor(-1.0)
    return estimate._replace(pose=Pose(xy, visible))
