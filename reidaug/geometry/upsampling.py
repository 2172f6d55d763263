"""Flow upsampling that keeps motion boundaries sharp."""

from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reidaug.geometry.flow import Size, resize

JUMP = 3.0  # distance, in cells of the flow's grid, that makes a motion boundary


def upsample_flow(
    flow: Float[Tensor, "b 2 h w"],
    size: Size,
    *,
    where: Bool[Tensor, "b H W"] | None = None,
    jump: float = JUMP,
) -> Float[Tensor, "b 2 H W"]:
    """Upsample a flow without mixing points that are far apart in the source.

    A pixel is between four cells. Bilinear interpolation samples the mean of their four source
    points, which between a near leg and a far one is on neither. Here the cells whose points are
    further than ``jump`` from the nearest cell's are left out, and the others share their weight.

    On 320 rendered pairs (the demo's flow, 32 x 16 cells to 128 x 64, `benchmarks/warp_quality.py`)
    ST-LPIPS falls from 0.1222 to 0.1193, SSIM rises from 0.7403 to 0.7422, and the colour error
    falls from 23.35 to 23.28 of 255. Tried, without figures kept: a limit of 1.5 cells is worse
    than bilinear; a Gaussian instead of a limit is as good and costs more; interpolation within
    the outline or within one limb does not improve these scores.

    Args:
        flow: Flow (B, 2, h, w), see `reidaug.geometry.flow`.
        size: (height, width) of the result.
        where: Pixels (B, *size) that matter; the others are interpolated bilinearly. None: all.
        jump: Greatest distance in cells: steps between neighbours of the identity flow.

    Returns:
        Flow (B, 2, *size); equal to `reidaug.geometry.flow.resize` where no cells are that far
        apart, and where the flow is not enlarged along both axes.
    """
    height, width = flow.shape[-2:]
    smooth = resize(flow, size)
    if min(height, width) < 2 or size[0] <= height or size[1] <= width:
        return smooth
    weights, nearest_corner, corners = _interpolation((height, width), size, flow.device)
    step = torch.tensor([2 / (width - 1), 2 / (height - 1)], device=flow.device)
    split = _boundaries(flow / step[:, None, None], jump)[:, *corners[0]]
    batch, row, column = (split if where is None else split & where).nonzero(as_tuple=True)
    if not len(batch):
        return smooth
    cells = flow.movedim(1, -1).flatten(0, 2)
    first = batch * (height * width)
    points = torch.stack(
        [cells.index_select(0, first + (y * width + x)[row, column]) for y, x in corners]
    )
    share = weights[:, row, column]
    nearest = points[nearest_corner[row, column], torch.arange(len(batch), device=flow.device)]
    near = ((points - nearest) / step).square().sum(-1) <= jump**2
    share = (share * near)[..., None]
    kept = (points * share).sum(0) / share.sum(0)
    smooth = smooth.clone()
    smooth[batch, :, row, column] = kept.to(smooth.dtype)
    return smooth


def _boundaries(cells: Float[Tensor, "b 2 h w"], jump: float) -> Tensor:
    """Mark the squares of four cells (B, h-1, w-1) of which two are further apart than ``jump``."""
    four = (cells[..., :-1, :-1], cells[..., :-1, 1:], cells[..., 1:, :-1], cells[..., 1:, 1:])
    distances = [
        (one - other).square().sum(1) for k, one in enumerate(four) for other in four[k + 1 :]
    ]
    return torch.stack(distances).amax(0) > jump**2


@lru_cache(maxsize=8)
def _interpolation(
    cells: Size, size: Size, device: torch.device
) -> tuple[Float[Tensor, "4 H W"], Int[Tensor, "H W"], list[tuple[Tensor, Tensor]]]:
    """Return the weights of the four cells around each pixel, the nearest one, and their indices.

    They are top left, top right, bottom left, bottom right; an index is (row, column), each (H, W).
    """
    positions = []
    for count, length in zip(cells, size, strict=True):
        at = torch.linspace(0, count - 1, length, device=device)
        first = at.floor().long().clamp(max=count - 2)
        positions.append((first, at - first))
    (top, down), (left, right) = positions
    weights, corners = [], []
    for below in (0, 1):
        for beside in (0, 1):
            part = (down if below else 1 - down)[:, None] * (right if beside else 1 - right)
            weights.append(part)
            rows = (top + below)[:, None].expand(*size)
            corners.append((rows, (left + beside).expand(*size)))
    nearest = 2 * (down > 0.5).long()[:, None] + (right > 0.5).long()
    return torch.stack(weights), nearest, corners
