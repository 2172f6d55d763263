"""One cell of an experiment: train on one arm's crops with one seed, then search the gallery."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.data.people import Person
from reidaug.geometry.flow import Size
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.crops import Crops, Variation, normalised, varied
from reidaug.reid.evaluation.metrics import Crowd, QueryScores, score_queries, summarise
from reidaug.reid.evaluation.ranking import embed, search, search_by
from reidaug.reid.evaluation.rerank import gnn_rerank, k_reciprocal
from reidaug.reid.learner import Batch
from reidaug.reid.sampling import PeopleSampler, draw_mixed, mixed_pools

CMC_RANKS = 20

Rerank = Literal["none", "k_reciprocal", "gnn"]


class Feed(NamedTuple):
    """What the batches of a cell are made of.

    Attributes:
        real: Real crops.
        labels: Their labels.
        top: The arm's crops to draw on top.
        top_labels: Their labels.
        people: People a batch.
        images: Real crops a person and batch.
        on_top: Crops on top of a batch; 0 for none.
        vary: Variation of real crops.
        vary_top: Variation of the crops on top.
        top_roots: Which root each crop on top is from, where an arm mixes several.
    """

    real: Crops
    labels: Sequence[int]
    top: Crops
    top_labels: Sequence[int]
    people: int
    images: int
    on_top: int
    vary: Variation
    vary_top: Variation
    top_roots: Sequence[int] = ()

    def batches(
        self, *, steps: int, seed: int, real_only_from: int, device: torch.device
    ) -> Iterator[tuple[Batch, Batch | None]]:
        """Draw the batches of a cell.

        The real crops, their order and their variation depend on the seed alone, so that arms
        that share a seed see the same ones.

        Args:
            steps: How many.
            seed: Source of all chance.
            real_only_from: From this step on, the crops on top are real ones.
            device: Where the batches go.

        Yields:
            Real crops and crops on top of them, of the same people.
        """
        order, variation, top_order, top_variation = (stream(seed, i) for i in range(4))
        sampler = PeopleSampler(
            self.labels, people=self.people, images=self.images, generator=order
        )
        real_pools = mixed_pools(self.labels, ())
        top_pools = mixed_pools(self.top_labels, self.top_roots)
        for step, drawn in zip(range(steps), sampler.forever(), strict=False):
            labels = [self.labels[i] for i in drawn]
            images = varied(self.real.batch(drawn).to(device), variation, self.vary)
            real = Batch(images, torch.tensor(labels, device=device))
            if not self.on_top:
                yield real, None
                continue
            late = step >= real_only_from
            crops, pools = (self.real, real_pools) if late else (self.top, top_pools)
            above = draw_mixed(pools, labels[:: self.images], self.on_top, top_order)
            images = varied(crops.batch(above).to(device), top_variation, self.vary_top)
            named = [(self.labels if late else self.top_labels)[i] for i in above]
            yield real, Batch(images, torch.tensor(named, device=device))


def stream(seed: int, purpose: int) -> torch.Generator:
    """Make a source of chance for one purpose.

    Args:
        seed: Seed of the cell.
        purpose: Which of the cell's sources; different ones know nothing of each other.

    Returns:
        The source, on the CPU.
    """
    state = np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def plain_batches(
    crops: Crops, *, count: int, seed: int, device: torch.device, batches: int = 20
) -> Iterator[torch.Tensor]:
    """Draw unvaried crops, to measure batch norm's statistics on.

    Args:
        crops: Real crops.
        count: Crops a batch; fewer when there are fewer.
        seed: Source of chance.
        device: Where the batches go.
        batches: How many.

    Yields:
        Normalised crops.
    """
    chance = stream(seed, 4)
    for _ in range(batches):
        drawn = torch.randperm(len(crops), generator=chance)[:count].tolist()
        yield normalised(crops.batch(drawn).to(device))


class Tested(NamedTuple):
    """How a model did, in percent.

    Attributes:
        scores: ``mAP``, ``mAP_trapezoid``, ``mINP``, ``rank1``, ``rank5``, ``rank10``, ``rank20``.
        cmc: Share of queries with a match among the first 1, 2, ... 20.
        ap: Average precision of every query; None where it has no match.
        unmatched: Queries without a match.
    """

    scores: dict[str, float]
    cmc: list[float]
    ap: list[float | None]
    unmatched: int

    @classmethod
    def of(cls, found: QueryScores) -> "Tested":
        """Sum up the scores of every query.

        Args:
            found: Shares in [0, 1].

        Returns:
            The same in percent.
        """
        total = summarise(found, ranks=CMC_RANKS)
        cmc = [100 * float(value) for value in total.cmc]
        scores = {
            "mAP": 100 * total.mAP,
            "mAP_trapezoid": 100 * total.mAP_trapezoid,
            "mINP": 100 * total.mINP,
            **{f"rank{rank}": cmc[rank - 1] for rank in (1, 5, 10, 20)},
        }
        ap = [None if np.isnan(value) else 100 * float(value) for value in found.ap]
        return cls(scores, cmc, ap, total.unmatched)


class Seen(NamedTuple):
    """What a model sees in the crops it is tried on, and who they show.

    Attributes:
        query_features: Features (Q, D) as `reidaug.reid.evaluation.ranking.embed` gives them.
        query: Ids of the queries.
        gallery_features: Features (G, D).
        gallery: Ids of the gallery.
    """

    query_features: Float[Tensor, "q d"]
    query: Crowd
    gallery_features: Float[Tensor, "g d"]
    gallery: Crowd


def see(
    model: ReIDModel,
    query: Sequence[Person],
    gallery: Sequence[Person],
    *,
    size: Size,
    cache_mb: int = 0,
    **embedding: Any,
) -> Seen:
    """Embed the crops a model is tried on.

    Args:
        model: Put into eval mode.
        query: Crops to search for.
        gallery: Crops to search among; the same object where they are the queries.
        size: (height, width) the model sees.
        cache_mb: Bound on the crops kept in memory.
        embedding: Keywords of `reidaug.reid.evaluation.ranking.embed`.

    Returns:
        Their features and ids.
    """
    features = []
    for people in (query,) if query is gallery else (query, gallery):
        crops = Crops([person.path for person in people], size=size, cache_mb=cache_mb)
        features.append(embed(model, crops, **embedding))
    return Seen(features[0], Crowd.of(query), features[-1], Crowd.of(gallery))


def try_out(seen: Seen, *, memory_mb: int = 256, rerank: Rerank = "none") -> Tested:
    """Search the gallery for every query.

    Args:
        seen: Features and ids.
        memory_mb: Bound on the distances held at a time.
        rerank: What the gallery is ranked by: ``none`` is the angle between features, the others
            are functions of `reidaug.reid.evaluation.rerank` with the papers' numbers. Junk in the
            gallery never counts, but it is among the neighbours that re-ranking looks at.

    Returns:
        How the model did.
    """
    if rerank == "none":
        return Tested.of(score_queries(search(*seen, memory_mb=memory_mb)))
    reranked = k_reciprocal if rerank == "k_reciprocal" else gnn_rerank
    alone = seen.query_features is seen.gallery_features  # everybody is looked for among all
    gallery = None if alone else seen.gallery_features
    blocks = reranked(seen.query_features, gallery, memory_mb=memory_mb)
    return Tested.of(score_queries(search_by(blocks, seen.query, seen.gallery)))
