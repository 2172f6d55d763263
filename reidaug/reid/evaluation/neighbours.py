"""The exact nearest neighbours of every item of a set, a bounded part of the matrix at a time."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from reidaug.reid.evaluation.ranking import rows_within

# Cosines this near to 1 cannot be told from 1 in single precision: such items are copies.
ROUNDING = 2e-6
# Features gathered at a time: few enough to stay in a processor's cache.
PAIRS = 1024


class Neighbours(NamedTuple):
    """The k nearest of every item, itself among them.

    Attributes:
        indices: Neighbours (N, k), nearest first and every item first of its own. Equally near
            ones, as copies of one item are, go by index.
        cosine: Their cosines (N, k) in [-1, 1].
        farthest: Distance 1 - cosine (N,) of every item to the farthest of all, in (0, 2].
    """

    indices: Int[ndarray, "n k"]
    cosine: Float[ndarray, "n k"]
    farthest: Float[ndarray, "n"]


def neighbours(features: Float[Tensor, "n d"], k: int, *, memory_mb: int = 256) -> Neighbours:
    """Find the k nearest of every item by brute force.

    Args:
        features: Features (N, D) of unit length.
        k: How many, the item itself counted; all N where there are fewer.
        memory_mb: Bound on the part of the (N, N) matrix held at a time; one row is the least.

    Returns:
        Them, their cosines and the farthest distance.
    """
    count = len(features)
    k = min(k, count)
    rows = rows_within(memory_mb, 4 * count)
    held = features.new_empty((min(rows, count), count))
    found = Neighbours(
        np.empty((count, k), dtype=np.int32),
        np.empty((count, k), dtype=np.float32),
        np.empty(count, dtype=np.float32),
    )
    for start in range(0, count, rows):
        part = slice(start, min(start + rows, count))
        cosines = torch.mm(features[part], features.T, out=held[: part.stop - start])
        found.farthest[part] = (1 - cosines.amin(1)).clamp(min=ROUNDING).cpu().numpy()
        cosines.clamp_(max=1 - ROUNDING)
        cosines.diagonal(start).fill_(1)  # before its copies
        found.indices[part], found.cosine[part] = _largest(cosines, k)
    return found


def _largest(
    values: Float[Tensor, "r n"], k: int
) -> tuple[Int[ndarray, "r k"], Float[ndarray, "r k"]]:
    """Find the k largest of every row, largest first, equal ones by place."""
    top, places = values.topk(min(k + 1, values.shape[1]), dim=1)
    # Where one left out is as large as the last one taken, the choice is not by place yet.
    tied = (top[:, -1] == top[:, k - 1]).nonzero().flatten().tolist() if k < top.shape[1] else []
    places = places[:, :k].sort(dim=1).values
    for row in tied:
        near = (values[row] >= top[row, k - 1]).nonzero().flatten()
        order = values[row, near].sort(descending=True, stable=True).indices[:k]
        places[row] = near[order].sort().values
    chosen, order = values.gather(1, places).sort(dim=1, descending=True, stable=True)
    return places.gather(1, order).cpu().numpy(), chosen.cpu().numpy()


def pair_cosines(
    features: Float[Tensor, "n d"], rows: Int[ndarray, "p"], columns: Int[ndarray, "p"]
) -> Float[ndarray, "p"]:
    """Compute the cosines of listed pairs alone.

    Args:
        features: Features (N, D) of unit length.
        rows: One item of every pair.
        columns: The other.

    Returns:
        Cosines (P,).
    """
    cosines = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), PAIRS):
        part = slice(start, start + PAIRS)
        one, other = (torch.from_numpy(side[part]).to(features.device) for side in (rows, columns))
        cosines[part] = (features[one] * features[other]).sum(1).cpu().numpy()
    return cosines
