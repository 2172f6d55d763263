"""Pseudo-labels by clustering features."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.cluster import DBSCAN
from sklearn.neighbors import sort_graph_by_row_values
from torch import Tensor
from torch.nn.functional import normalize

from reidaug.reid.evaluation.ranking import rows_within, unit
from reidaug.reid.evaluation.rerank import jaccard_graph

OUTLIER = -1


class PseudoLabels(NamedTuple):
    """Result of a clustering."""

    labels: Int[ndarray, "n"]  # labels (N,) from 0 without gaps; -1 marks an outlier
    clusters: int
    outliers: int
    quality: float  # `silhouette` of the clusters in [-1, 1], which needs no true labels


def pseudo_labels(
    features: Float[Tensor, "n d"],
    *,
    eps: float = 0.45,
    min_samples: int = 7,
    k1: int = 20,
    k2: int = 6,
    original: float = 0.3,
    memory_mb: int = 256,
) -> PseudoLabels:
    """Cluster features by DBSCAN on the k-reciprocal distance; labels go by first core item.

    Args:
        features: Features (N, D) of any length; those of `reidaug.reid.features.embed` include the
            weights of the heads.
        eps: Distance up to which two items are neighbours, in (0, 1 - original).
        min_samples: Neighbours of a core item, itself among them, at least 1.
        k1: See `reidaug.reid.evaluation.rerank.k_reciprocal`, as for ``k2`` and ``original``.
        k2: See there.
        original: See there.
        memory_mb: Bound on the distances held at a time; one row is the least.

    Raises:
        ReidaugError: A feature is not finite.
        ValueError: An argument is out of its range.

    Source:
        DG-Net++: S = (e1 e1^T + 0.5 e2 e2^T) / 1.5 is the cosine of `embed`'s features, the
        distance 0.7 Jaccard + 0.3 (2 - 2S)^2 / the row's largest, eps fixed at 0.45.
    """
    if eps <= 0 or min_samples < 1:
        raise ValueError(f"eps must be above 0 and min_samples 1 or more: {eps:g}, {min_samples}")
    graph = jaccard_graph(
        features, within=eps, k1=k1, k2=k2, original=original, memory_mb=memory_mb
    )
    if not len(features):
        return PseudoLabels(np.zeros(0, dtype=np.int64), 0, 0, 0.0)
    graph = sort_graph_by_row_values(graph, warn_when_not_sorted=False)
    dbscan = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed")
    labels = dbscan.fit(graph).labels_.astype(np.int64)
    return PseudoLabels(
        labels,
        int(labels.max()) + 1,
        int((labels == OUTLIER).sum()),
        silhouette(features, labels, memory_mb=memory_mb),
    )


def silhouette(
    features: Float[Tensor, "n d"], labels: Int[ndarray, "n"], *, memory_mb: int = 256
) -> float:
    """Mean silhouette of clusters against cluster centres, in [-1, 1], higher is better.

    For an item, a is 1 - cosine to the sum of its cluster's other members and b the least 1 -
    cosine to the sum of another cluster; its silhouette is (b - a) / max(a, b). An item alone in
    its cluster counts 0; the mean of fewer than two clusters is 0. Outliers do not count: consider
    their number too.

    Args:
        features: Features (N, D) of any length.
        labels: Labels (N,) from 0 without gaps; -1 marks an outlier.
        memory_mb: Bound on the cosines held at a time; one row is the least.

    Raises:
        ReidaugError: A feature is not finite.

    Source:
        Rousseeuw 1987 with centres in place of members, which needs no distance of every pair.
        Leaving the item out of its own centre is ours: it would favour small clusters.
    """
    labelled = torch.from_numpy(np.flatnonzero(labels >= 0)).to(features.device)
    items = unit(features, "training")[labelled]
    own = torch.from_numpy(labels[labels >= 0]).to(features.device)
    clusters = int(labels.max(initial=OUTLIER)) + 1
    if clusters < 2:
        return 0.0
    sums = items.new_zeros((clusters, items.shape[1])).index_add_(0, own, items)
    centres, members = normalize(sums, dim=1), torch.bincount(own)
    total, rows = 0.0, rows_within(memory_mb, 4 * (clusters + 3 * items.shape[1]))
    for part, cluster in zip(items.split(rows), own.split(rows), strict=True):
        to_own = 1 - (part * normalize(sums[cluster] - part, dim=1)).sum(1)
        others = 1 - part @ centres.T
        others.scatter_(1, cluster[:, None], torch.inf)
        to_other = others.amin(1)
        value = (to_other - to_own) / torch.maximum(to_own, to_other).clamp(min=1e-12)
        total += float(value.where(members[cluster] > 1, 0.0).sum(dtype=torch.float64))
    return total / len(items)
