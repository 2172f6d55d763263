import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.flow.surface.smoothing import LEAST, REACH, SIGMA, smooth_flow
from reidaug.geometry.flow import identity
from tests.seeding import seeded

GRID = (9, 7)


def shifted(shift):
    return (identity(*GRID) + torch.tensor(shift)[:, None, None])[None]


def test_a_flow_that_moves_all_alike_stays():
    person = torch.rand(1, *GRID, generator=seeded(0))
    flow = shifted([0.2, -0.4])
    assert torch.allclose(smooth_flow(flow, person), flow, atol=1e-6)


def test_what_is_far_from_the_person_stays_and_does_not_count():
    person = torch.zeros(1, *GRID)
    person[..., 0] = 1
    flow = shifted([0.1, 0.1])
    flow[..., 3:] = 5.0
    found = smooth_flow(flow, person)
    assert torch.equal(found[..., 5:], flow[..., 5:])
    assert torch.allclose(found[..., :2], shifted([0.1, 0.1])[..., :2], atol=1e-6)


@given(st.integers(0, 2**31))
def test_the_slow_twin_finds_the_same(seed):
    random = seeded(seed)
    flow = torch.rand(1, 2, *GRID, generator=random)
    person = (torch.rand(1, *GRID, generator=random) - 0.3).clamp_min(0)
    found, here = smooth_flow(flow, person), identity(*GRID)
    bells = [[torch.tensor(-(d**2) / (2 * SIGMA**2)).exp() for d in range(-REACH, REACH + 1)]]
    norm = sum(float(b) for b in bells[0])
    for row in range(GRID[0]):
        for column in range(GRID[1]):
            total, mean = 0.0, torch.zeros(2)
            for i in range(max(0, row - REACH), min(GRID[0], row + REACH + 1)):
                for j in range(max(0, column - REACH), min(GRID[1], column + REACH + 1)):
                    bell = bells[0][i - row + REACH] * bells[0][j - column + REACH] / norm**2
                    weight = float(bell * person[0, i, j])
                    total += weight
                    mean += weight * (flow[0, :, i, j] - here[:, i, j])
            expected = flow[0, :, row, column]
            if total > LEAST:
                expected = here[:, row, column] + mean / total
            assert torch.allclose(found[0, :, row, column], expected, atol=1e-5)
