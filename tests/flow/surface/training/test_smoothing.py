import math

import pytest
import torch

from reidaug.flow.estimator import Origin
from reidaug.flow.surface.training.smoothing import RIDGE, smooth_matches
from reidaug.geometry.flow import identity
from tests.seeding import seeded

GRID = (12, 9)


def everywhere():
    return torch.ones(GRID, dtype=torch.bool)


def one_origin():
    return torch.zeros(GRID, dtype=torch.long)


def smoothed(flow, origin, places):
    return smooth_matches(flow, origin, places, everywhere(), everywhere())


def test_an_affine_flow_stays_in_the_middle():
    grid = identity(*GRID)
    flow = torch.stack((0.7 * grid[0] + 0.2 * grid[1] - 0.1, 0.9 * grid[1]))
    found = smooth_matches(flow, one_origin(), torch.zeros(3, *GRID), everywhere(), everywhere())
    assert (found - flow)[:, 4:-4, 3:-3].abs().max() < 1e-3
    assert (found - flow).abs().max() < 0.02  # the ridge pulls at the border alone


def test_noise_is_averaged():
    noise = 0.1 * torch.randn(2, *GRID, generator=seeded(0))
    flow = identity(*GRID) + noise
    found = smooth_matches(flow, one_origin(), torch.zeros(3, *GRID), everywhere(), everywhere())
    assert (found - identity(*GRID)).std() < 0.5 * noise.std()


def test_pieces_and_origins_are_not_mixed():
    left = torch.arange(GRID[1]).expand(GRID) < 4
    flow = torch.where(left, -0.5, 0.5).expand(2, *GRID).contiguous()
    places, origin = torch.zeros(3, *GRID), one_origin()
    apart = torch.where(left, 0.0, 1.0).expand(3, *GRID).contiguous()
    assert torch.allclose(smoothed(flow, origin, apart), flow, atol=1e-4)
    kinds = torch.where(left, int(Origin.SEEN), int(Origin.OPPOSITE))
    assert torch.allclose(smoothed(flow, kinds, places), flow, atol=1e-4)
    assert not torch.allclose(smoothed(flow, origin, places), flow, atol=1e-2)


def test_other_cells_stay_and_do_not_count():
    which = everywhere()
    which[:, 5:] = False
    flow = identity(*GRID).clone()
    flow[:, :, 5:] = 9.0
    found = smooth_matches(flow, one_origin(), torch.zeros(3, *GRID), which, which)
    assert torch.equal(found[:, :, 5:], flow[:, :, 5:]) and found[:, :, :5].abs().max() < 1.1


def test_the_slow_twin_fits_the_same_map():
    random = seeded(1)
    flow = torch.rand(2, *GRID, generator=random)
    places = 0.1 * torch.rand(3, *GRID, generator=random)
    origin = torch.randint(0, 2, GRID, generator=random)
    which = torch.rand(GRID, generator=random) < 0.8
    which[5, 4] = True
    found = smooth_matches(flow, origin, places, which, which, radius=2, sigma=1.5, piece=0.08)
    rows, weights, values = [], [], []
    for row in range(3, 8):
        for column in range(2, 7):
            if which[row, column] and origin[row, column] == origin[5, 4]:
                x, y = column - 4, row - 5
                away = float((places[:, row, column] - places[:, 5, 4]).square().sum())
                weights.append(math.exp(-0.5 * (away / 0.08**2 + (x * x + y * y) / 1.5**2)))
                rows.append([1.0, x, y])
                values.append(flow[:, row, column].tolist())
    a, w, v = (torch.tensor(part, dtype=torch.double) for part in (rows, weights, values))
    mean = (w[:, None] * a).sum(0) / w.sum()
    centred = a[:, 1:] - mean[1:]
    middle = (w[:, None] * v).sum(0) / w.sum()
    normal = (w[:, None] * centred).mT @ centred / w.sum() + RIDGE * torch.eye(2).double()
    slope = torch.linalg.solve(normal, (w[:, None] * centred).mT @ (v - middle) / w.sum())
    expected = middle - mean[1:] @ slope
    assert found[:, 5, 4].tolist() == pytest.approx(expected.tolist(), abs=1e-4)


def test_cells_without_a_match_take_it_from_those_around() -> None:
    grid = identity(*GRID)
    flow = torch.stack((0.7 * grid[0] - 0.1, 0.9 * grid[1]))
    matched = torch.zeros(GRID, dtype=torch.bool)
    matched[::2, ::2] = matched[1::2, 1::2] = True
    holes = torch.where(matched, flow, torch.full_like(flow, 9.0))
    found = smooth_matches(holes, one_origin(), torch.zeros(3, *GRID), everywhere(), matched)
    assert (found - flow).abs().max() < 0.05


def test_a_cell_alone_of_its_kind_takes_what_is_there() -> None:
    flow, kind, matched = identity(*GRID) * 0, one_origin(), everywhere()
    flow[:, :, 4:] = 0.5
    kind[6, 4], matched[6, 4] = 2, False
    found = smooth_matches(flow, kind, torch.zeros(3, *GRID), everywhere(), matched)
    assert found.isfinite().all() and (found[:, 6, 4] >= 0).all()
