import torch
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded
from torch import Tensor

from reidaug.flow.rivals.tpsmm_groups import GROUPS, RIDGE, group_maps, grouped
from reidaug.geometry.spline import bend

seeds = st.integers(0, 10_000)
CELLS = torch.cartesian_prod(torch.linspace(-1, 1, 6), torch.linspace(-1, 1, 6))


def groups(seed: int) -> tuple[Tensor, Tensor]:
    source, target = 1.2 * torch.rand(2, 2, 3, 5, 2, generator=seeded(seed)) - 0.6
    return source, target


def test_ten_groups_of_five_joints_are_taken_by_number() -> None:
    assert len(GROUPS) == 10
    assert {len(group) for group in GROUPS} == {5}
    numbers = grouped(torch.arange(18.0).expand(2, 18))
    assert torch.equal(numbers[1], torch.tensor(GROUPS, dtype=torch.float32))


@given(seeds)
def test_the_masked_solve_is_the_solve_on_the_visible_subset(seed: int) -> None:
    source, target = groups(seed)
    known = torch.ones(2, 3, 5) > 0
    known[:, :, [1, 3]] = False
    masked = group_maps(
        CELLS,
        torch.where(known[..., None], source, torch.nan),
        torch.where(known[..., None], target, torch.nan),
        known,
    )
    kept = [0, 2, 4]
    subset = group_maps(CELLS, source[:, :, kept], target[:, :, kept], known[:, :, kept])
    torch.testing.assert_close(masked, subset, atol=1e-4, rtol=1e-4)


@given(seeds)
def test_a_global_affine_map_is_found_inside_the_hull_with_a_small_ridge(seed: int) -> None:
    target = groups(seed)[1]
    matrix = torch.eye(2) + 0.3 * torch.randn(2, 2, generator=seeded(seed)).clamp(-2, 2)
    weight = torch.rand(7, 5, generator=seeded(seed + 1))
    inside = (weight / weight.sum(1, keepdim=True)) @ target[0, 0]
    found = group_maps(
        inside, target @ matrix.mT + 0.1, target, torch.ones(2, 3, 5) > 0, ridge=1e-6
    )
    torch.testing.assert_close(found[0, 0], inside @ matrix.mT + 0.1, atol=5e-3, rtol=0)


@given(seeds)
def test_the_residual_of_a_control_point_is_the_ridge_times_its_weight(seed: int) -> None:
    source, target = (points[0, 0].double() for points in groups(seed))
    known = torch.ones(1, 1, 5) > 0
    found = group_maps(target, source[None, None], target[None, None], known)[0, 0]
    # The system written out: [[K + r, P], [P^T, -r]] [w; a] = [source - target; 0].
    square = torch.tensor([[float((a - b).square().sum()) for b in target] for a in target])
    kernel = (square * torch.log(square + 1e-12)).double()
    plane = torch.cat((torch.ones(5, 1), target), dim=1).double()
    system = torch.zeros(8, 8, dtype=torch.float64)
    system[:5, :5] = kernel + RIDGE * torch.eye(5)
    system[:5, 5:], system[5:, :5] = plane, plane.T
    system[5:, 5:] = -RIDGE * torch.eye(3)
    right = torch.cat((source - target, torch.zeros(3, 2)))
    weight = torch.linalg.solve(system, right)[:5]
    torch.testing.assert_close(source - found, RIDGE * weight, atol=1e-5, rtol=1e-4)


@given(seeds, st.floats(0, 0.1))
def test_a_group_on_a_line_or_near_one_stays_finite_and_small(seed: int, spread: float) -> None:
    source, target = groups(seed)
    line = torch.linspace(-0.5, 0.5, 5)
    noise = spread * torch.randn(2, 3, 5, generator=seeded(seed))
    target = torch.stack((0.2 * line + noise, line.expand_as(noise)), dim=-1)
    found = group_maps(CELLS, source, target, torch.ones(2, 3, 5) > 0)
    assert found.isfinite().all()
    assert found.abs().max() < 40  # wild sources for a straight arm: bent, not exploded


def test_the_sign_of_the_published_ridge_on_the_affine_part_can_explode() -> None:
    generator = seeded(0)
    line = torch.linspace(-0.5, 0.5, 5)
    noise = 0.03 * torch.randn(3000, 5, generator=generator)
    target = torch.stack((0.2 * line + noise, line.expand_as(noise)), dim=-1)
    source = target + 0.1 * torch.randn(3000, 5, 2, generator=generator)
    known = torch.ones(3000, 5) > 0
    ours, theirs = (
        bend(CELLS, source, target, known, ridge=RIDGE, damping=(sign * RIDGE,) * 3)
        .abs()
        .amax((-1, -2))
        for sign in (1, -1)
    )
    assert ours.max() < 10
    assert theirs.max() > 100


def test_few_points_give_a_similarity_a_shift_or_the_identity() -> None:
    target = torch.rand(1, 3, 5, 2, generator=seeded(0))
    matrix = torch.tensor([[0.6, -0.8], [0.8, 0.6]]) * 1.5
    source = target @ matrix.mT + 0.2
    known = torch.zeros(1, 3, 5) > 0
    known[0, 0, [1, 4]] = True
    known[0, 1, 2] = True
    found = group_maps(CELLS, source, target, known)[0]
    torch.testing.assert_close(found[0], CELLS @ matrix.mT + 0.2, atol=1e-3, rtol=0)
    torch.testing.assert_close(found[1], CELLS + source[0, 1, 2] - target[0, 1, 2])
    torch.testing.assert_close(found[2], CELLS)


@given(seeds)
def test_equal_points_give_the_identity_exactly(seed: int) -> None:
    target = groups(seed)[1]
    known = torch.rand(2, 3, 5, generator=seeded(seed)) < 0.6
    found = group_maps(CELLS, target, target, known)
    torch.testing.assert_close(found, CELLS.expand_as(found), atol=1e-5, rtol=0)
