"""Queries of tracklet datasets: which frames of the test folder are searched for, which found.

MARS and MEVID name tracklets as queries. Here crops are searched for, so the first frame of such a
tracklet is the query, its other frames are left out, and all other frames are the gallery.
"""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from reidaug.data.layouts import Tracks
from reidaug.errors import ReidaugError
from reidaug.files import check_regular, read_text

MOST = 2**48  # beyond are no numbers of lines, persons or cameras


class QueryFrames(NamedTuple):
    """Frames of the query tracklets of a test folder, by file name."""

    queries: frozenset[str]  # the first frame of each query tracklet
    others: frozenset[str]  # the other frames of these


def read_query_frames(root: Path, tracks: Tracks) -> QueryFrames:
    """Read which frames are queries.

    Args:
        root: The dataset.
        tracks: The files that tell it.

    Raises:
        ReidaugError: A file is missing or damaged, or points to frames that the others lack.
    """
    names = [line.strip() for line in read_text(root / tracks.names).splitlines() if line.strip()]
    info = _numbers(root / tracks.info)
    chosen = _numbers(root / tracks.queries).reshape(-1) - tracks.first
    if info.ndim != 2 or info.shape[1] < 2:
        raise ReidaugError(f"{root / tracks.info}: expected first and last line of each tracklet")
    if len(chosen) and not (chosen.min() >= 0 and chosen.max() < len(info)):
        raise ReidaugError(
            f"{root / tracks.queries}: names tracklets beyond the {len(info):,} of {tracks.info}"
        )
    queries, others = set[str](), set[str]()
    for first, last in (info[chosen][:, :2] - tracks.first).tolist():
        if not 0 <= first <= last < len(names):
            raise ReidaugError(
                f"{root / tracks.info}: a tracklet of lines {first + tracks.first} to "
                f"{last + tracks.first}, but {tracks.names} has {len(names):,}"
            )
        queries.add(names[first])
        others.update(names[first + 1 : last + 1])
    return QueryFrames(frozenset(queries), frozenset(others - queries))


def _numbers(path: Path) -> Int[ndarray, "..."]:
    """Read whole numbers from text, or from the one array of a MATLAB file."""
    check_regular(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of empty files
            values = _array_of(path) if path.suffix == ".mat" else np.loadtxt(path, ndmin=1)
        numbers = np.asarray(values, dtype=np.float64)
        if not (np.abs(numbers) < MOST).all() or (numbers % 1).any():
            raise ValueError
        return numbers.astype(np.int64)
    except Exception:  # scipy raises what it likes about files that are none of MATLAB's
        raise ReidaugError(f"{path}: not readable as a table of whole numbers") from None


def _array_of(path: Path) -> Any:
    from scipy.io import loadmat

    content = loadmat(path)
    names = [name for name in content if not name.startswith("__")]
    if len(names) != 1:
        raise ValueError
    return content[names[0]]
