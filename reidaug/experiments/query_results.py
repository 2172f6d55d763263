"""Results of every query of an evaluation, also of those that cannot be scored."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from reidaug.data.crop_names import JUNK
from reidaug.data.market1501 import Person
from reidaug.reid.evaluation.metrics import Identities
from reidaug.reid.evaluation.ranking import Metric, nearest, rank_matches

FILE = "queries.csv"


class QueryResult(NamedTuple):
    """What was found for one query; empty where it is not defined."""

    query: str  # file name
    person: str  # as written; -1: not known
    camera: str
    matches: int  # gallery crops of the person by other cameras
    ap: float | None  # average precision in percent
    first_match: int | None  # rank of the first match, from 1
    nearest: str | None  # file name of the nearest gallery crop
    distance: float | None  # its distance by the recipe's metric
    right: bool | None  # whether it shows the person


def query_results(
    query: Sequence[Person],
    query_features: Float[Tensor, "q d"],
    gallery: Sequence[Person],
    gallery_features: Float[Tensor, "g d"],
    ap: Sequence[float | None],
    *,
    metric: Metric = "cosine",
    memory_mb: int = 256,
) -> list[QueryResult]:
    """Search for every query once more and list what was found.

    Args:
        query: Q query crops.
        query_features: Their features (Q, D).
        gallery: G gallery crops.
        gallery_features: Their features (G, D).
        ap: Average precision of every query in percent; None where it has no match.
        metric: Distance of features.
        memory_mb: Bound on the distances held at a time.
    """
    if not query:
        return []
    asked, given = Identities.of(query), Identities.of(gallery)
    sets = (query_features, asked, gallery_features, given)
    ranks = rank_matches(*sets, metric=metric, memory_mb=memory_mb)
    found = nearest(*sets, 1, metric=metric, memory_mb=memory_mb)
    rows = []
    for k, person in enumerate(query):
        best, hits = int(found.indices[k, 0]), ranks[k]
        there = best >= 0
        rows.append(
            QueryResult(
                query=person.key,
                person=person.who,
                camera=person.words[1] or str(person.camid),
                matches=len(hits),
                ap=ap[k],
                first_match=int(hits[0]) + 1 if len(hits) else None,
                nearest=gallery[best].key if there else None,
                distance=round(float(found.distance[k, 0]), 6) if there else None,
                right=bool(found.right[k, 0]) if there and person.pid != JUNK else None,
            )
        )
    return rows


def as_csv(rows: Sequence[QueryResult]) -> bytes:
    """Write results as a table with a header; nothing where a value is not defined."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(QueryResult._fields)
    table.writerows(rows)
    return text.getvalue().encode(errors="surrogateescape")
