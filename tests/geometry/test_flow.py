import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded
from torch import Tensor

from reidaug.geometry import flow
from reidaug.geometry.warp import warp

SIZES = st.tuples(st.integers(2, 20), st.integers(2, 20))
SEEDS = st.integers(0, 2**31)


@given(SIZES, SEEDS)
def test_identity_flow_returns_the_image(size: tuple[int, int], seed: int) -> None:
    image = torch.rand(2, 3, *size, generator=seeded(seed))
    still = flow.identity(*size).expand(2, -1, -1, -1)
    torch.testing.assert_close(warp(image, still), image, atol=1e-5, rtol=0)


@given(SEEDS, st.tuples(st.integers(2, 9), st.integers(2, 9)), SIZES)
def test_resizing_an_affine_flow_is_exact(
    seed: int, small: tuple[int, int], large: tuple[int, int]
) -> None:
    matrix = torch.randn(1, 2, 2, generator=seeded(seed))
    offset = torch.randn(1, 2, generator=seeded(seed))
    resized = flow.resize(flow.from_affine(matrix, offset, small), large)
    torch.testing.assert_close(
        resized, flow.from_affine(matrix, offset, large), atol=1e-5, rtol=1e-5
    )


@given(st.integers(-3, 3), st.integers(-3, 3), SEEDS)
def test_an_integer_shift_is_a_slice(dx: int, dy: int, seed: int) -> None:
    height, width = 12, 9
    image = torch.rand(1, 3, height, width, generator=seeded(seed))
    shift = torch.tensor([2 * dx / (width - 1), 2 * dy / (height - 1)])
    moved = warp(image, (flow.identity(height, width) + shift[:, None, None])[None])
    rows = (torch.arange(height) + dy).clamp(0, height - 1)
    columns = (torch.arange(width) + dx).clamp(0, width - 1)
    torch.testing.assert_close(moved, image[..., rows[:, None], columns], atol=1e-5, rtol=0)


def slow_bilinear(image: Tensor, grid: Tensor) -> Tensor:
    """Sample one channel by the textbook formula, pixel by pixel."""
    height, width = image.shape
    out = torch.empty(grid.shape[1:])
    for v in range(grid.shape[1]):
        for u in range(grid.shape[2]):
            x = min(max((float(grid[0, v, u]) + 1) / 2 * (width - 1), 0), width - 1)
            y = min(max((float(grid[1, v, u]) + 1) / 2 * (height - 1), 0), height - 1)
            left, top = min(int(x), width - 2), min(int(y), height - 2)
            a, b = x - left, y - top
            out[v, u] = (
                (1 - a) * (1 - b) * image[top, left]
                + a * (1 - b) * image[top, left + 1]
                + (1 - a) * b * image[top + 1, left]
                + a * b * image[top + 1, left + 1]
            )
    return out


@given(SEEDS)
def test_warp_equals_the_formula(seed: int) -> None:
    image = torch.rand(1, 1, 5, 7, generator=seeded(seed))
    grid = 2.4 * torch.rand(1, 2, 4, 6, generator=seeded(seed)) - 1.2
    fast = warp(image, grid, size=(4, 6))
    torch.testing.assert_close(fast[0, 0], slow_bilinear(image[0, 0], grid[0]), atol=1e-5, rtol=0)


def test_warp_refuses_batches_of_different_length() -> None:
    with pytest.raises(ValueError, match="2 images but 1 flows"):
        warp(torch.rand(2, 3, 4, 4), flow.identity(4, 4)[None])


def test_warp_keeps_half_precision_and_bytes_out() -> None:
    image = torch.rand(1, 3, 4, 4).bfloat16()
    assert warp(image, flow.identity(4, 4)[None]).dtype == torch.bfloat16


@given(SIZES, SEEDS)
def test_pixels_and_normalised_points_are_inverse(size: tuple[int, int], seed: int) -> None:
    points = 4 * torch.randn(5, 2, generator=seeded(seed))
    back = flow.to_pixels(flow.to_normalised(points, size), size)
    torch.testing.assert_close(back, points, atol=1e-4, rtol=1e-4)


def test_edge_pixels_are_at_one() -> None:
    corners = flow.to_normalised(torch.tensor([[0.0, 0.0], [63.0, 127.0]]), (128, 64))
    torch.testing.assert_close(corners, torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))


def test_endpoint_error_is_in_pixels_of_the_source() -> None:
    still = flow.identity(8, 4)[None]
    moved = still + torch.tensor([2 * 3 / 63, 2 * 4 / 127])[None, :, None, None]
    error = flow.endpoint_error(moved, still, (128, 64))
    torch.testing.assert_close(error, torch.full((1, 8, 4), 5.0), atol=1e-4, rtol=0)


def test_fold_over_marks_a_fold_and_nothing_else() -> None:
    still = flow.identity(6, 5)[None].clone()
    assert not flow.fold_over(still).any()
    still[:, 0, :, 2], still[:, 0, :, 3] = still[:, 0, :, 3].clone(), still[:, 0, :, 2].clone()
    folded = flow.fold_over(still)
    assert folded[0, :, 2].all()
    assert not folded[0, :, 0].any()


def test_a_flow_of_one_column_is_finite() -> None:
    assert torch.equal(flow.identity(3, 1)[0], torch.zeros(3, 1))


@given(SIZES)
def test_sizes_are_read_as_they_are_written(size: tuple[int, int]) -> None:
    assert flow.size_from(f"{size[0]}x{size[1]}") == size
    assert flow.size_from(f"{size[0]}X{size[1]} ") is None
