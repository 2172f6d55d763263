"""Scores of surface flow on rendered people it was not trained on: places, joints, outlines."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.flow.estimator import Origin
from reidaug.flow.surface.estimator import SurfaceFlow, finished, shown_in
from reidaug.flow.surface.training.losses import pixel_errors
from reidaug.flow.surface.training.samples import Batch, Samples, take
from reidaug.geometry.flow import Size, size_of
from reidaug.geometry.pose import Pose
from reidaug.geometry.silhouette import silhouette

AT_ONCE = 64


def score_samples(estimator: SurfaceFlow, samples: Samples, count: int) -> dict[str, Any]:
    """Score an estimator in evaluation mode, with the last kind of joints and masks.

    Args:
        estimator: The estimator.
        samples: Of people it was not trained on.
        count: Number of samples, evenly spaced.

    Returns:
        Means: ``seen_cm`` and ``imagined_cm``, errors of places in centimetres, on crops and in
        target poses; ``joints_px``, of retargeted joints; ``flow_px``, distance from the ideal flow
        in pixels over cells that the crop shows, and ``matched_px``, before it is refined;
        ``outline_iou`` with the true outline, where joints are retargeted, beside that of the
        outline before it is refined (``imagined_iou``) and of the limbs of the true joints
        (``limbs_iou``); ``area`` and ``width``, of the outline over the true one: the area, and the
        mean width of its rows (median).
    """
    total = len(samples.targets.source)
    numbers = torch.arange(min(count, total)) * total // min(count, total)
    parts: dict[str, list[Tensor]] = {}
    with torch.inference_mode():
        for some in numbers.split(AT_ONCE):
            for name, values in _score(estimator, samples, some).items():
                parts.setdefault(name, []).append(values)
    whole = {name: torch.cat(values).numpy() for name, values in parts.items()}
    medians = ("area", "width")
    return {
        "samples": len(numbers),
        **{
            name: round(float(np.median(v) if name in medians else v.mean()), 4)
            for name, v in whole.items()
        },
    }


def _score(estimator: SurfaceFlow, samples: Samples, some: Tensor) -> dict[str, Tensor]:
    kinds = len(samples.crops.poses) - 1, len(samples.crops.masks) - 1
    batch = take(samples, some, pose=kinds[0], mask=kinds[1])
    size = size_of(batch.image)
    seen = estimator.source(batch.image, batch.mask, batch.known, batch.pose)
    moved = estimator.retargeting(batch.pose, batch.asked, seen.code, size)
    asked = batch.retargeted
    given = Pose(torch.where(asked[:, None, None], moved.xy, batch.asked.xy), batch.asked.visible)
    imagined = estimator.target(given, seen.code, size)
    shown = shown_in(seen, batch.mask > 0.5, batch.known, batch.pose, size)
    matched, refined = estimator.join(shown, seen, imagined, batch.pose, given, size)
    refined = finished(refined)
    found, true = refined.outline > 0, batch.outline
    counts = batch.asked.visible & asked[:, None]
    limbs = silhouette(Pose(batch.target_pose.xy, batch.asked.visible), size)
    return {
        "seen_cm": place_errors(seen.surface, batch.seen),
        "imagined_cm": place_errors(imagined.surface, batch.surface),
        "joints_px": (moved.xy - batch.target_pose.xy).norm(dim=-1)[counts],
        "flow_px": flow_errors(refined.flow, batch, size),
        "matched_px": flow_errors(matched.flow, batch, size),
        "outline_iou": iou(found, true)[asked],
        "imagined_iou": iou(imagined.outline > 0, true)[asked],
        "limbs_iou": iou(limbs, true)[asked],
        "area": (found.sum((1, 2)) / true.sum((1, 2)).clamp_min(1))[asked],
        "width": (mean_width(found) / mean_width(true).clamp_min(1e-6))[asked],
    }


def place_errors(
    found: Float[Tensor, "b 4 h w"], true: Float[Tensor, "b 4 h w"]
) -> Float[Tensor, "n"]:
    """Measure the distance in centimetres of the N places that are known (not NaN)."""
    known = true.isfinite().all(1)
    return 100 * (found - true)[:, :3].norm(dim=1)[known]


def flow_errors(flow: Float[Tensor, "b 2 h w"], batch: Batch, size: Size) -> Float[Tensor, "n"]:
    """Measure the distance in pixels of a size from the ideal flow where the crop shows the place.

    N cells of all samples.
    """
    error, known = pixel_errors(flow, batch.ideal, size)
    return error.norm(dim=1)[known & (batch.origin == Origin.SEEN)]


def iou(one: Bool[Tensor, "b H W"], other: Bool[Tensor, "b H W"]) -> Float[Tensor, "b"]:
    """Compute the intersection of masks over their union; 1 where both are empty."""
    both, any_ = (one & other).sum((1, 2)), (one | other).sum((1, 2))
    return torch.where(any_ > 0, both / any_.clamp_min(1), torch.ones_like(both, dtype=torch.float))


def mean_width(mask: Bool[Tensor, "b H W"]) -> Float[Tensor, "b"]:
    """Average the number of pixels in the rows of masks that are not empty."""
    rows = mask.sum(2)
    return rows.sum(1) / (rows > 0).sum(1).clamp_min(1)
