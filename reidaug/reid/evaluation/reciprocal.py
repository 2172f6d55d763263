"""k-reciprocal encoding by sums and products of sparse matrices, without any full N x N matrix."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import sparse
from torch import Tensor

from reidaug.reid.evaluation.neighbours import ROUNDING, Neighbours, pair_cosines


def adjacency(
    index: Int[ndarray, "n k"], weights: Float[ndarray, "n k"] | None = None
) -> sparse.csr_array:
    """Adjacency matrix (N, N) of the directed graph from every item to its neighbours (N, k).

    Edges have weights (N, k), 1 by default.
    """
    count, k = index.shape
    edges = np.ones(index.size, dtype=np.float32) if weights is None else weights.ravel()
    starts = np.arange(0, index.size + 1, max(1, k))[: count + 1]
    return sparse.csr_array((edges, index.ravel(), starts), shape=(count, count))


def reciprocal_sets(index: Int[ndarray, "n k"], *, k1: int) -> sparse.csr_array:
    """Find every item's expanded set of k-reciprocal neighbours.

    Args:
        index: At least the k1 + 1 nearest (N, k) of every item, itself first, or all N.
        k1: Neighbours of an item beside itself.

    Returns:
        A matrix (N, N) whose stored entries of row i are the set R*(i); the values are meaningless.

    Source:
        Zhong et al., CVPR 2017, Eqs. for R(p, k) and R*(p, k): R(p, k1) holds the items that are
        among the nearest of p and have p among theirs; every q in it with more than two thirds of
        R(q, k1 / 2) in R(p, k1) adds R(q, k1 / 2). The paper says "at least two thirds"; its code,
        and all that descends from it, requires more, and so do we. k1 / 2 is rounded half to even,
        as there.
    """
    near, half = (adjacency(index[:, : k + 1]) for k in (k1, round(k1 / 2)))
    both, both_half = near.multiply(near.T).tocsr(), half.multiply(half.T).tocsr()
    # All entries are positive and every item is in its own sets: `shared` has those of `both`.
    shared = (both @ both_half.T).multiply(both).tocsr()
    sizes = np.diff(both_half.indptr)
    shared.data = (3 * shared.data > 2 * sizes[shared.indices]).astype(np.float32)
    shared.eliminate_zeros()
    return (both + shared @ both_half).tocsr()


def encode(
    features: Float[Tensor, "n d"],
    near: Neighbours,
    *,
    k1: int,
    k2: int,
    power: int,
    others: Float[Tensor, "n d"] | None = None,
) -> sparse.csr_array:
    """Encode every item by its k-reciprocal neighbours: (N, N), rows of weights that sum to 1.

    Args:
        features: Features (N, D) of unit length.
        near: At least the max(k1 + 1, k2) nearest of every item.
        k1: See `reciprocal_sets`.
        k2: Neighbours, the item itself among them, whose codes are averaged.
        power: See `original_distances`.
        others: See `reidaug.reid.evaluation.neighbours.neighbours`.

    Source:
        Zhong et al., CVPR 2017: exp(-d) on R*, scaled to sum 1 as in their code, then local query
        expansion, the mean over the k2 nearest.
    """
    codes = reciprocal_sets(near.indices, k1=k1)
    rows = np.repeat(np.arange(len(near.indices)), np.diff(codes.indptr))
    cosines = pair_cosines(features, rows, codes.indices, others=others)
    weights = np.exp(-original_distances(cosines, near.farthest[rows], power))
    sums = np.bincount(rows, weights, minlength=len(near.indices))
    codes.data = (weights / sums[rows]).astype(np.float32)
    nearest = near.indices[:, :k2]
    mean = np.full(nearest.shape, 1 / max(1, nearest.shape[1]), dtype=np.float32)
    return (adjacency(nearest, mean) @ codes).tocsr()


def original_distances(
    cosines: Float[ndarray, "*n"], farthest: Float[ndarray, "*m"], power: int
) -> Float[ndarray, "*n"]:
    """Original distances in [0, 1] from cosines: 1 to the farthest item, 0 between copies.

    Args:
        cosines: Cosines of any shape.
        farthest: 1 - cosine to the item farthest from the first of each pair.
        power: Power of 1 - cosine: 2, or 1 for the squared Euclidean distance.
    """
    distances = 1 - cosines
    distances[distances <= ROUNDING] = 0
    distances /= farthest
    distances **= power
    return np.minimum(distances, 1, out=distances)


def jaccard_rows(
    codes: sparse.csr_array, others: sparse.csr_array
) -> Iterator[Float[ndarray, "m"]]:
    """Jaccard distances (M,) in [0, 1] of each of R codes (R, N) to all others (M, N).

    Only codes that share a neighbour are compared, found by an inverted index; the distance of the
    rest is exactly 1.

    Source:
        Zhong et al., CVPR 2017: 1 - sum of minima / sum of maxima. Codes sum to 1, so the maxima
        sum to 2 less the minima.
    """
    holders = others.tocsc()
    count = others.shape[0]
    for start, stop in zip(codes.indptr[:-1], codes.indptr[1:], strict=True):
        members, weights = codes.indices[start:stop], codes.data[start:stop]
        first = holders.indptr[members]
        lengths = holders.indptr[members + 1] - first
        entries = np.arange(lengths.sum()) + np.repeat(first - lengths.cumsum() + lengths, lengths)
        least = np.minimum(np.repeat(weights, lengths), holders.data[entries])
        shared = np.bincount(holders.indices[entries], least, minlength=count)
        yield np.maximum(1 - shared / (2 - shared), 0)
