import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.augment.quality import PCK_RADIUS, pck
from reidaug.geometry.pck import JointMatches, match_joints
from reidaug.geometry.pose import FLIP_18, Pose, select

SIZE = (128, 64)
THRESHOLD = PCK_RADIUS * SIZE[0]


def poses(count: int, seed: int) -> Pose:
    chance = torch.Generator().manual_seed(seed)
    xy = torch.rand(count, 18, 2, generator=chance) * torch.tensor([64.0, 128.0])
    return Pose(xy, torch.rand(count, 18, generator=chance) < 0.8)


def share(matches: JointMatches, k: int) -> float:
    detected = int(matches.detected[k].sum())
    return int(matches.correct[k].sum()) / detected if detected else 0.0


@given(seed=st.integers(0, 10_000), off=st.floats(0, 20))
def test_the_share_of_correct_joints_equals_the_agreement_of_a_single_warp(
    seed: int, off: float
) -> None:
    expected, detections = poses(4, seed), poses(4, seed + 1)
    step = torch.randn(4, 18, 2, generator=torch.Generator().manual_seed(seed)) * off
    detected = Pose(expected.xy + step, detections.visible)
    matches = match_joints(detected, expected, THRESHOLD)
    for k in range(4):
        alone = pck(select(detected, k), select(expected, k), SIZE)
        assert share(matches, k) == pytest.approx(alone)
    assert not (matches.correct & ~matches.detected).any()
    assert not (matches.detected & ~matches.expected).any()


def test_a_pose_matches_itself_and_swapped_sides_are_recognised() -> None:
    expected = poses(3, 0)._replace(visible=torch.ones(3, 18, dtype=torch.bool))
    matches = match_joints(expected, expected, THRESHOLD)
    assert matches.correct.all()
    assert not matches.swapped.any()
    order = list(FLIP_18)
    turned = Pose(expected.xy[:, order], expected.visible[:, order])
    assert match_joints(turned, expected, THRESHOLD).swapped.all()


def test_missing_joints_are_not_correct() -> None:
    expected = poses(1, 0)
    nobody = Pose(torch.full((1, 18, 2), torch.nan), torch.zeros(1, 18, dtype=torch.bool))
    matches = match_joints(nobody, expected, THRESHOLD)
    assert torch.equal(matches.expected, expected.visible)
    assert not matches.detected.any()
    assert not matches.correct.any()
    assert not matches.swapped.any()
