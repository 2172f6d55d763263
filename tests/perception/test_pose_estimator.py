import numpy as np
import pytest
import torch

from reidaug.geometry.pose import Pose
from reidaug.perception.pose_estimator import PoseEstimate, shows_outline, shows_person


@pytest.mark.parametrize(
    ("person", "sure", "visible", "rows", "expected"),
    [
        (0.9, 0.8, 12, 60, True),
        (0.2, 0.8, 12, 60, True),  # legs cut off
        (0.05, 0.8, 12, 60, False),
        (0.9, 0.5, 12, 60, False),
        (0.9, 0.8, 3, 60, False),
        (0.9, 0.8, 12, 2, False),
    ],
)
def test_a_person_has_certain_joints_and_an_outline(
    person: float, sure: float, visible: int, rows: int, expected: bool
) -> None:
    mask = np.zeros((128, 64), dtype=bool)
    mask[:rows] = True
    pose = Pose(torch.zeros(18, 2), torch.arange(18) < visible)
    assert shows_person(PoseEstimate(pose, torch.full((18,), sure), person, mask)) is expected


@pytest.mark.parametrize(
    ("person", "sure", "rows", "expected"),
    [(0.9, 0.55, 60, True), (0.9, 0.45, 60, False), (0.05, 0.8, 60, False), (0.9, 0.8, 2, False)],
)
def test_an_outline_needs_less_certain_joints(
    person: float, sure: float, rows: int, expected: bool
) -> None:
    mask = np.zeros((128, 64), dtype=bool)
    mask[:rows] = True
    pose = Pose(torch.zeros(18, 2), torch.arange(18) < 2)
    assert shows_outline(PoseEstimate(pose, torch.full((18,), sure), person, mask)) is expected
