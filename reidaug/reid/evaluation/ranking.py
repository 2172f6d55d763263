"""Gallery search by features or distances, with a bounded part of the distances in memory."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import normalize

from reidaug.data.crop_names import JUNK
from reidaug.errors import ReidaugError
from reidaug.reid.evaluation.metrics import Identities, check_distances, hit_ranks

MEGABYTE = 2**20

Metric = Literal["cosine", "euclidean"]
"""How features are compared: 1 - cosine, or the distance of features as they are."""


class Nearest(NamedTuple):
    """The k nearest gallery crops of every query, after the protocol's removals."""

    indices: Int[ndarray, "q k"]  # gallery indices (Q, k), nearest first; -1: fewer than k are left
    right: Bool[ndarray, "q k"]  # whether they show the query's person (Q, k)
    distance: Float[ndarray, "q k"]  # their distances (Q, k); infinite where fewer than k are left


def rank_matches(
    query_features: Float[Tensor, "q d"],
    query: Identities,
    gallery_features: Float[Tensor, "g d"],
    gallery: Identities,
    *,
    metric: Metric = "cosine",
    memory_mb: int = 256,
) -> list[Int[ndarray, "_"]]:
    """Rank every query's matches in the gallery by the distance of features, as `hit_ranks`.

    Args:
        query_features: Features (Q, D) of any length.
        query: Identities of the queries.
        gallery_features: Features (G, D).
        gallery: Identities of the gallery.
        metric: Distance: 1 - cosine, or Euclidean.
        memory_mb: Bound on the part of the distance matrix held at a time; one row is the least.

    Raises:
        ReidaugError: A feature is not finite.
        ValueError: There is no such metric, or not one feature for every person and camera.
    """
    blocks = _blocks(query_features, gallery_features, metric, memory_mb)
    return rank_by_distances(blocks, query, gallery)


def rank_by_distances(
    blocks: Iterable[Float[ndarray, "_ g"]], query: Identities, gallery: Identities
) -> list[Int[ndarray, "_"]]:
    """Rank every query's matches in the gallery by given distances, as `hit_ranks`.

    Args:
        blocks: Distances (Q, G) in blocks of rows, as `reidaug.reid.evaluation.rerank` yields them.
        query: Identities of the queries.
        gallery: Identities of the gallery.

    Raises:
        ReidaugError: A distance is not a number.
        ValueError: There are more or fewer distances than pairs of a query and a gallery crop.
    """
    ranks = []
    for block, ids in _with_identities(blocks, query):
        ranks += hit_ranks(block, ids, gallery)
    return ranks


def nearest(
    query_features: Float[Tensor, "q d"],
    query: Identities,
    gallery_features: Float[Tensor, "g d"],
    gallery: Identities,
    k: int,
    *,
    metric: Metric = "cosine",
    memory_mb: int = 256,
) -> Nearest:
    """Find every query's k >= 1 nearest gallery crops, with their distances by `metric`.

    The other arguments are those of `rank_matches`.

    Raises:
        ReidaugError: A feature is not finite.
        ValueError: k is below 1, or as of `rank_matches`.
    """
    blocks = _blocks(query_features, gallery_features, metric, memory_mb)
    found = nearest_by_distances(blocks, query, gallery, k)
    if metric == "cosine":
        return found._replace(distance=np.maximum(found.distance, 0))
    distance = found.distance.copy()
    for column, indices in enumerate(found.indices.T):  # without the rounding of the products
        there = np.flatnonzero(indices >= 0)
        pairs = query_features[there].double() - gallery_features[indices[there]].double()
        distance[there, column] = pairs.norm(dim=1).cpu().numpy()
    return found._replace(distance=distance)


def nearest_by_distances(
    blocks: Iterable[Float[ndarray, "_ g"]], query: Identities, gallery: Identities, k: int
) -> Nearest:
    """Find every query's k >= 1 nearest gallery crops by distances as in `rank_by_distances`.

    Junk and crops of the query's person by the query's camera are left out; at equal distances
    wrong crops come first, then the gallery's order counts, so the order is that of
    `rank_by_distances`. Distances are finite and left unchanged.

    Raises:
        ValueError: As in `rank_by_distances`, or k is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    count = len(query.pids)
    indices = np.full((count, k), -1, dtype=np.int64)
    distance = np.full((count, k), np.inf, dtype=np.float32)
    person = 0
    junk = gallery.pids == JUNK
    for block, ids in _with_identities(blocks, query):
        check_distances(block, ids, gallery)
        for row, pid, camid in zip(block, *ids, strict=True):
            removed = junk | ((gallery.pids == pid) & (gallery.camids == camid))
            best = _smallest(np.where(removed, np.inf, row), gallery.pids == pid, k)
            indices[person, : len(best)], distance[person, : len(best)] = best, row[best]
            person += 1
    right = (indices >= 0) & (np.append(gallery.pids, JUNK)[indices] == query.pids[:, None])
    return Nearest(indices, right, distance)


def _smallest(row: Float[ndarray, "g"], right: Bool[ndarray, "g"], k: int) -> Int[ndarray, "_"]:
    """Indices of the k smallest finite values, smallest first, of equals the wrong ones."""
    bound = np.partition(row, k - 1)[k - 1] if k < len(row) else np.inf
    near = np.flatnonzero((row <= bound) & (row < np.inf))
    return near[np.lexsort((right[near], row[near]))][:k]


def _with_identities(
    blocks: Iterable[Float[ndarray, "_ g"]], query: Identities
) -> Iterator[tuple[Float[ndarray, "_ g"], Identities]]:
    """Pair every block with the identities of its queries."""
    start, count = 0, len(query.pids)
    for block in blocks:
        part = slice(start, start := start + len(block))
        if start > count:
            break
        yield block, Identities(query.pids[part], query.camids[part])
    if start != count:
        raise ValueError(f"distances of {start} queries for {count}")


def _blocks(
    query_features: Float[Tensor, "q d"],
    gallery_features: Float[Tensor, "g d"],
    metric: Metric,
    memory_mb: int,
) -> Iterator[Float[ndarray, "_ g"]]:
    """Yield blocks of half the square distance, 1 - cosine of units, each in the last one's memory.

    What all features have in common is taken away first: beside it, differences of a thousandth
    would be lost in 32 bits.
    """
    if metric not in get_args(Metric):
        raise ValueError(f"metric is one of {', '.join(get_args(Metric))}, got {metric!r}")
    if metric == "cosine":
        queries, crops = unit(query_features, "query"), unit(gallery_features, "gallery")
    else:
        queries, crops = within_unit(query_features, gallery_features)
    centre = crops.mean(0) if len(crops) else crops.sum(0)
    zeros = [~part.any(1) & (metric == "cosine") for part in (queries, crops)]
    queries, crops = queries - centre, crops - centre
    # |a - b|^2 / 2 = |a|^2 / 2 + |b|^2 / 2 - a b
    halves = half_squares(crops) + zeros[1] / 2  # zeros are no units: 1 - their cosine is 1
    crops = torch.column_stack((crops, torch.ones_like(halves), halves))
    halves = half_squares(queries)
    queries = torch.column_stack((-queries, halves, torch.ones_like(halves)))
    queries[zeros[0]] = 0
    queries[zeros[0], -2] = 1
    rows = rows_within(memory_mb, crops.element_size() * len(crops))
    held = crops.new_empty((min(rows, len(queries)), len(crops)))
    for start in range(0, len(queries), rows):
        part = slice(start, min(start + rows, len(queries)))
        yield torch.mm(queries[part], crops.T, out=held[: part.stop - start]).cpu().numpy()


def unit(features: Float[Tensor, "n d"], what: str) -> Float[Tensor, "n d"]:
    """Scale features (N, D) to unit length, however large or small; zeros stay.

    Raises:
        ReidaugError: A feature is not finite; the message calls it a `what` feature.
    """
    check_finite(features, what)
    return normalize(scaled(_numbers(features)), dim=1)


def within_unit(
    query_features: Float[Tensor, "q d"], gallery_features: Float[Tensor, "g d"]
) -> tuple[Float[Tensor, "q d"], Float[Tensor, "g d"]]:
    """Scale all features of two sets by one number, the longest to length 1; zeros stay.

    Raises:
        ReidaugError: A feature is not finite.
    """
    check_finite(query_features, "query")
    check_finite(gallery_features, "gallery")
    both = _numbers(torch.cat((query_features, gallery_features)))
    if both.numel():
        both = torch.ldexp(both, -torch.frexp(both.abs().max()).exponent)
        both = both / both.norm(dim=1).max().clamp_min(torch.finfo(both.dtype).tiny)
    return both[: len(query_features)], both[len(query_features) :]


def _numbers(features: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Take features as numbers of 32 bits at least, in 16 of which ranks would tie, and no more."""
    return features.detach().to(torch.promote_types(features.dtype, torch.float32))


def half_squares(features: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
    """Half the squared lengths (N,) of features (N, D)."""
    return features.square().sum(1) / 2


def check_finite(features: Float[Tensor, "n d"], what: str) -> None:
    """Check features (N, D).

    Raises:
        ReidaugError: A feature is not finite; the message calls it a `what` feature.
    """
    if not bool(features.isfinite().all()):
        raise ReidaugError(f"a {what} feature is not finite: the model's training has diverged")


def scaled(features: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Scale each of some features (N, D) by a power of two, its largest number to about 1.

    The squares of features of 1e20 are infinite in 32 bits, and their unit vectors would be 0;
    a power of two changes no digit.
    """
    if not features.numel():
        return features
    exponent = torch.frexp(features.abs().amax(1, keepdim=True)).exponent
    return torch.ldexp(features, -exponent)


def rows_within(memory_mb: int, row_bytes: int) -> int:
    """Number of rows of `row_bytes` bytes within a bound in MiB, at least 1."""
    return max(1, memory_mb * MEGABYTE // max(1, row_bytes))
