"""Retrieval features of person crops."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from reidaug.data.market1501 import Person
from reidaug.geometry.flow import Size
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.crops import Crops, normalise
from reidaug.reid.evaluation.metrics import Identities
from reidaug.reid.evaluation.ranking import Metric, check_finite, unit


class RetrievalFeatures(NamedTuple):
    """Features and identities of a query and a gallery set."""

    query_features: Float[Tensor, "q d"]  # features (Q, D), see `embed`
    query: Identities  # of the queries
    gallery_features: Float[Tensor, "g d"]  # features (G, D)
    gallery: Identities  # of the gallery


def extract_features(
    model: ReIDModel,
    query: Sequence[Person],
    gallery: Sequence[Person],
    *,
    size: Size,
    cache_mb: int = 0,
    **embedding: Any,
) -> RetrievalFeatures:
    """Extract the features of a query and a gallery set, with the keywords of `embed`.

    Args:
        model: Put into eval mode.
        query: Query crops.
        gallery: Gallery crops; the same object as `query` where every crop is searched among all.
        size: (height, width) of the model's input.
        cache_mb: Bound on the crops kept in memory.
        embedding: Keywords of `embed`.
    """
    features = []
    for people in (query,) if query is gallery else (query, gallery):
        crops = Crops([person.path for person in people], size=size, cache_mb=cache_mb)
        features.append(embed(model, crops, **embedding))
    return RetrievalFeatures(
        features[0], Identities.of(query), features[-1], Identities.of(gallery)
    )


def embed(
    model: ReIDModel,
    crops: Crops,
    *,
    batch: int = 128,
    fine_weight: float = 0.5,
    mirror: bool = True,
    metric: Metric = "cosine",
    bfloat16: bool = False,
    device: torch.device | None = None,
) -> Float[Tensor, "n d"]:
    """Features (N, D) of crops on the CPU, whose cosine is the weighted mean of the heads' cosines.

    Or whose squared Euclidean distance is the weighted sum of the heads'. Those of reported scores
    are computed in float32. `ReidaugError` for features that are not finite.

    Args:
        model: Put into eval mode.
        crops: N crops.
        batch: Crops a forward pass.
        fine_weight: Weight of the cosine, or squared distance, of every head after the first.
        mirror: Whether to add the features of the mirror image.
        metric: What the features are compared by. For ``euclidean`` their lengths stay, and the
            mirror image's are averaged with the image's.
        bfloat16: Whether the network computes in bfloat16.
        device: Device of the model; the CPU by default.

    Source:
        DG-Net: every head's feature at unit length, the mirror image's added, at unit length
        again; the second head's cosine counts half.
    """
    model.eval()
    features = []
    with torch.no_grad(), _no_tf32():
        for start in range(0, len(crops), batch):
            indices = range(start, min(start + batch, len(crops)))
            images = normalise(crops.batch(indices).to(device))
            with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bfloat16):
                views = [model(images).heads]
                if mirror:
                    views.append(model(images.flip(-1)).heads)
            heads = [_joined(view, metric) for view in zip(*views, strict=True)]
            weighted = [heads[0], *(fine_weight**0.5 * head for head in heads[1:])]
            features.append(torch.cat(weighted, dim=1).cpu())
    return torch.cat(features)


def _no_tf32() -> AbstractContextManager[None]:
    """Convolutions of float32 on a GPU without TF32, whose 10 bits cuDNN takes by default."""
    cudnn = torch.backends.cudnn
    return cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=cudnn.benchmark,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    )


def _joined(views: Sequence[Float[Tensor, "b d"]], metric: Metric) -> Float[Tensor, "b d"]:
    """Join a head's features of an image and its mirror image."""
    if metric == "cosine":
        return normalize(sum((unit(v.float(), "crop's") for v in views), torch.zeros(())), dim=1)
    for view in views:
        check_finite(view, "crop's")
    return torch.stack([view.float() / len(views) for view in views]).sum(0)
