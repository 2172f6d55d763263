import numpy as np
import pytest
import torch
from drawn_person import model_file, pixels

from reidaug.geometry.pose import Pose
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_estimator import PoseEstimate
from reidaug.perception.second_tries import find_person
from reidaug.perception.unseen_legs import LEGS, without_unseen_legs


def estimate(height: int, width: int, across: int) -> PoseEstimate:
    mask = np.zeros((100, across), dtype=bool)
    mask[:height, 2 : 2 + width] = True
    pose = Pose(torch.rand(18, 2) * 90, torch.ones(18, dtype=torch.bool))
    return PoseEstimate(pose, torch.ones(18), 1.0, mask)


@pytest.mark.parametrize(
    ("height", "width", "across", "seen"),
    [
        (100, 40, 60, True),
        (70, 50, 60, True),
        (69, 50, 60, False),
        (70, 50, 90, False),
        (90, 50, 90, True),
        (60, 90, 99, False),
        (4, 5, 60, True),
    ],
)
def test_a_low_outline_has_no_knees_and_no_feet(
    height: int, width: int, across: int, seen: bool
) -> None:
    before = estimate(height, width, across)
    after = without_unseen_legs(before)
    legs = list(LEGS)
    assert before.pose.visible.all()
    assert bool(after.pose.visible[legs].all()) == seen
    assert seen or not after.pose.visible[legs].any()
    others = [k for k in range(18) if k not in LEGS]
    assert torch.equal(after.pose.xy[others], before.pose.xy[others])
    assert after.pose.visible[others].all()
    assert bool((after.pose.xy[legs] == -1).all()) != seen


def test_a_crop_that_ends_at_the_waist_has_no_legs(blazepose: None) -> None:
    network, whole = BlazePose(model_file()), pixels((256, 128))
    legs = list(LEGS)
    assert find_person(network, whole).estimate.pose.visible[legs].all()
    upper = np.ascontiguousarray(whole[:128])
    assert network.estimate(upper).pose.visible[legs].any()
    search = find_person(network, upper)
    assert search.attempt == 1
    assert not search.estimate.pose.visible[legs].any()
