import numpy as np
import pytest
import torch

from reidaug.data.joint_numbers import FARTHEST, as_pose, converted, numbers
from reidaug.geometry.pose import COCO_17, OPENPOSE_18


@pytest.mark.parametrize(
    "bad", [None, True, "3", float("nan"), float("inf"), 10**400, 2 * FARTHEST, [1]]
)
def test_only_lists_of_plain_numbers_are_read(bad: object) -> None:
    assert isinstance(numbers([1, 2.5], 2), np.ndarray)
    assert numbers([1, bad], 2) == "not a list of plain numbers"
    assert numbers([1], 2) == "2 numbers expected, 1 found"
    assert numbers("12", 2) == "not a list of numbers"


def test_missing_joints_lie_at_minus_one() -> None:
    table = torch.full((1, 18, 3), 5.0)
    table[0, 3, 2] = 0
    pose = as_pose(table)
    assert pose.xy[0, 3].tolist() == [-1, -1]
    assert pose.xy[0, 4].tolist() == [5, 5]
    assert pose.visible[0].logical_not().nonzero().flatten().tolist() == [3]


def test_joints_of_a_skeleton_find_their_places() -> None:
    table = np.array([[k, 2 * k, 1] for k in range(17)], dtype=np.float64)
    found = converted(table, COCO_17)
    wrist = OPENPOSE_18.index("left_wrist")
    assert found[wrist].tolist() == [9, 18, 1]
