"""Averaging at test time: the feature of a crop moves towards those of further views of it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from reidaug.errors import ReidaugError
from reidaug.reid.evaluation.ranking import unit


def average_features(
    features: Float[Tensor, "n d"],
    extra: Float[Tensor, "m d"],
    crop: Int[Tensor, "_"],
    *,
    weight: float,
    quality: Float[Tensor, "_"] | None = None,
) -> Float[Tensor, "n d"]:
    """Add to each crop's feature the mean feature of its views, such as its warps.

    All features count at unit length. A crop without views, or whose views all have a quality of
    0, keeps its direction. ``numpy`` arrays go in by `torch.from_numpy`.

    Args:
        features: Of N crops, as the network gives them.
        extra: Of M views of these crops, by the same network.
        crop: Which crop each view is of: numbers below N, in any order.
        weight: Of the mean of a crop's views, beside 1 for the crop itself; 0 changes no ranking.
        quality: Weights of the views in that mean, at least 0; None: all alike.

    Returns:
        Features of unit length, for query or gallery or both.

    Raises:
        ValueError: Lengths or numbers do not fit, or a weight is negative.
        ReidaugError: A feature or quality is not finite.
    """
    quality = torch.ones(len(extra)) if quality is None else quality
    if not len(extra) == len(crop) == len(quality):
        lengths = f"{len(extra)}, {len(crop)} and {len(quality)}"
        raise ValueError(f"as many views, crops and qualities are needed, not {lengths}")
    if len(crop) and not 0 <= int(crop.min()) <= int(crop.max()) < len(features):
        raise ValueError(f"crop: numbers from 0 to {len(features) - 1} are needed")
    for name, values in (("features", features), ("extra", extra), ("quality", quality)):
        if not values.isfinite().all():
            raise ReidaugError(f"{name}: a value is not finite")
    if weight < 0 or (quality < 0).any():
        raise ValueError("weights and qualities are at least 0")
    own = unit(features.double(), "crop")
    share = quality.double()
    total = torch.zeros(len(own), dtype=share.dtype).index_add(0, crop.long(), share)
    views = unit(extra.double(), "warp") * share[:, None]
    mean = torch.zeros_like(own).index_add(0, crop.long(), views)
    mean = mean / torch.where(total > 0, total, 1.0)[:, None]
    return normalize(own + weight * mean, dim=1).to(features.dtype)
