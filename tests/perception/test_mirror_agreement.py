from typing import NamedTuple

import numpy as np
import pytest
import torch
from drawn_person import drawn_person

from reidaug.geometry.pose import Pose, mirror
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.mirror_agreement import RADIUS, MirrorAgreement, mirror_agreement
from reidaug.perception.pose_estimator import PoseEstimate

IMAGE = np.zeros((100, 50, 3), dtype=np.uint8)


class Finds(NamedTuple):
    """An estimator that finds a pose and an outline of the crop, given its mirror image."""

    pose: Pose
    mask: np.ndarray

    def estimate(self, image: np.ndarray) -> PoseEstimate:
        pose = mirror(self.pose, image.shape[1])
        return PoseEstimate(pose, torch.ones(18), 1.0, self.mask[:, ::-1])


def pose() -> Pose:
    xy = torch.rand(18, 2, generator=torch.Generator().manual_seed(0)) * 20 + 10
    return Pose(xy, torch.ones(18, dtype=torch.bool))


def test_shares_of_joints_and_of_the_outline() -> None:
    known, found = pose(), pose()
    found.xy[:9, 1] += RADIUS * 100 + 1  # off by more than the radius
    found.xy[9:, 1] += RADIUS * 100 - 1
    found.visible[17] = False  # missing in one of them: it does not count
    mask, other = np.zeros((2, 100, 50), dtype=bool)
    mask[:40], other[20:60] = True, True
    assert mirror_agreement(Finds(found, other), IMAGE, known, mask) == (8 / 17, 20 / 60)
    assert mirror_agreement(Finds(found, other), IMAGE, known).outline is None


def test_nothing_in_common_is_no_agreement() -> None:
    known, found = pose(), pose()
    found.visible[:] = False
    empty = np.zeros((100, 50), dtype=bool)
    assert mirror_agreement(Finds(found, empty), IMAGE, known, empty) == MirrorAgreement(0.0, 0.0)


@pytest.mark.usefixtures("blazepose")
def test_the_network_sees_a_drawn_person_in_the_mirror_too(estimator: BlazePose) -> None:
    picture, _ = drawn_person((128, 64))
    image = np.asarray(picture)
    first = estimator.estimate(image)
    agreement = mirror_agreement(estimator, image, first.pose, first.mask)
    assert agreement.joints > 0.9
    assert agreement.outline is not None and agreement.outline > 0.85
    elsewhere = Pose(first.pose.xy + torch.tensor([30.0, 0.0]), first.pose.visible)
    assert mirror_agreement(estimator, image, elsewhere).joints < 0.5
