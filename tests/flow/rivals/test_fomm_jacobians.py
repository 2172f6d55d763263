import torch
from flow_figures import near_identity, turn
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded
from torch import Tensor, nn

from reidaug.flow.rivals.fomm_jacobians import (
    BONES,
    JacobianNetwork,
    analytic_jacobians,
    clamp_stretch,
    jacobian_ratio,
)

seeds = st.integers(0, 10_000)


def body(seed: int, count: int = 2) -> Tensor:
    return 1.4 * torch.rand(count, 18, 2, generator=seeded(seed)) - 0.7


def test_jacobians_are_divided() -> None:
    s, t = torch.eye(2) + 0.3 * torch.randn(2, 5, 2, 2, generator=seeded(0))
    torch.testing.assert_close(jacobian_ratio(s, t), s @ torch.linalg.inv(t), atol=0.02, rtol=0.02)


def test_a_jacobian_is_the_mean_answer_around_its_joint() -> None:
    net = JacobianNetwork(expansion=4, blocks=2, limit=8).eval()
    nn.init.normal_(net.head.weight)
    maps = torch.zeros(1, 18, 8, 4)
    maps[0, 3, 2, 1], maps[0, 3, 5, 3] = 3000.0, 1000.0
    answer = net.head(net.hourglass(maps)[-1]).unflatten(1, (18, 2, 2))[0, 3]
    expected = 0.75 * answer[..., 2, 1] + 0.25 * answer[..., 5, 3]
    torch.testing.assert_close(net(maps)[0, 3], expected, atol=1e-4, rtol=1e-4)


def test_jacobians_start_as_the_identity_and_stay_so_where_no_joint_is() -> None:
    net = JacobianNetwork(expansion=4, blocks=2, limit=8)
    maps = torch.rand(2, 18, 8, 4, generator=seeded(0))
    torch.testing.assert_close(net(maps), torch.eye(2).expand(2, 18, 2, 2))
    nn.init.normal_(net.head.weight)
    maps[:, 5] = 0.0
    torch.testing.assert_close(net(maps)[:, 5], torch.eye(2).expand(2, 2, 2))


@given(seeds)
def test_stretch_clamps_the_singular_values(seed: int) -> None:
    matrix = 3 * torch.randn(6, 2, 2, generator=seeded(seed))
    u, s, v = torch.linalg.svd(matrix)
    expected = u @ torch.diag_embed(s.clamp(0.25, 4)) @ v
    torch.testing.assert_close(clamp_stretch(matrix), expected, atol=1e-4, rtol=1e-4)


@given(seeds)
def test_a_global_affine_map_is_found_at_joints_with_two_neighbours(seed: int) -> None:
    target, matrix = body(seed), clamp_stretch(near_identity(seed + 1))
    source = target @ matrix.mT + 0.1
    found = analytic_jacobians(source, target, torch.ones(2, 18) > 0, ridge=1e-6)
    for joint in range(18):
        near = [b if a == joint else a for a, b in BONES if joint in (a, b)]
        for b in range(2):
            spokes = target[b, near] - target[b, joint]
            spread = torch.linalg.svdvals(spokes)
            if len(near) > 1 and spread[1] > 0.25 * spread[0]:
                torch.testing.assert_close(found[b, joint], matrix, atol=2e-3, rtol=0)


@given(seeds, st.floats(-3, 3), st.floats(0.3, 3.5))
def test_a_global_similarity_is_found_at_every_joint(seed: int, angle: float, scale: float) -> None:
    target = body(seed)
    source = target @ turn(angle, scale).mT - 0.2
    found = analytic_jacobians(source, target, torch.ones(2, 18) > 0, ridge=1e-6)
    torch.testing.assert_close(
        found, turn(angle, scale).expand_as(found), atol=2e-2, rtol=0
    )  # as near as two joints on one another allow


def test_a_joint_without_known_neighbours_has_the_identity() -> None:
    known = torch.zeros(1, 18) > 0
    known[0, 4] = True
    found = analytic_jacobians(body(1, 1), body(2, 1), known)
    torch.testing.assert_close(found[0, 4], torch.eye(2))
    assert found.isfinite().all()
