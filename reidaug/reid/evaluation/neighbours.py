"""Exact k nearest neighbours of every item of a set, by torch or by faiss."""

import importlib
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from reidaug.errors import require_extra
from reidaug.reid.evaluation.ranking import rows_within

Engine = Literal["auto", "torch", "faiss"]

# Cosines this near to 1 cannot be told from 1 in single precision: such items are copies.
ROUNDING = 2e-6
# Features gathered at a time: few enough to stay in a processor's cache.
PAIRS = 1024


class Neighbours(NamedTuple):
    """The k nearest of every item, itself among them."""

    # (N, k), nearest first and every item first of its own; equally near ones (copies) by index.
    indices: Int[ndarray, "n k"]
    cosine: Float[ndarray, "n k"]  # their cosines (N, k) in [-1, 1]
    farthest: Float[ndarray, "n"]  # distance 1 - cosine (N,) to the farthest of all, in (0, 2]


def neighbours(
    features: Float[Tensor, "n d"],
    k: int,
    *,
    others: Float[Tensor, "n d"] | None = None,
    memory_mb: int = 256,
    engine: Engine = "auto",
) -> Neighbours:
    """Find the k nearest of every item, exactly.

    Both engines follow the same rule for ties. They round cosines differently: neighbours whose
    cosines are equal up to single precision may be in another order from one engine to the other.

    Args:
        features: Features (N, D) of unit length.
        k: Number of neighbours, the item itself among them; all N where there are fewer.
        others: The same items in the second place of a product (N, D), where products with these
            take the place of cosines, see `reidaug.reid.evaluation.rerank.by_distance`.
        memory_mb: Bound on the part of the (N, N) matrix held at a time; one row is the least.
        engine: ``torch``: blocks of the cosine matrix. ``faiss``: its flat inner-product index,
            on the GPUs where the installed faiss has any. ``auto``: faiss on GPUs, else torch,
            which is faster on CPUs (benchmarks/neighbours.py).

    Raises:
        UsageError: The engine is faiss, which is not installed.
    """
    k = min(k, len(features))
    if engine == "faiss" or (engine == "auto" and _faiss_has_gpus()):
        return _by_faiss(features, others, k, memory_mb)
    return _by_torch(features, others, torch.arange(len(features)), k, memory_mb)


def _by_torch(
    features: Float[Tensor, "n d"],
    others: Float[Tensor, "n d"] | None,
    items: Int[Tensor, "m"],
    k: int,
    memory_mb: int,
) -> Neighbours:
    """Find the neighbours of some items by blocks of the cosine matrix."""
    others = features if others is None else others
    rows = rows_within(memory_mb, 4 * len(features))
    held = features.new_empty((min(rows, len(items)), len(features)))
    found = _empty(len(items), k)
    for start in range(0, len(items), rows):
        part = slice(start, min(start + rows, len(items)))
        block = items[part].to(features.device)
        cosines = torch.mm(features[block], others.T, out=held[: len(block)])
        found.farthest[part] = (1 - cosines.amin(1)).clamp(min=ROUNDING).cpu().numpy()
        cosines.clamp_(max=1 - ROUNDING)
        cosines.scatter_(1, block[:, None], 1.0)  # before its copies
        found.indices[part], found.cosine[part] = _largest(cosines, k)
    return found


def _by_faiss(
    features: Float[Tensor, "n d"], others: Float[Tensor, "n d"] | None, k: int, memory_mb: int
) -> Neighbours:
    """Find the neighbours of all items in faiss's flat index."""
    require_extra("faiss", "faiss")
    faiss: Any = importlib.import_module("faiss")
    faiss.omp_set_num_threads(torch.get_num_threads())
    vectors = np.ascontiguousarray(features.cpu().numpy())
    count = len(vectors)
    index = faiss.IndexFlatIP(vectors.shape[1])
    if faiss.get_num_gpus():
        index = faiss.index_cpu_to_all_gpus(index)
    index.add(vectors if others is None else np.ascontiguousarray(others.cpu().numpy()))
    found, tied = _empty(count, k), [np.zeros(0, dtype=np.int64)]
    rows = rows_within(memory_mb, 8 * vectors.shape[1])
    for start in range(0, count, rows):
        part = slice(start, min(start + rows, count))
        items = np.arange(part.start, part.stop)[:, None]
        opposite, _ = index.search(-vectors[part], 1)
        found.farthest[part] = np.maximum(1 + opposite[:, 0], ROUNDING)
        cosines, indices = index.search(vectors[part], min(k + 1, count))
        cosines = np.minimum(cosines, np.float32(1 - ROUNDING))
        itself = indices == items
        cosines[itself] = 1
        order = np.lexsort((indices, -cosines))
        cosines, indices = (np.take_along_axis(a, order, 1) for a in (cosines, indices))
        found.indices[part], found.cosine[part] = indices[:, :k], cosines[:, :k]
        # Where one left out is as near as the last one taken, the choice is not by index yet.
        unsure = ~itself.any(1)
        if k < count:
            unsure |= cosines[:, k] == cosines[:, k - 1]
        tied.append(items[unsure, 0])
    again = np.concatenate(tied)
    exact = _by_torch(features, others, torch.from_numpy(again), k, memory_mb)
    found.indices[again], found.cosine[again] = exact.indices, exact.cosine
    return found


def _faiss_has_gpus() -> bool:
    # Without a GPU faiss is not imported: on macOS its OpenMP runtime and torch's may collide.
    if not torch.cuda.is_available():
        return False
    try:
        return bool(importlib.import_module("faiss").get_num_gpus())
    except ImportError:
        return False


def _empty(count: int, k: int) -> Neighbours:
    return Neighbours(
        np.empty((count, k), dtype=np.int32),
        np.empty((count, k), dtype=np.float32),
        np.empty(count, dtype=np.float32),
    )


def _largest(
    values: Float[Tensor, "r n"], k: int
) -> tuple[Int[ndarray, "r k"], Float[ndarray, "r k"]]:
    """Find the k largest of every row, largest first, equal ones by index."""
    top, places = values.topk(min(k + 1, values.shape[1]), dim=1)
    # Where one left out is as large as the last one taken, the choice is not by index yet.
    tied = (top[:, -1] == top[:, k - 1]).nonzero().flatten().tolist() if k < top.shape[1] else []
    places = places[:, :k].sort(dim=1).values
    for row in tied:
        near = (values[row] >= top[row, k - 1]).nonzero().flatten()
        order = values[row, near].sort(descending=True, stable=True).indices[:k]
        places[row] = near[order].sort().values
    chosen, order = values.gather(1, places).sort(dim=1, descending=True, stable=True)
    return places.gather(1, order).cpu().numpy(), chosen.cpu().numpy()


def pair_cosines(
    features: Float[Tensor, "n d"],
    rows: Int[ndarray, "p"],
    columns: Int[ndarray, "p"],
    *,
    others: Float[Tensor, "n d"] | None = None,
) -> Float[ndarray, "p"]:
    """Cosines (P,) of the pairs (row, column) of features (N, D) of unit length.

    With `others`, see `neighbours`, products of rows of the features and columns of the others.
    """
    others = features if others is None else others
    cosines = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), PAIRS):
        part = slice(start, start + PAIRS)
        one, other = (torch.from_numpy(side[part]).to(features.device) for side in (rows, columns))
        cosines[part] = (features[one] * others[other]).sum(1).cpu().numpy()
    return cosines
