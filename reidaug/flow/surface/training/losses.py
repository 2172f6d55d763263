"""Losses of a surface training."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from reidaug.flow.estimator import Origin
from reidaug.flow.surface.networks import Imagined, Refined, Seen
from reidaug.flow.surface.training.samples import Batch
from reidaug.geometry.flow import Size, size_of, to_normalised
from reidaug.geometry.pose import Pose

HIDDEN = 0.3
"""Weight of a cell whose place the crop does not show."""


class Prediction(NamedTuple):
    """What the networks make of a batch."""

    seen: Seen
    moved: Pose  # joints (B, 18, 2) that the retargeting finds for all samples
    imagined: Imagined
    matched: Float[Tensor, "b 2 h w"]  # flow before it is refined
    refined: Refined


def place_loss(found: Float[Tensor, "b 4 h w"], true: Float[Tensor, "b 4 h w"]) -> Tensor:
    """Mean distance in metres, axis by axis, over the cells whose place is known (not NaN)."""
    known = true.isfinite().all(1, keepdim=True)
    difference = (found - torch.where(known, true, found)).abs()
    return difference.sum() / known.sum().clamp_min(1)


def pixel_errors(
    found: Float[Tensor, "b 2 h w"], ideal: Float[Tensor, "b 2 h w"], size: Size
) -> tuple[Float[Tensor, "b 2 h w"], Bool[Tensor, "b h w"]]:
    """Subtract ideal flows, in pixels of a size; with where they are known, 0 elsewhere."""
    known = ideal.isfinite().all(1)
    scale = torch.tensor([(size[1] - 1) / 2, (size[0] - 1) / 2])[:, None, None]
    return (found - torch.where(known[:, None], ideal, found)) * scale, known


def flow_loss(
    found: Float[Tensor, "r 2 h w"],
    ideal: Float[Tensor, "r 2 h w"],
    origin: UInt8[Tensor, "r h w"],
    size: Size,
) -> Tensor:
    """Mean distance in pixels of a size from the ideal flow; what is not seen counts `HIDDEN`."""
    error, known = pixel_errors(found, ideal, size)
    weight = known * torch.where(origin == Origin.SEEN, 1.0, HIDDEN)
    distance = (error.square().sum(1) + 1e-2).sqrt()
    return (distance * weight).sum() / weight.sum().clamp_min(1)


def distortion_loss(
    found: Float[Tensor, "r 2 h w"],
    ideal: Float[Tensor, "r 2 h w"],
    origin: UInt8[Tensor, "r h w"],
    size: Size,
) -> Tensor:
    """Mean difference in pixels of the errors of neighbouring cells that the crop shows.

    What moves patterns as a whole costs nothing here, what distorts them does.
    """
    error, known = pixel_errors(found, ideal, size)
    known = (known & (origin == Origin.SEEN))[:, None]
    total, count = torch.zeros(()), torch.zeros(())
    for axis in (-2, -1):
        both = known.narrow(axis, 1, known.shape[axis] - 1) & known.narrow(
            axis, 0, known.shape[axis] - 1
        )
        change = (error.diff(dim=axis).square().sum(1, keepdim=True) + 1e-3).sqrt()
        total, count = total + (change * both).sum(), count + both.sum()
    return total / count.clamp_min(1)


def losses_of(prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
    """Compute the losses of a batch, unweighted."""
    seen, moved, imagined, matched, refined = prediction
    size, ideal = size_of(batch.image), (batch.ideal, batch.origin)
    outline = batch.outline.float()
    visible = batch.seen.isfinite().all(1)
    difference = to_normalised(moved.xy, size) - to_normalised(batch.target_pose.xy, size)
    counts = batch.asked.visible & batch.retargeted[:, None]
    return {
        "seen": place_loss(seen.surface, batch.seen),
        "person": binary_cross_entropy_with_logits(seen.person, visible.float()),
        "joints": (difference.abs().sum(-1) * counts).sum() / counts.sum().clamp_min(1),
        "imagined": place_loss(imagined.surface, batch.surface),
        "imagined_outline": binary_cross_entropy_with_logits(imagined.outline, outline),
        "matched": flow_loss(matched, *ideal, size),
        "flow": flow_loss(refined.flow, *ideal, size),
        "distortion": distortion_loss(refined.flow, *ideal, size),
        "outline": binary_cross_entropy_with_logits(refined.outline, outline),
    }
