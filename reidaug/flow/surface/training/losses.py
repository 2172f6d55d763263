"""Losses of a surface training."""

from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from reidaug.flow.estimator import Origin
from reidaug.flow.surface.networks import Imagined, Seen
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
    # Refined flows of the first samples, and what they should be; see `ideal_flow`.
    flow: Float[Tensor, "r 2 h w"]
    ideal: Float[Tensor, "r 2 h w"]  # NaN where nothing is asked
    origin: UInt8[Tensor, "r h w"]  # of the ideal flow


def place_loss(found: Float[Tensor, "b 4 h w"], true: Float[Tensor, "b 4 h w"]) -> Tensor:
    """Mean distance in metres, axis by axis, over the cells whose place is known (not NaN)."""
    known = true.isfinite().all(1, keepdim=True)
    difference = (found - torch.where(known, true, found)).abs()
    return difference.sum() / known.sum().clamp_min(1)


def flow_loss(
    found: Float[Tensor, "r 2 h w"],
    ideal: Float[Tensor, "r 2 h w"],
    origin: UInt8[Tensor, "r h w"],
    size: Size,
) -> Tensor:
    """Mean distance in pixels of a size from the ideal flow; what is not seen counts `HIDDEN`."""
    known = ideal.isfinite().all(1)
    scale = torch.tensor([(size[1] - 1) / 2, (size[0] - 1) / 2])[:, None, None]
    difference = (found - torch.where(known[:, None], ideal, found)) * scale
    weight = known * torch.where(origin == Origin.SEEN, 1.0, HIDDEN)
    distance = (difference.square().sum(1) + 1e-2).sqrt()
    return (distance * weight).sum() / weight.sum().clamp_min(1)


def losses_of(prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
    """Compute the losses of a batch, unweighted."""
    seen, moved, imagined = prediction[:3]
    size = size_of(batch.image)
    visible = batch.seen.isfinite().all(1)
    difference = to_normalised(moved.xy, size) - to_normalised(batch.target_pose.xy, size)
    counts = batch.asked.visible & batch.retargeted[:, None]
    return {
        "seen": place_loss(seen.surface, batch.seen),
        "person": binary_cross_entropy_with_logits(seen.person, visible.float()),
        "joints": (difference.abs().sum(-1) * counts).sum() / counts.sum().clamp_min(1),
        "imagined": place_loss(imagined.surface, batch.surface),
        "flow": flow_loss(prediction.flow, prediction.ideal, prediction.origin, size),
        "outline": binary_cross_entropy_with_logits(imagined.outline, batch.outline.float()),
    }
