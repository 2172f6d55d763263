"""Flow fields: the source position of each target cell.

Convention of the whole package: a flow is a backward map, absolute and normalised.
``flow[b, :, v, u]`` is the point (x, y) of the *source* that target cell (row v, column u) samples;
-1 and +1 are the centres of the edge pixels (``align_corners=True``). A flow can be resized
bilinearly without a change of unit, and resizing an affine flow is exact.
"""

import re

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

# (height, width) in pixels or cells, always in this order.
Size = tuple[int, int]


def size_from(text: str) -> Size | None:
    """Read (height, width) from a text like ``128x64``; None where it has another form."""
    found = re.fullmatch(r"([0-9]{1,9})[xX]([0-9]{1,9})", text)
    return (int(found[1]), int(found[2])) if found else None


def size_of(image: Tensor) -> Size:
    """Return (height, width) of images, maps or flows (..., h, w)."""
    return (image.shape[-2], image.shape[-1])


def identity(
    height: int, width: int, *, device: torch.device | None = None
) -> Float[Tensor, "2 height width"]:
    """Build the identity flow (2, height, width); 0 along an axis of one cell."""
    y, x = (
        torch.linspace(-1, 1, n, device=device) if n > 1 else torch.zeros(1, device=device)
        for n in (height, width)
    )
    return torch.stack((x.expand(height, width), y[:, None].expand(height, width)))


def from_affine(
    matrix: Float[Tensor, "*b 2 2"], offset: Float[Tensor, "*b 2"], size: Size
) -> Float[Tensor, "*b 2 h w"]:
    """Build the flows (..., 2, *size) that sample target point q at ``matrix @ q + offset``.

    ``matrix`` (..., 2, 2) and ``offset`` (..., 2) act on normalised (x, y).
    """
    grid = identity(*size, device=matrix.device).to(matrix.dtype).flatten(1)
    points = matrix @ grid + offset[..., None]
    return points.unflatten(-1, size)


def resize(flow: Float[Tensor, "b 2 h w"], size: Size) -> Float[Tensor, "b 2 H W"]:
    """Resample a flow to a size bilinearly, exactly where it is affine; units do not change."""
    if tuple(flow.shape[-2:]) == tuple(size):
        return flow
    return interpolate(flow, size=tuple(size), mode="bilinear", align_corners=True)


def to_pixels(points: Float[Tensor, "*b 2"], size: Size) -> Float[Tensor, "*b 2"]:
    """Convert normalised points (..., 2), x then y, to pixels; (0, 0) is the first one's centre."""
    return (points + 1) / 2 * _last_index(size, points)


def to_normalised(points: Float[Tensor, "*b 2"], size: Size) -> Float[Tensor, "*b 2"]:
    """Convert pixels (..., 2) to normalised points, inversely to `to_pixels`; sides at least 2."""
    return points / _last_index(size, points) * 2 - 1


def endpoint_error(
    flow: Float[Tensor, "b 2 h w"], true_flow: Float[Tensor, "b 2 h w"], size: Size
) -> Float[Tensor, "b h w"]:
    """Measure the distance (B, h, w) between a flow and the exact one, in pixels of the source.

    ``size`` is the source image's (height, width).
    """
    difference = (flow - true_flow).movedim(-3, -1)
    return (difference / 2 * _last_index(size, difference)).norm(dim=-1)


def fold_over(flow: Float[Tensor, "b 2 h w"]) -> Bool[Tensor, "b h-1 w-1"]:
    """Mark the cells (B, h-1, w-1) where the Jacobian determinant is not positive.

    A mirrored warp (a front-to-back turn) is negative everywhere: compare with the majority sign.
    """
    right = flow[..., :-1, 1:] - flow[..., :-1, :-1]
    down = flow[..., 1:, :-1] - flow[..., :-1, :-1]
    return right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0] <= 0


def _last_index(size: Size, like: Tensor) -> Tensor:
    height, width = size
    return torch.tensor((width - 1, height - 1), dtype=like.dtype, device=like.device)
