"""Retrieval evaluation: mAP, mINP and CMC of a model's features, with or without re-ranking."""

from typing import Literal, NamedTuple, get_args

import numpy as np

from reidaug.reid.evaluation.metrics import QueryScores, score_queries, summarise
from reidaug.reid.evaluation.ranking import Metric, rank_by_distances, rank_matches
from reidaug.reid.evaluation.rerank import gnn_rerank, k_reciprocal
from reidaug.reid.features import RetrievalFeatures

CMC_RANKS = 20

Rerank = Literal["none", "k_reciprocal", "gnn"]


class Evaluation(NamedTuple):
    """Retrieval scores of a model, in percent."""

    # ``mAP``, ``mAP_trapezoid``, ``mINP``, ``rank1``, ``rank5``, ``rank10``, ``rank20``.
    # None where no query has a match.
    scores: dict[str, float | None]
    cmc: list[float | None]  # share of queries with a match among the first 1, 2, ... 20.
    ap: list[float | None]  # average precision of every query; None where it has no match
    unmatched: int  # number of queries without a match

    def score(self, name: str) -> float:
        """Look a score up; NaN where it is not defined."""
        value = self.scores[name]
        return np.nan if value is None else value

    @property
    def curve(self) -> list[float]:
        """The CMC curve; NaN where it is not defined."""
        return [np.nan if value is None else value for value in self.cmc]

    @classmethod
    def of(cls, queries: QueryScores) -> "Evaluation":
        """Summarise the scores of all queries."""
        total = summarise(queries, ranks=CMC_RANKS)
        cmc = [_percent(value) for value in total.cmc]
        scores = {
            "mAP": _percent(total.mAP),
            "mAP_trapezoid": _percent(total.mAP_trapezoid),
            "mINP": _percent(total.mINP),
            **{f"rank{rank}": cmc[rank - 1] for rank in (1, 5, 10, 20)},
        }
        ap = [_percent(value) for value in queries.ap]
        return cls(scores, cmc, ap, total.unmatched)


def evaluate(
    features: RetrievalFeatures,
    *,
    metric: Metric = "cosine",
    memory_mb: int = 256,
    rerank: Rerank = "none",
) -> Evaluation:
    """Search the gallery for every query and score the ranking.

    Args:
        features: Features and identities of query and gallery.
        metric: Distance of features, also of those that are re-ranked: 1 - cosine, or Euclidean of
            the features as they are.
        memory_mb: Bound on the distances held at a time.
        rerank: ``none`` ranks by `metric`; ``k_reciprocal`` and ``gnn`` by the distances of
            `reidaug.reid.evaluation.rerank` with the parameters of their papers. Junk of the
            gallery never counts, but it is among the neighbours that re-ranking uses.

    Raises:
        ReidaugError: A feature is not finite.
        ValueError: There is no such metric or method, or not one feature for every person.
    """
    for name, value, known in (("metric", metric, Metric), ("rerank", rerank, Rerank)):
        if value not in get_args(known):
            raise ValueError(f"{name} is one of {', '.join(get_args(known))}, got {value!r}")
    if rerank == "none":
        ranks = rank_matches(*features, metric=metric, memory_mb=memory_mb)
        return Evaluation.of(score_queries(ranks))
    rerank_distances = k_reciprocal if rerank == "k_reciprocal" else gnn_rerank
    one_set = features.query_features is features.gallery_features
    gallery = None if one_set else features.gallery_features
    blocks = rerank_distances(
        features.query_features,
        gallery,
        metric="cosine" if metric == "cosine" else "raw_euclidean",
        memory_mb=memory_mb,
    )
    return Evaluation.of(score_queries(rank_by_distances(blocks, features.query, features.gallery)))


def _percent(share: float) -> float | None:
    return None if np.isnan(share) else 100 * float(share)
