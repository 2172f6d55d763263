"""Embed crops, and search a gallery by features, a bounded part of the distances at a time."""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import normalize

from reidaug.errors import ReidaugError
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.crops import Crops, normalised
from reidaug.reid.protocol import JUNK, Crowd, hit_ranks

MEGABYTE = 2**20


def search(
    query_features: Float[Tensor, "q d"],
    query: Crowd,
    gallery_features: Float[Tensor, "g d"],
    gallery: Crowd,
    *,
    memory_mb: int = 256,
) -> list[Int[ndarray, "_"]]:
    """Rank every query's matches by the angle between features.

    Args:
        query_features: Features (Q, D); their length does not matter.
        query: Ids of the queries.
        gallery_features: Features (G, D).
        gallery: Ids of the gallery.
        memory_mb: Bound on the part of the distance matrix held at a time; one row is the least.

    Returns:
        For every query the ranks of its matches, as `reidaug.reid.protocol.hit_ranks` gives them.

    Raises:
        ReidaugError: A feature is no finite number.
    """
    for features, what in ((query_features, "query"), (gallery_features, "gallery")):
        if not bool(features.isfinite().all()):
            raise ReidaugError(f"a {what} feature is not finite: the model's training has diverged")
    queries, crops = normalize(query_features, dim=1), normalize(gallery_features, dim=1)
    rows = max(1, memory_mb * MEGABYTE // (4 * max(1, len(crops))))
    held = crops.new_empty((min(rows, len(queries)), len(crops)))
    ranks = []
    for start in range(0, len(queries), rows):
        part = slice(start, min(start + rows, len(queries)))
        # Distance falls as cosine grows: the cosine with the opposite direction orders alike.
        distances = torch.mm(-queries[part], crops.T, out=held[: part.stop - start])
        ids = Crowd(query.pids[part], query.camids[part])
        ranks += hit_ranks(distances.cpu().numpy(), ids, gallery)
    return ranks


def nearest(
    query_features: Float[Tensor, "q d"],
    query: Crowd,
    gallery_features: Float[Tensor, "g d"],
    gallery: Crowd,
    k: int,
) -> list[Int[ndarray, "_"]]:
    """Find the gallery crops nearest to every query, as the protocol counts them.

    Junk, and crops of the query's person by its own camera, are passed over. A row of distances is
    held at a time.

    Args:
        query_features: Features (Q, D); their length does not matter.
        query: Ids of the queries.
        gallery_features: Features (G, D).
        gallery: Ids of the gallery.
        k: How many for each query.

    Returns:
        For every query places in the gallery, nearest first, equal ones in gallery order; fewer
        than k where fewer are left.
    """
    queries, crops = normalize(query_features, dim=1), normalize(gallery_features, dim=1)
    found = []
    for feature, pid, camid in zip(queries, query.pids, query.camids, strict=True):
        distances = torch.mv(crops, -feature).cpu().numpy()
        removed = (gallery.pids == JUNK) | ((gallery.pids == pid) & (gallery.camids == camid))
        kept = np.flatnonzero(~removed)
        found.append(kept[np.argsort(distances[kept], kind="stable")[:k]])
    return found


def embed(
    model: ReIDModel,
    crops: Crops,
    *,
    batch: int = 128,
    fine_weight: float = 0.5,
    mirror: bool = True,
    half: bool = False,
    device: torch.device | None = None,
) -> Float[Tensor, "n d"]:
    """Turn crops into the features that retrieval compares.

    Args:
        model: Put into eval mode.
        crops: N crops.
        batch: Crops a forward pass.
        fine_weight: Weight of the similarity by every head after the first.
        mirror: Whether the features of the mirror image are added.
        half: Whether the network computes in bfloat16.
        device: Where the model is; the CPU by default.

    Returns:
        Features (N, D) on the CPU: their cosine is the weighted mean of the heads' cosines.

    Source:
        DG-Net: every head's feature at unit length, the mirror image's added, at unit length
        again; the second head's cosine counts half.
    """
    model.eval()
    features = []
    with torch.no_grad():
        for start in range(0, len(crops), batch):
            indices = range(start, min(start + batch, len(crops)))
            images = normalised(crops.batch(indices).to(device))
            kind = images.device.type
            with torch.autocast(kind, dtype=torch.bfloat16, enabled=half):
                views = [model(images).heads]
                if mirror:
                    views.append(model(images.flip(-1)).heads)
            heads = [
                normalize(sum((normalize(v.float(), dim=1) for v in view), torch.zeros(())), dim=1)
                for view in zip(*views, strict=True)
            ]
            weighted = [heads[0], *(fine_weight**0.5 * head for head in heads[1:])]
            features.append(torch.cat(weighted, dim=1).cpu())
    return torch.cat(features)
