import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reidaug.geometry.flow import from_affine, identity, resize
from reidaug.geometry.upsampling import upsample_flow

SIZE = (29, 13)
GRID = (8, 4)


def random_flow(seed: int, scale: float) -> Tensor:
    noise = torch.randn((2, 2, *GRID), generator=torch.Generator().manual_seed(seed))
    return identity(*GRID)[None] + scale * noise


def slow_upsampling(flow: Tensor, jump: float) -> Tensor:
    """Pixel by pixel."""
    found = torch.zeros(len(flow), 2, *SIZE)
    step = torch.tensor([2 / (GRID[1] - 1), 2 / (GRID[0] - 1)])
    for b in range(len(flow)):
        for row in range(SIZE[0]):
            for column in range(SIZE[1]):
                y = row * (GRID[0] - 1) / (SIZE[0] - 1)
                x = column * (GRID[1] - 1) / (SIZE[1] - 1)
                top, left = min(int(y), GRID[0] - 2), min(int(x), GRID[1] - 2)
                cells = []
                for r in (top, top + 1):
                    for c in (left, left + 1):
                        cells.append(((1 - abs(y - r)) * (1 - abs(x - c)), flow[b, :, r, c]))
                nearest = max(cells, key=lambda cell: cell[0])[1]
                kept = [
                    (w, point) for w, point in cells if ((point - nearest) / step).norm() <= jump
                ]
                total = sum(w for w, _ in kept)
                found[b, :, row, column] = sum(w * point for w, point in kept) / total
    return found


@given(seed=st.integers(0, 99), scale=st.sampled_from([0.0, 0.1, 0.5]))
def test_only_cells_near_the_nearest_one_are_mixed(seed: int, scale: float) -> None:
    flow = random_flow(seed, scale)
    found, expected = upsample_flow(flow, SIZE, jump=1.5), slow_upsampling(flow, 1.5)
    # Between two cells at the same distance either may count as the nearest.
    ties = ((found - expected).abs().amax(1) > 1e-4).float().mean()
    assert float(ties) < 0.02


@given(seed=st.integers(0, 99))
def test_without_a_limit_it_is_the_bilinear_one(seed: int) -> None:
    flow = random_flow(seed, 0.4)
    assert torch.allclose(upsample_flow(flow, SIZE, jump=1e6), resize(flow, SIZE), atol=1e-5)


def test_a_gentle_affine_flow_stays_exact() -> None:
    matrix = torch.tensor([[[1.2, 0.3], [-0.2, 0.9]]])
    offset = torch.tensor([[0.1, -0.2]])
    found = upsample_flow(from_affine(matrix, offset, GRID), SIZE)
    assert torch.allclose(found, from_affine(matrix, offset, SIZE), atol=1e-5)


def test_nothing_is_sampled_between_two_parts() -> None:
    flow = identity(*GRID)[None].clone()
    flow[:, 0, :, :2], flow[:, 0, :, 2:] = -0.9, 0.9  # 2.7 cells apart
    mixed, kept = resize(flow, SIZE)[:, 0], upsample_flow(flow, SIZE, jump=2.0)[:, 0]
    assert ((mixed.abs() < 0.5).float().mean()) > 0.1
    assert kept.abs().min() == pytest.approx(0.9)


def test_nothing_is_made_on_another_device_than_the_flow() -> None:
    flow, size = random_flow(1, 0.8), (31, 15)  # a size of its own: tables are kept
    with torch.device("meta"):
        found = upsample_flow(flow, size)
    assert torch.equal(found, upsample_flow(flow, size))


@pytest.mark.parametrize("size", [GRID, (4, 2), (29, 4), (8, 13)])
def test_what_is_not_enlarged_is_resized(size: tuple[int, int]) -> None:
    flow = random_flow(1, 0.8)
    assert torch.equal(upsample_flow(flow, size), resize(flow, size))
