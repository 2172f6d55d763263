"""How good a warp can be, told from its flow alone."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from reidaug.geometry.flow import fold_over, identity
from reidaug.geometry.warp import warp


class WarpQuality(NamedTuple):
    """Numbers of B warps, all over the pixels of the target's outline.

    What they are worth: among the warps of one rendered person, ``quality`` and the colour error
    to the true view have a rank correlation of -0.44, for torso-affine and for joint-blend.

    Attributes:
        foreground: Share (B,) in [0, 1] that samples the source's person, not what is behind.
        inside: Share (B,) in [0, 1] that samples a point inside the source image.
        folded: Share (B,) in [0, 1] turned inside out against the rest, or squeezed to nothing.
        mirrored: Whether (B,) most of the picture is mirrored, as between front and back views.
        quality: Their product foreground * inside * (1 - folded), (B,) in [0, 1].
    """

    foreground: Float[Tensor, "b"]
    inside: Float[Tensor, "b"]
    folded: Float[Tensor, "b"]
    mirrored: Bool[Tensor, "b"]
    quality: Float[Tensor, "b"]


def outline_weights(
    outline: Bool[Tensor, "b H W"], cells: tuple[int, int]
) -> Float[Tensor, "b h w"]:
    """Tell how much of each cell of a flow's grid belongs to the outline.

    Args:
        outline: Outlines (B, H, W).
        cells: (height, width) of the flow.

    Returns:
        Weights (B, h, w) in [0, 1].
    """
    grid = identity(*cells)[None].expand(len(outline), -1, -1, -1)
    return warp(outline[:, None].float(), grid, size=cells)[:, 0]


def measure(
    flow: Float[Tensor, "b 2 h w"],
    cells: Float[Tensor, "b h w"],
    outline: Bool[Tensor, "b H W"],
    sampled: Float[Tensor, "b H W"],
) -> WarpQuality:
    """Judge warps.

    Args:
        flow: Flow (B, 2, h, w).
        cells: Weight of each cell of the flow in the target's outline, see `outline_weights`.
        outline: The target's outline (B, H, W).
        sampled: The source's person mask, warped by the flow (B, H, W), in [0, 1].

    Returns:
        The numbers; of an empty outline every share is 0.
    """
    foreground = _share(sampled, outline.float())
    # A pixel reaches half a pixel beyond its centre.
    edge = torch.tensor([1 + 1 / (outline.shape[2] - 1), 1 + 1 / (outline.shape[1] - 1)])
    inside = _share((flow.abs() <= edge[:, None, None]).all(1).float(), cells)
    # A cell lies between four points of the grid.
    between = avg_pool2d(cells[:, None], 2, stride=1)[:, 0]
    mirror = torch.tensor([-1.0, 1.0])[:, None, None]
    turned = _share(fold_over(flow).float(), between)
    straight = _share(fold_over(flow * mirror).float(), between)
    folded = torch.minimum(turned, straight)
    return WarpQuality(
        foreground, inside, folded, turned > straight, foreground * inside * (1 - folded)
    )


def _share(values: Float[Tensor, "b h w"], weights: Float[Tensor, "b h w"]) -> Float[Tensor, "b"]:
    total = weights.sum((1, 2))
    return (values * weights).sum((1, 2)) / total.clamp_min(1e-6)
