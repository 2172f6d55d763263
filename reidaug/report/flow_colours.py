"""Flow in colours: the hue is the direction, the saturation the length."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.flow import Size, identity
from reidaug.report.figures import Picture

HIDDEN = (206, 208, 211)


def hue(degrees: Float[Tensor, "*b"]) -> Float[Tensor, "*b 3"]:
    """Convert hue angles (...) in degrees (0 red, 120 green, 240 blue) to RGB (..., 3), 0 to 1."""
    shifted = (degrees[..., None] / 60 + torch.tensor([0.0, 4.0, 2.0])) % 6
    return ((shifted - 3).abs() - 1).clamp(0, 1)


def displacement(flow: Float[Tensor, "2 h w"], size: Size) -> Float[Tensor, "2 h w"]:
    """Subtract the identity from a flow: displacements (x, y) in pixels of a source of a size."""
    unit = torch.tensor((size[1] - 1, size[0] - 1), dtype=flow.dtype) / 2
    return (flow - identity(*flow.shape[-2:]).to(flow.dtype)) * unit[:, None, None]


def flow_colours(
    flow: Float[Tensor, "2 h w"],
    size: Size,
    *,
    longest: float | None = None,
    visible: Bool[Tensor, "h w"] | None = None,
) -> Picture:
    """Draw a flow as a picture (3, h, w), of which `colour_wheel` is the legend.

    Args:
        flow: A flow in the convention of `reidaug.geometry.flow`.
        size: (height, width) of the source image.
        longest: Displacement in pixels of full saturation; by default the longest visible one.
            White is no displacement.
        visible: Cells to draw; the others are grey.
    """
    moved = displacement(flow, size)
    length = moved.norm(dim=0)
    shown = torch.ones_like(length, dtype=torch.bool) if visible is None else visible
    if longest is None:
        longest = float(length[shown].max()) if shown.any() else 1.0
    colour = _direction_colours(moved, (length / max(longest, 1e-6)).clamp(0, 1))
    return torch.where(shown, colour, torch.tensor(HIDDEN, dtype=torch.uint8)[:, None, None])


def colour_wheel(diameter: int) -> Picture:
    """Draw the legend of `flow_colours`, a disc (3, diameter, diameter) on white.

    Each point has the colour of the arrow that ends there; the rim is the longest displacement.
    """
    arrow = identity(diameter, diameter)
    length = arrow.norm(dim=0)
    disc = _direction_colours(arrow, length.clamp(0, 1))
    cover = ((1 - length) * diameter / 2 + 0.5).clamp(0, 1)  # a rim one pixel soft
    return (disc * cover + 255 * (1 - cover)).round().to(torch.uint8)


def _direction_colours(arrow: Float[Tensor, "2 h w"], fill: Float[Tensor, "h w"]) -> Picture:
    angle = torch.atan2(arrow[1], arrow[0]) * (180 / math.pi)
    full = hue(angle).movedim(-1, 0)
    return ((1 - fill * (1 - full)) * 255).round().to(torch.uint8)
