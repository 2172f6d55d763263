import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded
from torch import Tensor

from reidaug.flow.unwarpme.affine_task import random_upright_affine
from reidaug.geometry import affine, flow
from reidaug.geometry.spline import thin_plate_flow

SEEDS = st.integers(0, 2**31)


def lattice_points(count: int, seed: int) -> Tensor:
    """Normalised points that fall on cells of an 11 x 11 flow, in general position."""
    cells = torch.randperm(121, generator=seeded(seed))[:count]
    return torch.stack((cells % 11, cells // 11), dim=1).float()[None] / 5 - 1


@given(SEEDS, st.integers(6, 14))
def test_control_points_are_reached(seed: int, count: int) -> None:
    target = lattice_points(count, seed)
    source = target + 0.1 * torch.randn(1, count, 2, generator=seeded(seed))
    everyone = torch.ones(1, count, dtype=torch.bool)
    bent = thin_plate_flow(source, target, everyone, (11, 11), ridge=0.0)
    cells = ((target + 1) * 5).round().long()[0]
    reached = bent[0][:, cells[:, 1], cells[:, 0]].T
    torch.testing.assert_close(reached, source[0], atol=1e-3, rtol=0)


@given(SEEDS)
def test_points_left_out_take_no_part(seed: int) -> None:
    target = lattice_points(9, seed)
    source = target + 0.1 * torch.randn(1, 9, 2, generator=seeded(seed))
    visible = torch.tensor([[True] * 6 + [False] * 3])
    anything = torch.where(visible[..., None], 0.0, torch.nan)
    masked = thin_plate_flow(source + anything, target + anything, visible, (7, 5))
    alone = thin_plate_flow(source[:, :6], target[:, :6], visible[:, :6], (7, 5))
    torch.testing.assert_close(masked, alone, atol=1e-4, rtol=1e-4)


@given(SEEDS)
def test_an_affine_motion_is_recovered(seed: int) -> None:
    target = lattice_points(8, seed)
    matrix, offset = random_upright_affine(1, seeded(seed))
    source = affine.apply(matrix, offset, target)
    bent = thin_plate_flow(source, target, torch.ones(1, 8, dtype=torch.bool), (6, 6))
    torch.testing.assert_close(bent, flow.from_affine(matrix, offset, (6, 6)), atol=2e-2, rtol=2e-2)


def test_few_or_collinear_points_stay_finite() -> None:
    target = torch.tensor([[[0.0, 0.0], [0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]])
    source = target + torch.tensor([0.2, -0.1])
    for seen in range(5):
        visible = torch.arange(4)[None] < seen
        bent = thin_plate_flow(source, target, visible, (5, 5))
        assert bent.isfinite().all()
        expected = torch.tensor([0.2, -0.1]) if seen else torch.zeros(2)
        shift = (bent - flow.identity(5, 5))[0].mean((1, 2))
        torch.testing.assert_close(shift, expected, atol=1e-2, rtol=0)


def test_the_spline_equals_its_definition_as_a_loop() -> None:
    target = torch.tensor([[[-0.8, -0.7], [0.7, -0.6], [-0.5, 0.9], [0.8, 0.7], [0.1, 0.05]]])
    source = target + torch.tensor([[[0.1, 0.0], [0.0, 0.1], [0.05, 0.0], [0.0, 0.0], [0.2, 0.1]]])
    n = target.shape[1]
    system = [[0.0] * (n + 3) for _ in range(n + 3)]
    for i in range(n):
        for j in range(n):
            squared = sum(float(target[0, i, k] - target[0, j, k]) ** 2 for k in range(2))
            system[i][j] = squared * math.log(squared) if i != j else 0.0
        row = [1.0, float(target[0, i, 0]), float(target[0, i, 1])]
        for k in range(3):
            system[i][n + k] = system[n + k][i] = row[k]
    right = torch.zeros(n + 3, 2, dtype=torch.float64)
    right[:n] = (source - target)[0].double()
    solved = torch.linalg.solve(torch.tensor(system, dtype=torch.float64), right)
    fast = thin_plate_flow(source, target, torch.ones(1, n, dtype=torch.bool), (3, 4), ridge=0.0)
    for v in range(3):
        for u in range(4):
            x, y = 2 * u / 3 - 1, v - 1.0
            value = [x, y]
            for d in range(2):
                value[d] += float(solved[n, d] + solved[n + 1, d] * x + solved[n + 2, d] * y)
                for j in range(n):
                    squared = (x - float(target[0, j, 0])) ** 2 + (y - float(target[0, j, 1])) ** 2
                    bend = squared * math.log(squared) if squared > 0 else 0.0
                    value[d] += float(solved[j, d]) * bend
            torch.testing.assert_close(fast[0, :, v, u], torch.tensor(value), atol=1e-3, rtol=0)
