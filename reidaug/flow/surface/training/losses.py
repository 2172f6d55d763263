"""Losses of a surface training."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from reidaug.flow.surface.networks import Imagined, Seen
from reidaug.flow.surface.training.samples import Batch
from reidaug.geometry.flow import size_of, to_normalised
from reidaug.geometry.pose import Pose


class Prediction(NamedTuple):
    """What the networks make of a batch."""

    seen: Seen
    moved: Pose  # joints (B, 18, 2) that the retargeting finds for all samples
    imagined: Imagined


def place_loss(found: Float[Tensor, "b 4 h w"], true: Float[Tensor, "b 4 h w"]) -> Tensor:
    """Mean distance in metres, axis by axis, over the cells whose place is known (not NaN)."""
    known = true.isfinite().all(1, keepdim=True)
    difference = (found - torch.where(known, true, found)).abs()
    return difference.sum() / known.sum().clamp_min(1)


def losses_of(prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
    """Compute the losses of a batch, unweighted."""
    seen, moved, imagined = prediction
    size = size_of(batch.image)
    visible = batch.seen.isfinite().all(1)
    difference = to_normalised(moved.xy, size) - to_normalised(batch.target_pose.xy, size)
    counts = batch.asked.visible & batch.retargeted[:, None]
    return {
        "seen": place_loss(seen.surface, batch.seen),
        "person": binary_cross_entropy_with_logits(seen.person, visible.float()),
        "joints": (difference.abs().sum(-1) * counts).sum() / counts.sum().clamp_min(1),
        "imagined": place_loss(imagined.surface, batch.surface),
        "outline": binary_cross_entropy_with_logits(imagined.outline, batch.outline.float()),
    }

