"""Search a gallery by features or distances, a bounded part of the distances at a time."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import normalize

from reidaug.errors import ReidaugError
from reidaug.reid.evaluation.metrics import JUNK, Identities, hit_ranks

MEGABYTE = 2**20


class Nearest(NamedTuple):
    """The best of the gallery for every query, after the protocol's removal.

    Attributes:
        indices: Places in the gallery (Q, k), nearest first; -1 where fewer than k are left.
        right: Whether they show the query's person (Q, k).
        distance: Their distances (Q, k); infinite where fewer than k are left.
    """

    indices: Int[ndarray, "q k"]
    right: Bool[ndarray, "q k"]
    distance: Float[ndarray, "q k"]


def search(
    query_features: Float[Tensor, "q d"],
    query: Identities,
    gallery_features: Float[Tensor, "g d"],
    gallery: Identities,
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
        For every query the ranks of its matches, see `hit_ranks`.

    Raises:
        ReidaugError: A feature is no finite number.
    """
    return search_by(_opposed(query_features, gallery_features, memory_mb), query, gallery)


def search_by(
    blocks: Iterable[Float[ndarray, "_ g"]], query: Identities, gallery: Identities
) -> list[Int[ndarray, "_"]]:
    """Rank every query's matches by given distances.

    Args:
        blocks: Distances of the first queries to the whole gallery, of the next ones, and so on,
            see `reidaug.reid.evaluation.rerank`; a whole matrix is one block.
        query: Ids of the queries.
        gallery: Ids of the gallery.

    Returns:
        For every query the ranks of its matches.

    Raises:
        ValueError: The blocks have more or fewer rows than there are queries.
    """
    ranks = []
    for block, ids in _with_ids(blocks, query):
        ranks += hit_ranks(block, ids, gallery)
    return ranks


def nearest(
    query_features: Float[Tensor, "q d"],
    query: Identities,
    gallery_features: Float[Tensor, "g d"],
    gallery: Identities,
    k: int,
    *,
    memory_mb: int = 256,
) -> Nearest:
    """Find the k nearest of the gallery for every query by the angle between features.

    Args:
        query_features: Features (Q, D); their length does not matter.
        query: Ids of the queries.
        gallery_features: Features (G, D).
        gallery: Ids of the gallery.
        k: How many, at least 1.
        memory_mb: Bound on the part of the distance matrix held at a time; one row is the least.

    Returns:
        They, with distances 1 - cosine.

    Raises:
        ReidaugError: A feature is no finite number.
        ValueError: k is below 1.
    """
    blocks = _opposed(query_features, gallery_features, memory_mb)
    found = nearest_by(blocks, query, gallery, k)
    return found._replace(distance=np.maximum(1 + found.distance, 0))


def nearest_by(
    blocks: Iterable[Float[ndarray, "_ g"]], query: Identities, gallery: Identities, k: int
) -> Nearest:
    """Find the k nearest of the gallery for every query by given distances.

    Junk and the query's person by the query's camera are left out; equal distances go by place
    in the gallery, so the order is the one that `search_by` counts in.

    Args:
        blocks: Finite distances as in `search_by`; left as they are.
        query: Ids of the queries.
        gallery: Ids of the gallery.
        k: How many, at least 1.

    Returns:
        They, with the given distances.

    Raises:
        ValueError: As in `search_by`, or k is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    count = len(query.pids)
    indices = np.full((count, k), -1, dtype=np.int64)
    distance = np.full((count, k), np.inf, dtype=np.float32)
    person = 0
    junk = gallery.pids == JUNK
    for block, ids in _with_ids(blocks, query):
        for row, pid, camid in zip(block, *ids, strict=True):
            removed = junk | ((gallery.pids == pid) & (gallery.camids == camid))
            best = _smallest(np.where(removed, np.inf, row), k)
            indices[person, : len(best)], distance[person, : len(best)] = best, row[best]
            person += 1
    right = (indices >= 0) & (np.append(gallery.pids, JUNK)[indices] == query.pids[:, None])
    return Nearest(indices, right, distance)


def _smallest(row: Float[ndarray, "g"], k: int) -> Int[ndarray, "_"]:
    """Find the k smallest finite values, smallest first, equal ones by place."""
    bound = np.partition(row, k - 1)[k - 1] if k < len(row) else np.inf
    near = np.flatnonzero((row <= bound) & (row < np.inf))
    return near[np.argsort(row[near], kind="stable")][:k]


def _with_ids(
    blocks: Iterable[Float[ndarray, "_ g"]], query: Identities
) -> Iterator[tuple[Float[ndarray, "_ g"], Identities]]:
    """Give every block the ids of its queries."""
    start, count = 0, len(query.pids)
    for block in blocks:
        part = slice(start, start := start + len(block))
        if start > count:
            break
        yield block, Identities(query.pids[part], query.camids[part])
    if start != count:
        raise ValueError(f"distances of {start} queries for {count}")


def _opposed(
    query_features: Float[Tensor, "q d"], gallery_features: Float[Tensor, "g d"], memory_mb: int
) -> Iterator[Float[ndarray, "_ g"]]:
    """Yield cosines with the opposite direction: they fall as features come nearer.

    Every block lies where the one before it lay.
    """
    queries, crops = unit(query_features, "query"), unit(gallery_features, "gallery")
    rows = rows_within(memory_mb, 4 * len(crops))
    held = crops.new_empty((min(rows, len(queries)), len(crops)))
    for start in range(0, len(queries), rows):
        part = slice(start, min(start + rows, len(queries)))
        yield torch.mm(-queries[part], crops.T, out=held[: part.stop - start]).cpu().numpy()


def unit(features: Float[Tensor, "n d"], what: str) -> Float[Tensor, "n d"]:
    """Bring features to unit length.

    Args:
        features: Features (N, D).
        what: Whose they are, for the message.

    Returns:
        The same directions (N, D).

    Raises:
        ReidaugError: A feature is no finite number.
    """
    if not bool(features.isfinite().all()):
        raise ReidaugError(f"a {what} feature is not finite: the model's training has diverged")
    return normalize(features, dim=1)


def rows_within(memory_mb: int, row_bytes: int) -> int:
    """Count the rows that fit into a bound on memory.

    Args:
        memory_mb: The bound in MiB.
        row_bytes: Bytes a row.

    Returns:
        At least 1.
    """
    return max(1, memory_mb * MEGABYTE // max(1, row_bytes))
