"""Local stretch, compression and reversal of a flow."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.flow import Size, to_pixels


class Strain(NamedTuple):
    """Singular values and sign of a flow's Jacobian, between four points of its grid."""

    # Source pixels per target pixel (B, h-1, w-1) along the most compressed direction; 1 keeps the
    # scale, 2 shrinks to half.
    largest: Float[Tensor, "b h-1 w-1"]
    # The same along the most stretched direction; 0 where a point becomes a line.
    smallest: Float[Tensor, "b h-1 w-1"]
    reversed: Bool[Tensor, "b h-1 w-1"]  # (B, h-1, w-1), True where the orientation is reversed


def strain(flow: Float[Tensor, "b 2 h w"], size: Size) -> Strain:
    """Decompose the Jacobian of a flow (B, 2, h, w), by differences to the right and downwards.

    ``size`` is (height, width) in pixels of source and warp; see `reidaug.geometry.flow`.
    """
    pixels = to_pixels(flow.movedim(1, -1), size)
    # One step of the flow's grid in pixels of the warp.
    down, across = ((n - 1) / (m - 1) for n, m in zip(size, flow.shape[-2:], strict=True))
    a, b = ((pixels[:, :-1, 1:] - pixels[:, :-1, :-1]) / across).unbind(-1)
    c, d = ((pixels[:, 1:, :-1] - pixels[:, :-1, :-1]) / down).unbind(-1)
    # The two roots of s^4 - (|J|^2) s^2 + det^2 are the squares of the singular values.
    total = a * a + b * b + c * c + d * d
    area = a * d - b * c
    root = (total * total - 4 * area * area).clamp_min(0).sqrt()
    largest = ((total + root) / 2).sqrt()
    return Strain(largest, area.abs() / largest.clamp_min(1e-6), area < 0)


def log_stretch(values: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Compute the natural logarithm of singular values, at least that of 0.01."""
    return torch.log(values.clamp_min(0.01))
