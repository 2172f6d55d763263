"""Quality of warps without the true view: from flow, masks and poses."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d

from reidaug.flow.estimator import Origin
from reidaug.geometry.flow import Size, identity
from reidaug.geometry.pck import match_joints
from reidaug.geometry.pose import Pose, stack
from reidaug.geometry.strain import log_stretch, strain
from reidaug.geometry.warp import warp

SQUEEZED = 0.02  # of a pixel's area: a cell below counts as folded
PCK_RADIUS = 0.1  # of the height: a joint found within is correct


POOR = 0.35
"""Warps below it, of flows that tell what they invent, keep little of the person: docs/quality.md.
"""
WORTH = (1.0, 0.8, 0.5, 0.0)
"""Worth of a cell by its `Origin`."""


class WarpQuality(NamedTuple):
    """Numbers of B warps, all over the pixels of the target's outline."""

    foreground: Float[Tensor, "b"]  # (B,) in [0, 1]: share that samples the source's person
    inside: Float[Tensor, "b"]  # (B,) in [0, 1]: share that samples a point inside the source image
    folded: Float[Tensor, "b"]  # (B,) in [0, 1]: share turned against the rest or squeezed flat
    # (B,) in [0, 1]: share that the source shows (person, inside the image, not folded),
    # times how far source and target face the same way
    seen: Float[Tensor, "b"]
    # (B,): median stretch or squeeze, whichever is more, as the logarithm of a factor:
    # 0 is none, 0.7 is twice
    stretch: Float[Tensor, "b"]
    stretch_95: Float[Tensor, "b"]  # (B,): the 95 % quantile of the same
    mirrored: Bool[Tensor, "b"]  # (B,): whether most is mirrored, as between front and back
    quality: Float[Tensor, "b"]  # (B,) in [0, 1], see `measure_quality`
    # Shares (B,) in [0, 1] by where their texture comes from, see `reidaug.flow.estimator.Origin`:
    # the same place on the other side, the other side of the body, none of these. NaN
    # where the flow does not tell.
    other_side: Float[Tensor, "b"]
    other_face: Float[Tensor, "b"]
    invented: Float[Tensor, "b"]


def outline_weights(
    outline: Bool[Tensor, "b H W"], cells: tuple[int, int]
) -> Float[Tensor, "b h w"]:
    """Measure how much of each cell of a flow's grid belongs to outlines, in [0, 1]."""
    grid = identity(*cells, device=outline.device).expand(len(outline), -1, -1, -1)
    return warp(outline[:, None].float(), grid, size=cells)[:, 0]


def measure_quality(
    flow: Float[Tensor, "b 2 h w"],
    outline: Bool[Tensor, "b H W"],
    mask: Bool[Tensor, "H W"],
    agreement: Float[Tensor, "b"],
    joints: Float[Tensor, "b"],
    origin: UInt8[Tensor, "b h w"] | None = None,
) -> WarpQuality:
    """Measure the quality of the warps of one source.

    ``quality = seen * sqrt(joints) * exp(-stretch / 2)``. Where the flow tells the origin of each
    cell, ``seen`` counts it by `WORTH` and the views of source and target do not count.
    Among the warps of one rendered person its rank correlation with the true colour error and the
    true ST-LPIPS over the outline is given in docs/quality.md; benchmarks/warp_quality.py measures
    it. Shares of an empty outline are 0.

    Args:
        flow: Flow (B, 2, h, w).
        outline: The target's outline (B, H, W).
        mask: The source's person (H, W).
        agreement: See `reidaug.augment.viewpoint.view_agreement` (B,).
        joints: Share (B,) of the target's joints that the source shows, in [0, 1].
        origin: Where the texture of each cell comes from, if the flow tells.
    """
    size = (outline.shape[1], outline.shape[2])
    cells = outline_weights(outline, (flow.shape[2], flow.shape[3]))
    person, inside = sampled_places(flow, mask)
    # Scale and folds are known between four points of the grid.
    between = avg_pool2d(cells[:, None], 2, stride=1)[:, 0]
    strained = strain(flow, size)
    flat = strained.largest * strained.smallest <= SQUEEZED
    turned = _share((strained.reversed | flat).float(), between)
    straight = _share((~strained.reversed | flat).float(), between)
    mirrored = turned > straight
    good = (strained.reversed == mirrored[:, None, None]) & ~flat
    # On a coarse grid a cell at the edge is but partly of either person.
    shown = avg_pool2d(torch.minimum(person * inside, cells)[:, None], 2, stride=1)[:, 0]
    whole = between.sum((1, 2)).clamp_min(1e-6)
    shares = torch.full((len(Origin), len(flow)), torch.nan)
    if origin is not None:
        shares = torch.stack([_share((origin == kind).float(), cells) for kind in Origin])
        worth = torch.tensor(WORTH)[origin.long()]
        shown = shown * avg_pool2d(worth[:, None], 2, stride=1)[:, 0]
        agreement = torch.ones_like(agreement)
    seen = (shown * good).sum((1, 2)) / whole * agreement
    most = torch.maximum(log_stretch(strained.largest).abs(), log_stretch(strained.smallest).abs())
    median, high = _quantiles(most, between, (0.5, 0.95))
    return WarpQuality(
        foreground=_share(person, cells),
        inside=_share(inside, cells),
        folded=torch.minimum(turned, straight),
        seen=seen,
        stretch=median,
        stretch_95=high,
        mirrored=mirrored,
        quality=seen * joints.sqrt() * torch.exp(-median / 2),
        other_side=shares[Origin.MIRRORED],
        other_face=shares[Origin.OPPOSITE],
        invented=shares[Origin.INVENTED],
    )


def sampled_places(
    flow: Float[Tensor, "b 2 h w"], mask: Bool[Tensor, "H W"]
) -> tuple[Float[Tensor, "b h w"], Float[Tensor, "b h w"]]:
    """Find what the cells of flows sample: how far the person, and whether the image at all.

    Args:
        flow: Flow (B, 2, h, w).
        mask: The source's person (H, W).

    Returns:
        Two tables (B, h, w) in [0, 1].
    """
    grid, (height, width) = (flow.shape[2], flow.shape[3]), mask.shape
    # A pixel reaches half a pixel beyond its centre.
    edge = torch.tensor([1 + 1 / (width - 1), 1 + 1 / (height - 1)], device=flow.device)
    inside = (flow.abs() <= edge[:, None, None]).all(1).float()
    person = warp(mask[None, None].float().expand(len(flow), -1, -1, -1), flow, size=grid)[:, 0]
    return person, inside


def pck(found: Pose, target: Pose, size: Size) -> float:
    """PCK of the 18 joints found in a warp against its target, at `PCK_RADIUS` of the height.

    Joints are in pixels of the warp, of (height, width). The share, 0 to 1, of the joints visible
    in both that are within the radius; 0 without any.
    """
    matches = match_joints(stack([found]), stack([target]), PCK_RADIUS * size[0])
    both = int(matches.detected.sum())
    return int(matches.correct.sum()) / both if both else 0.0


def _share(values: Float[Tensor, "b h w"], weights: Float[Tensor, "b h w"]) -> Float[Tensor, "b"]:
    total = weights.sum((1, 2))
    return (values * weights).sum((1, 2)) / total.clamp_min(1e-6)


def _quantiles(
    values: Float[Tensor, "b h w"], weights: Float[Tensor, "b h w"], shares: tuple[float, ...]
) -> list[Float[Tensor, "b"]]:
    """Take weighted quantiles: the least value that has at least this share at or below it."""
    ordered, order = values.flatten(1).sort(dim=1)
    below = weights.flatten(1).gather(1, order).cumsum(1)
    found = []
    for share in shares:
        index = (below < share * below[:, -1:]).sum(1, keepdim=True)
        found.append(ordered.gather(1, index.clamp(max=ordered.shape[1] - 1))[:, 0])
    return found
