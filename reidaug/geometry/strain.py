"""How much a flow stretches, squeezes and turns over the picture, from point to point."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.flow import Size, to_pixels


class Strain(NamedTuple):
    """The singular values and the sign of a flow's Jacobian, between four points of its grid.

    Attributes:
        largest: (B, h-1, w-1) source pixels a target pixel, along the direction most squeezed in
            the warp; 1 where the picture keeps its scale, 2 where it shrinks to half.
        smallest: (B, h-1, w-1) the same along the direction most drawn out; 0 where a point
            becomes a line.
        reversed: (B, h-1, w-1), True where the picture is turned over.
    """

    largest: Float[Tensor, "b h-1 w-1"]
    smallest: Float[Tensor, "b h-1 w-1"]
    reversed: Bool[Tensor, "b h-1 w-1"]


def strain(flow: Float[Tensor, "b 2 h w"], size: Size) -> Strain:
    """Take a flow's local scale apart, by differences to the right and downwards.

    Args:
        flow: Flow (B, 2, h, w), see `reidaug.geometry.flow`.
        size: (height, width) of the source, in whose pixels scale is measured; the warp is taken
            to have the same size.

    Returns:
        Singular values and sign, each (B, h-1, w-1).
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
    """Give the logarithm of singular values, no lower than that of a hundredth.

    Args:
        values: Singular values, any shape.

    Returns:
        Natural logarithms, the same shape.
    """
    return torch.log(values.clamp_min(0.01))
