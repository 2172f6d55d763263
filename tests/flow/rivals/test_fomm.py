import pytest
import torch
from flow_figures import SIZE, pairs, poses, rival, seeded
from torch import Tensor, nn

from reidaug.flow.rivals.fomm import DISTORTION, FOMM, JacobianNetwork, distorted, jacobian_ratio
from reidaug.flow.rivals.local_maps import in_square_units
from reidaug.geometry.pose import Pose


def draws(count: int, seed: int) -> Tensor:
    noise = torch.randn(count, 2, 3, generator=seeded(seed))[..., :2]
    return torch.eye(2) + DISTORTION * noise


def learned() -> FOMM:
    net = rival("fomm", jacobian_expansion=4)
    assert isinstance(net, FOMM)
    return net


def test_jacobians_start_as_the_identity_and_stay_so_where_no_joint_is() -> None:
    net = JacobianNetwork(expansion=4, blocks=2, limit=8)
    maps = torch.rand(2, 18, 8, 4, generator=seeded(0))
    torch.testing.assert_close(net(maps), torch.eye(2).expand(2, 18, 2, 2))
    nn.init.normal_(net.head.weight)
    maps[:, 5] = 0.0
    torch.testing.assert_close(net(maps)[:, 5], torch.eye(2).expand(2, 2, 2))


def test_a_jacobian_is_the_mean_answer_around_its_joint() -> None:
    net = JacobianNetwork(expansion=4, blocks=2, limit=8).eval()
    nn.init.normal_(net.head.weight)
    maps = torch.zeros(1, 18, 8, 4)
    maps[0, 3, 2, 1], maps[0, 3, 5, 3] = 3000.0, 1000.0
    answer = net.head(net.hourglass(maps)[-1]).unflatten(1, (18, 2, 2))[0, 3]
    expected = 0.75 * answer[..., 2, 1] + 0.25 * answer[..., 5, 3]
    torch.testing.assert_close(net(maps)[0, 3], expected, atol=1e-4, rtol=1e-4)


def test_distorted_joints_follow_the_drawn_matrix_in_square_units() -> None:
    pose = poses(3, 0)
    moved, matrix = distorted(pose, SIZE, seeded(5))
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


def test_missing_joints_have_no_say_in_the_equivariance() -> None:
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


def test_jacobians_are_divided() -> None:
    s, t = torch.eye(2) + 0.3 * torch.randn(2, 5, 2, 2, generator=seeded(0))
    torch.testing.assert_close(jacobian_ratio(s, t), s @ torch.linalg.inv(t), atol=0.02, rtol=0.02)
