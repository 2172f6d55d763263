import pytest
import torch
from flow_figures import SIZE, pairs, poses, rival
from known_motion import SIZE as BODY_SIZE
from known_motion import BodyJacobians, body_moved, standing
from seeding import seeded
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.rivals.fomm import DISTORTION, FOMM, distort
from reidaug.flow.rivals.local_maps import in_square_units
from reidaug.geometry.pose import Pose


def draws(count: int, seed: int) -> Tensor:
    noise = torch.randn(count, 2, 3, generator=seeded(seed))[..., :2]
    return torch.eye(2) + DISTORTION * noise


def learned() -> FOMM:
    net = rival("fomm", jacobian_expansion=4)
    assert isinstance(net, FOMM)
    return net


def test_distorted_joints_follow_the_random_matrix_in_square_units() -> None:
    pose = poses(3, 0)
    moved, matrix = distort(pose, SIZE, seeded(5))
    torch.testing.assert_close(matrix, draws(3, 5))
    assert torch.equal(moved.visible, pose.visible)
    before, after = (
        in_square_units(p._replace(visible=p.visible | True), SIZE) for p in (pose, moved)
    )
    for b in range(3):
        seen = pose.visible[b]
        shift = before[b, seen] - after[b, seen] @ matrix[b].T
        torch.testing.assert_close(shift, shift[:1].expand_as(shift), atol=1e-5, rtol=0)


def test_the_equivariance_of_constant_jacobians_is_the_distortion() -> None:
    net, batch = learned(), pairs(3, 0)
    motion = net.motion(batch.source, batch.source_pose, batch.target_pose)
    loss = net.own_losses(batch, motion, seeded(5))
    assert set(loss) == {"equivariance"}
    expected = (draws(3, 5) - torch.eye(2)).abs().mean() / 1.0025
    torch.testing.assert_close(loss["equivariance"], expected)


def test_the_equivariance_of_jacobians_that_turn_with_the_body_is_zero() -> None:
    class Oracle(nn.Module):
        def forward(self, maps: Tensor) -> Tensor:
            here = torch.linalg.inv(draws(len(maps) // 2, 5))
            there = torch.eye(2).expand_as(here)
            return torch.cat((there, here))[:, None].expand(-1, 18, -1, -1)

    net, batch = learned(), pairs(3, 0)
    net.jacobians = Oracle()  # type: ignore[assignment]
    motion = net.motion(batch.source, batch.source_pose, batch.target_pose)
    assert net.own_losses(batch, motion, seeded(5))["equivariance"] < 1e-6


def test_the_equivariance_loss_knows_which_pose_was_distorted() -> None:
    """Zero for Jacobians read from the pose maps, and not for those of a body that never turns."""
    net, pose, image = learned(), standing(), torch.zeros(1, 3, *BODY_SIZE)
    batch = PosePair(image, image, body_moved(), pose)
    motion, losses = net.motion(image, batch.source_pose, pose), []
    for jacobians in (net.jacobians, BodyJacobians()):
        net.jacobians = jacobians  # type: ignore[assignment]
        found = [net.own_losses(batch, motion, seeded(k))["equivariance"] for k in range(3)]
        losses.append(float(torch.stack(found).mean().detach()))
    assert losses[1] < 0.2 * losses[0]


def test_missing_joints_do_not_change_the_equivariance_loss() -> None:
    net, batch = learned(), pairs(3, 0)
    nn.init.normal_(net.jacobians.head.weight, std=0.1)  # type: ignore[union-attr]
    pose = Pose(batch.target_pose.xy.clone(), torch.zeros(3, 18) > 0)
    pose.xy[:] = torch.nan
    motion = net.motion(batch.source, batch.source_pose, batch.target_pose)
    loss = net.own_losses(batch._replace(target_pose=pose), motion, seeded(5))["equivariance"]
    assert loss == 0
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


def test_other_jacobians_have_no_loss_of_their_own_and_wrong_ones_are_named() -> None:
    net, batch = rival("fomm", jacobian="analytic"), pairs(1, 0)
    motion = net.motion(batch.source, batch.source_pose, batch.target_pose)
    assert net.own_losses(batch, motion, seeded(0)) == {}
    with pytest.raises(ValueError, match="learned"):
        FOMM(jacobian="guessed")
