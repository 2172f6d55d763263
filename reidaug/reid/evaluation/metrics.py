"""Retrieval metrics under Market-1501's single-query protocol: mAP, mINP, CMC.

For every query the gallery loses junk (pid -1) and the crops of the same person by the same
camera; distractors (pid 0) stay and count as wrong. The rest is ranked by distance. At equal
distances wrong crops come first, so that no order of the gallery's files helps: features that say
nothing score as badly as they are, and every score is exact and repeatable.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from reidaug.data.crop_names import JUNK
from reidaug.errors import ReidaugError


class Identities(NamedTuple):
    """Person and camera ids of a query or gallery set."""

    pids: Int[ndarray, "n"]  # person ids (N,); -1 is junk, 0 a distractor
    camids: Int[ndarray, "n"]  # camera ids (N,)

    @classmethod
    def of(cls, people: Iterable[tuple[Any, ...]]) -> "Identities":
        """Take the ids of records (path, pid, camid) such as `reidaug.data.market1501.Person`."""
        rows = list(people)
        return cls(
            np.array([row[1] for row in rows], dtype=np.int64),
            np.array([row[2] for row in rows], dtype=np.int64),
        )


class QueryScores(NamedTuple):
    """Scores of each query; NaN where it has no match in the gallery."""

    ap: Float[ndarray, "q"]  # average precision (Q,) as torchreid and fast-reid compute it
    # (Q,) by the trapezoid rule of the Oxford and original Market-1501 code, which DG-Net reports;
    # never above `ap`.
    ap_trapezoid: Float[ndarray, "q"]
    inp: Float[ndarray, "q"]  # inverse negative penalty (Q,): matches over the rank of the last one
    first: Float[ndarray, "q"]  # rank (Q,) of the first match, counted from 0


class Scores(NamedTuple):
    """Scores of a whole query set, each a share in [0, 1]; NaN where no query has a match."""

    # Means of `QueryScores.ap`, `ap_trapezoid` and `inp`.
    mAP: float  # noqa: N815
    mAP_trapezoid: float  # noqa: N815
    mINP: float  # noqa: N815
    cmc: Float[ndarray, "k"]  # CMC[k] (K,): share of queries with a match among the first k + 1
    queries: int  # queries that have a match and are counted
    unmatched: int  # queries left out for want of a match in the gallery


def hit_ranks(
    distances: Float[ndarray, "q g"], query: Identities, gallery: Identities
) -> list[Int[ndarray, "_"]]:
    """Rank the matches of every query, ascending from 0; empty without a match.

    The rank of a match is the number of gallery crops before it, found by counting instead of
    sorting the row: few crops are matches, so this takes a fraction of the time. Wrong crops at the
    distance of a match are before it. torchreid and fast-reid rank equal distances by position in
    the gallery, which lets a sorted list of files help features that are all the same.

    Args:
        distances: Distances (Q, G) of queries to gallery crops, left unchanged.
        query: Identities of the queries.
        gallery: Identities of the gallery.

    Raises:
        ReidaugError: A distance is not a number.
        ValueError: There are more or fewer distances than pairs of a query and a gallery crop.
    """
    check_distances(distances, query, gallery)
    kept = gallery.pids != JUNK
    if not kept.all():
        distances = distances[:, kept]
        gallery = Identities(gallery.pids[kept], gallery.camids[kept])
    order = np.argsort(gallery.pids, kind="stable")
    ids = gallery.pids[order]
    starts = np.searchsorted(ids, query.pids, side="left")
    stops = np.searchsorted(ids, query.pids, side="right")
    ranks = []
    for row, camid, start, stop in zip(distances, query.camids, starts, stops, strict=True):
        same_person = order[start:stop]
        same_camera = gallery.camids[same_person] == camid
        ranks.append(_count(row, same_person[~same_camera], same_person[same_camera]))
    return ranks


def check_distances(
    distances: Float[ndarray, "q g"], query: Identities, gallery: Identities
) -> None:
    """Check distances (Q, G), which no comparison of a NaN would; errors as of `hit_ranks`."""
    wanted = (len(query.pids), len(gallery.pids))
    if distances.shape != wanted or any(
        ids.shape != (count,) for part, count in zip((query, gallery), wanted, strict=True)
        for ids in part
    ):  # fmt: skip
        raise ValueError(
            f"distances {tuple(distances.shape)} of {wanted[0]} queries and {wanted[1]} gallery "
            f"crops, with {len(query.camids)} and {len(gallery.camids)} cameras"
        )
    if distances.size and np.isnan(np.min(distances)):
        raise ReidaugError("a distance of a query and a gallery crop is not a number")


def _count(
    row: Float[ndarray, "g"], matches: Int[ndarray, "m"], removed: Int[ndarray, "r"]
) -> Int[ndarray, "m"]:
    """Count the crops before each match, wrong ones at its distance among them."""
    if not matches.size:
        return np.zeros(0, dtype=np.int64)
    at = np.sort(row[matches])
    near = row[row <= at[-1]]
    not_wrong = np.sort(row[np.concatenate((matches, removed))])
    every = [np.count_nonzero(near <= value) for value in at]
    wrong = np.array(every, dtype=np.int64) - np.searchsorted(not_wrong, at, side="right")
    return wrong + np.arange(len(at))


def score_queries(ranks: Sequence[Int[ndarray, "_"]]) -> QueryScores:
    """Score every query by the ranks of its matches, see `hit_ranks`.

    Source:
        With 0-based ranks r_0 < r_1 < ... and p_i = (i + 1) / (r_i + 1), AP is the mean of p_i;
        the trapezoid rule takes the mean of (o_i + p_i) / 2, o_i = i / r_i and o_0 = 1 if r_0 = 0.
    """
    scores = np.full((4, len(ranks)), np.nan)
    for column, hits in enumerate(ranks):
        if not hits.size:
            continue
        count = np.arange(hits.size)
        precision = (count + 1) / (hits + 1)
        before = np.where(hits > 0, count / np.maximum(hits, 1), 1.0)
        scores[:, column] = (
            precision.mean(),
            (before + precision).mean() / 2,
            hits.size / (hits[-1] + 1),
            hits[0],
        )
    return QueryScores(*scores)


def summarise(scores: QueryScores, *, ranks: int = 50) -> Scores:
    """Average the scores of the queries that have a match, with a CMC curve of ``ranks`` values.

    All are NaN when no query has a match: there is nothing to average.
    """
    counted = ~np.isnan(scores.first)
    queries = int(counted.sum())
    if not queries:
        return Scores(np.nan, np.nan, np.nan, np.full(ranks, np.nan), 0, len(counted))
    first = scores.first[counted]
    cmc = np.array([(first <= rank).mean() for rank in range(ranks)])
    ap, trapezoid, inp = (float(part[counted].mean()) for part in scores[:3])
    return Scores(ap, trapezoid, inp, cmc, queries, len(counted) - queries)
