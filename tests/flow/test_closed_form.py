import pytest
import torch
from flow_figures import SIZE, images, pairs, poses
from hypothesis import given
from hypothesis import strategies as st

from reidaug.flow.closed_form import Identity, JointBlend, TorsoAffine, blend_displacements
from reidaug.flow.estimator import FlowEstimator
from reidaug.geometry.flow import endpoint_error, identity, to_normalised, to_pixels
from reidaug.geometry.pose import Pose
from reidaug.geometry.warp import warp

ALL = [Identity(), TorsoAffine(), JointBlend()]


@pytest.mark.parametrize("estimator", ALL, ids=lambda e: type(e).__name__)
def test_equal_poses_give_the_identity(estimator: FlowEstimator) -> None:
    pose = poses(2, 0)
    flow = estimator(images(2, 0), pose, pose)
    torch.testing.assert_close(flow, identity(*SIZE).expand(2, -1, -1, -1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("estimator", ALL, ids=lambda e: type(e).__name__)
def test_missing_joints_never_give_nan_and_none_gives_the_identity(
    estimator: FlowEstimator,
) -> None:
    nobody = Pose(torch.full((1, 18, 2), torch.nan), torch.zeros(1, 18, dtype=torch.bool))
    flow = estimator(images(1, 0), nobody, poses(1, 1))
    torch.testing.assert_close(flow[0], identity(*SIZE), atol=1e-4, rtol=0)
    one = Pose(torch.full((1, 18, 2), torch.nan), torch.zeros(1, 18, dtype=torch.bool))
    one.xy[0, 4], one.visible[0, 4] = torch.tensor([3.0, 9.0]), True
    assert estimator(images(1, 0), one, poses(1, 1, visible=1.0)).isfinite().all()


@pytest.mark.parametrize("estimator", ALL, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("missing_in", ["source", "target"])
def test_a_joint_that_one_image_misses_does_not_count(
    estimator: FlowEstimator, missing_in: str
) -> None:
    """Whatever its coordinates are there."""
    given_poses = {"source": poses(1, 0, visible=1.0), "target": poses(1, 1, visible=1.0)}
    flows = []
    for place in (0.0, 500.0):
        pose = given_poses[missing_in]
        xy, visible = pose.xy.clone(), pose.visible.clone()
        xy[:, [1, 4]], visible[:, [1, 4]] = place, False
        both = {**given_poses, missing_in: Pose(xy, visible)}
        flows.append(estimator(images(1, 0), both["source"], both["target"]))
    torch.testing.assert_close(*flows)


@given(st.integers(0, 1000))
def test_torso_affine_finds_an_affine_motion(seed: int) -> None:
    batch = pairs(3, seed)
    estimate = TorsoAffine()(batch.source, batch.source_pose, batch.target_pose)
    assert batch.flow is not None
    assert batch.visible is not None
    error = endpoint_error(estimate, batch.flow, SIZE)[batch.visible]
    assert error.median() < 1.0  # the ridge costs a little where the torso is thin


def test_torso_affine_falls_back_to_the_other_joints() -> None:
    batch = pairs(2, 3)
    seen = batch.source_pose.visible.clone()
    seen[:, [1, 2, 5]] = False  # two of the torso's five are left
    source_pose = Pose(batch.source_pose.xy, seen)
    estimate = TorsoAffine()(batch.source, source_pose, batch.target_pose)
    assert batch.flow is not None
    assert batch.visible is not None
    assert endpoint_error(estimate, batch.flow, SIZE)[batch.visible].median() < 1.0


@given(st.integers(0, 1000))
def test_joint_blend_moves_target_joints_to_source_joints(seed: int) -> None:
    source, target = poses(2, seed), poses(2, seed + 1)
    seen = source.visible & target.visible
    for b in range(2):
        moved = blend_displacements(
            target.xy[b], source.xy[b : b + 1], target.xy[b : b + 1], seen[b : b + 1]
        )
        torch.testing.assert_close(moved[0][seen[b]], source.xy[b][seen[b]], atol=2e-2, rtol=0)


def test_joint_blend_as_a_loop() -> None:
    source, target = poses(1, 0), poses(1, 1)
    flow = to_pixels(JointBlend(power=3.0)(images(1, 0), source, target).movedim(1, -1), SIZE)
    seen = source.visible[0] & target.visible[0]
    for y, x in [(0, 0), (13, 7), (31, 15)]:
        here, total, shift = torch.tensor([float(x), float(y)]), 0.0, torch.zeros(2)
        for j in range(18):
            if seen[j]:
                weight = 1 / float((here - target.xy[0, j]).square().sum() + 1e-6) ** 1.5
                total += weight
                shift += weight * (source.xy[0, j] - target.xy[0, j])
        torch.testing.assert_close(flow[0, y, x], here + shift / total, atol=1e-3, rtol=1e-3)


def test_a_shift_is_a_shift_in_every_form() -> None:
    pose = poses(1, 0, visible=1.0)
    shifted = Pose(pose.xy + torch.tensor([2.0, 3.0]), pose.visible)
    image = images(1, 0)
    for estimator in (TorsoAffine(), JointBlend()):
        flow = estimator(image, shifted, pose)
        warped = warp(image, flow)
        torch.testing.assert_close(warped[..., :-3, :-2], image[..., 3:, 2:], atol=1e-3, rtol=0)
        expected = to_normalised(torch.tensor([2.0, 3.0]), SIZE)
        torch.testing.assert_close(flow[0, :, 0, 0], expected, atol=1e-3, rtol=0)


def test_the_table_pairs_every_source_with_every_target() -> None:
    source, ps, pt = images(2, 0), poses(2, 1), poses(3, 2)
    table = JointBlend().flow_table(source, ps, pt)
    assert table.shape == (2, 3, 2, *SIZE)
    alone = JointBlend()(
        source[1:], Pose(ps.xy[1:], ps.visible[1:]), Pose(pt.xy[2:], pt.visible[2:])
    )
    torch.testing.assert_close(table[1, 2], alone[0])
