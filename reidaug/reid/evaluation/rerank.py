"""Re-ranking by shared neighbours: k-reciprocal encoding and graph message passing.

Both yield new distances of queries to a gallery; `jaccard_graph` has those of k-reciprocal encoding
within one set as a sparse graph, for clustering. Neighbours are exact; only sparse codes and a
bounded part of the distances are held. docs/reranking.md has the formulas.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy import sparse
from torch import Tensor

from reidaug.reid.evaluation.neighbours import Neighbours, neighbours
from reidaug.reid.evaluation.ranking import (
    Metric,
    half_squares,
    rows_within,
    unit,
    within_unit,
)
from reidaug.reid.evaluation.reciprocal import adjacency, encode, jaccard_rows, original_distances

SearchMetric = Literal["cosine", "euclidean", "raw_euclidean"]
POWERS: dict[SearchMetric, int] = {"cosine": 2, "euclidean": 1, "raw_euclidean": 1}


def k_reciprocal(
    query_features: Float[Tensor, "q d"],
    gallery_features: Float[Tensor, "g d"] | None = None,
    *,
    k1: int = 20,
    k2: int = 6,
    original: float = 0.3,
    metric: SearchMetric = "cosine",
    memory_mb: int = 256,
) -> Iterator[Float[ndarray, "_ g"]]:
    """Re-rank by k-reciprocal encoding: new distances (Q, G) in [0, 1], by blocks of rows.

    Args:
        query_features: Features (Q, D) of any length.
        gallery_features: Features (G, D); by default the queries, each item then counted once.
        k1: Neighbours of an item, at least 1.
        k2: Neighbours whose codes are averaged, the item itself among them, at least 1.
        original: Weight of the original distance in [0, 1], the paper's lambda.
        metric: Distance whose square is the original distance: ``cosine`` is 1 - cosine, as with
            torchreid's ``dist_metric='cosine'``; ``euclidean`` is the distance of features of unit
            length, as in the authors' code; ``raw_euclidean`` of features as they are.
        memory_mb: Bound on the distances held at a time; one row is the least.

    Raises:
        ReidaugError: A feature is not finite.
        ValueError: An argument is out of its range.

    Source:
        Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017,
        with the normalisation of the authors' code: squared distances from an item are divided by
        the largest of them. We depart for copies: each is its own first neighbour, where in their
        code only k1 + 1 of many copies have neighbours.
    """
    _check_ranges(k1, k2, original)
    sets = _Sets.of(query_features, gallery_features, metric)
    near = neighbours(sets.features, max(k1 + 1, k2), others=sets.others, memory_mb=memory_mb)
    power = POWERS[metric]
    codes = encode(sets.features, near, k1=k1, k2=k2, power=power, others=sets.others)
    rows = jaccard_rows(codes[sets.queries], codes[sets.gallery])

    def jaccard(part: slice) -> Float[ndarray, "_ g"]:
        block = np.empty((part.stop - part.start, sets.width()), dtype=np.float32)
        for row in block:
            row[:] = next(rows)
        return block

    return sets.blend(jaccard, near, original=original, power=power, memory_mb=memory_mb)


def gnn_rerank(
    query_features: Float[Tensor, "q d"],
    gallery_features: Float[Tensor, "g d"] | None = None,
    *,
    k1: int = 26,
    k2: int = 7,
    rounds: int = 2,
    sharpness: float = 2.0,
    original: float = 0.01,
    metric: SearchMetric = "cosine",
    memory_mb: int = 256,
) -> Iterator[Float[ndarray, "_ g"]]:
    """Re-rank by message passing on the graph of neighbours; yields distances as `k_reciprocal`.

    Args:
        query_features: Features (Q, D) of any length.
        gallery_features: Features (G, D); the queries themselves by default.
        k1: Neighbours of an item, itself among them, at least 1.
        k2: Neighbours whose messages it receives, itself among them, at least 1.
        rounds: Rounds of message passing, at least 1.
        sharpness: Power of the cosine in the weight of a message.
        original: Weight of the original distance in [0, 1]; small, it orders the items that share
            no neighbour with a query.
        metric: See `k_reciprocal`. With ``raw_euclidean`` a cosine is 1 - d^2 / 2, the longest
            feature of length 1.
        memory_mb: Bound on the distances held at a time; one row is the least.

    Raises:
        ReidaugError: A feature is not finite.
        ValueError: An argument is out of its range.

    Source:
        After Zhang et al., "Understanding image retrieval re-ranking: a graph neural network
        perspective", 2020, as we read it: an item starts as its row of the graph, with edges of 1
        between mutual neighbours and 1/2 between one-way neighbours; a round replaces it by the sum
        of its k2 nearest, weighted by max(cosine, 0) to the power of `sharpness`, at unit length;
        the new distance is 1 - cosine of the final states. The blend is ours: without it most of
        the gallery is exactly 1 away from a query.
    """
    _check_ranges(k1, k2, original)
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    sets = _Sets.of(query_features, gallery_features, metric)
    near = neighbours(sets.features, max(k1, k2), others=sets.others, memory_mb=memory_mb)
    graph = adjacency(near.indices[:, :k1])
    states = (0.5 * (graph + graph.T)).tocsr()
    weights = np.maximum(near.cosine[:, :k2], 0) ** np.float32(sharpness)
    messages = adjacency(near.indices[:, :k2], weights)
    for _ in range(rounds):
        states = _unit_rows(_product(messages, states))
    queries, gallery = states[sets.queries], states[sets.gallery].T.tocsr()

    def state_distances(part: slice) -> Float[ndarray, "_ g"]:
        return np.maximum(1 - _product(queries[part], gallery).toarray(), 0)

    return sets.blend(
        state_distances, near, original=original, power=POWERS[metric], memory_mb=memory_mb
    )


def jaccard_graph(
    features: Float[Tensor, "n d"],
    *,
    within: float,
    k1: int = 20,
    k2: int = 6,
    original: float = 0.3,
    metric: Metric = "cosine",
    memory_mb: int = 256,
) -> sparse.csr_array:
    """Find the near pairs of one set by the distance of `k_reciprocal`, for clustering.

    Args:
        features: Features (N, D) of any length.
        within: Largest distance of the pairs, in [0, 1 - original). Pairs without a common
            neighbour are at least 1 - original apart and need not be computed.
        k1: See `k_reciprocal`, as for ``k2`` and ``original``.
        k2: See there.
        original: See there.
        metric: See there; ``cosine`` is DG-Net++'s (2 - 2S)^2.
        memory_mb: Bound on the memory beside features and graph.

    Returns:
        Distances (N, N) of those pairs, with stored zeros and diagonal, columns ascending. Not
        symmetric: the original distance of row i is divided by the largest from i.

    Raises:
        ReidaugError: A feature is not finite.
        ValueError: An argument is out of its range.
    """
    _check_ranges(k1, k2, original)
    if not 0 <= within < 1 - original:
        raise ValueError(f"within must be in [0, {1 - original:g}), got {within:g}")
    items = unit(features, "training")
    near = neighbours(items, max(k1 + 1, k2), memory_mb=memory_mb)
    power = POWERS[metric]
    codes = encode(items, near, k1=k1, k2=k2, power=power)
    # Rows are filtered at once, to 8 bytes per pair: with collapsed features every pair is near.
    columns, values = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.float32)]
    for item, row in enumerate(jaccard_rows(codes, codes)):
        candidates = np.flatnonzero((1 - original) * row <= within)
        cosines = (items[torch.from_numpy(candidates).to(items.device)] @ items[item]).cpu().numpy()
        far = original_distances(cosines, near.farthest[item : item + 1], power)
        distances = original * far + (1 - original) * row[candidates].astype(np.float32)
        close = distances <= within
        columns.append(candidates[close].astype(np.int32))
        values.append(distances[close])
    starts = np.cumsum([len(kept) for kept in columns])
    entries = (np.concatenate(values), np.concatenate(columns), starts)
    return sparse.csr_array(entries, shape=(len(items), len(items)))


def by_distance(
    features: Float[Tensor, "n d"],
) -> tuple[Float[Tensor, "n e"], Float[Tensor, "n e"]]:
    """Extend features (N, D) of length at most 1, so that products stand for distances.

    Returns:
        The features (N, D + 2) for the first and for the second place of a product, which is
        1 - d^2 / 2 in [-1, 1], as a cosine is where all lengths are 1.
    """
    rest, one = 0.5 - half_squares(features), torch.ones_like(features[:, 0])
    return torch.column_stack((features, rest, one)), torch.column_stack((features, one, rest))


class _Sets(NamedTuple):
    """Query and gallery features as one set."""

    features: Float[Tensor, "n d"]
    others: Float[Tensor, "n d"] | None  # see `by_distance`; None: cosines
    queries: slice
    gallery: slice

    @classmethod
    def of(
        cls,
        query_features: Float[Tensor, "q d"],
        gallery_features: Float[Tensor, "g d"] | None,
        metric: SearchMetric,
    ) -> "_Sets":
        count, none = len(query_features), query_features[:0]
        searched = none if gallery_features is None else gallery_features
        others = None
        if metric == "raw_euclidean":
            both, others = by_distance(torch.cat(within_unit(query_features, searched)))
        else:
            both = torch.cat((unit(query_features, "query"), unit(searched, "gallery")))
        first = 0 if gallery_features is None else count
        return cls(both, others, slice(0, count), slice(first, len(both)))

    def width(self) -> int:
        return self.gallery.stop - self.gallery.start

    def blend(
        self,
        reranked: Callable[[slice], Float[ndarray, "_ g"]],
        near: Neighbours,
        *,
        original: float,
        power: int,
        memory_mb: int,
    ) -> Iterator[Float[ndarray, "_ g"]]:
        """Yield blocks of the weighted sum of re-ranked and original distances."""
        gallery = (self.features if self.others is None else self.others)[self.gallery]
        step = rows_within(memory_mb, 4 * 4 * self.width())
        for start in range(0, self.queries.stop, step):
            part = slice(start, min(start + step, self.queries.stop))
            cosines = (self.features[part] @ gallery.T).cpu().numpy()
            block = original_distances(cosines, near.farthest[part, None], power)
            block *= original
            block += (1 - original) * reranked(part)
            yield block


def _product(left: sparse.csr_array, right: sparse.csr_array) -> sparse.csr_array:
    """Multiply with as many threads as torch has, whose number changes no bit."""
    threads = min(torch.get_num_threads(), left.shape[0])
    if threads < 2:
        return (left @ right).tocsr()
    bounds = np.linspace(0, left.shape[0], threads + 1).astype(int)
    pieces = [left[start:stop] for start, stop in pairwise(bounds)]
    with ThreadPoolExecutor(threads) as pool:
        return sparse.vstack(list(pool.map(lambda piece: piece @ right, pieces)), format="csr")


def _unit_rows(rows: sparse.csr_array) -> sparse.csr_array:
    """Scale non-empty rows of non-negative numbers to unit length."""
    squares = (rows * rows).sum(axis=1)
    rows.data = rows.data / np.sqrt(np.repeat(squares, np.diff(rows.indptr)))
    return rows


def _check_ranges(k1: int, k2: int, original: float) -> None:
    if k1 < 1 or k2 < 1:
        raise ValueError(f"k1 and k2 must be at least 1, got {k1} and {k2}")
    if not 0 <= original <= 1:
        raise ValueError(f"original must be in [0, 1], got {original:g}")
