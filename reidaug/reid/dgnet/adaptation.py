"""What a round of unsupervised adaptation learns from: two domains, pseudo-labels, warps."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray

from reidaug.jobs import torch_generator
from reidaug.reid.batches import Batch
from reidaug.reid.crop_transforms import CropTransforms, transform_crops
from reidaug.reid.crops import Crops
from reidaug.reid.dgnet.batches import TARGET, Chosen, Mixer, SourcePairs
from reidaug.reid.dgnet.swapping import Side
from reidaug.reid.evaluation.cluster import OUTLIER
from reidaug.reid.sampling import crop_pools, draw_extra

Pairs = Mixer | SourcePairs


class Domain(NamedTuple):
    """The training crops of a domain and what they are called.

    Attributes:
        crops: The crops.
        labels: Label of each; -1 for a crop that is not learnt from.
    """

    crops: Crops
    labels: Sequence[int]


class Warped(NamedTuple):
    """Crops that come on top and inherit the labels of those they were made of.

    Attributes:
        crops: The crops.
        origins: For each the place among the target's crops of the one it was made of.
        roots: Which root each is from, where an arm mixes several.
    """

    crops: Crops
    origins: Sequence[int]
    roots: Sequence[int] = ()


class Feed(NamedTuple):
    """What the steps of a stage are made of.

    Attributes:
        pairs: Draws pairs of batches.
        domains: Source, and target if there is one.
        transforms: Transforms of all crops, without erasing, which is the learner's.
        warps: Extra crops, for people of the target alone.
        extra_count: How many of them a target batch brings along.
    """

    pairs: Pairs
    domains: tuple[Domain, ...]
    transforms: CropTransforms
    warps: Warped | None = None
    extra_count: int = 0

    def steps(
        self, count: int, *, seed: int, start: int = 0, device: torch.device | None = None
    ) -> Iterator[tuple[Side, Side, Batch | None]]:
        """Draw the batches of a stage.

        Which crops a pair holds depends on the pairs' own chance; how they are augmented, and what
        comes on top, on the seed and the number of the step alone.

        Args:
            count: Length of the stage.
            seed: Source of chance.
            start: Steps that were taken before; their pairs are drawn and passed over.
            device: Where the batches go.

        Yields:
            Both batches of a pair, and the extra crops if there are any.
        """
        pools = self._pools()
        for step, pair in enumerate(islice(_forever(self.pairs), start, count), start):
            chance = torch_generator(seed, step)
            first, second = (self._side(drawn, chance, device) for drawn in pair)
            yield first, second, self._above(pair, pools, chance, device)

    def _side(self, drawn: Chosen, chance: torch.Generator, device: torch.device | None) -> Side:
        crops, labels = self.domains[drawn.domain]
        images, positives = (
            transform_crops(crops.batch(indices).to(device), chance, self.transforms)
            for indices in (drawn.crops, drawn.positives)
        )
        named = torch.tensor([labels[i] for i in drawn.crops], device=device)
        return Side(images, positives, named, drawn.domain)

    def _pools(self) -> list[dict[int, list[int]]]:
        """List the extra crops by root and by the label they inherit."""
        if self.warps is None or not self.extra_count:
            return []
        labels = self.domains[TARGET].labels
        inherited = [labels[origin] for origin in self.warps.origins]
        pools = crop_pools(inherited, self.warps.roots)
        for pool in pools:
            pool.pop(OUTLIER, None)
        return pools

    def _above(
        self,
        pair: tuple[Chosen, Chosen],
        pools: list[dict[int, list[int]]],
        chance: torch.Generator,
        device: torch.device | None,
    ) -> Batch | None:
        target = [drawn for drawn in pair if drawn.domain == TARGET]
        if self.warps is None or not target or not pools:
            return None
        labels = self.domains[TARGET].labels
        named = dict.fromkeys(labels[i] for drawn in target for i in drawn.crops)
        people = [label for label in named if label in pools[0]]
        if not people:
            return None
        drawn = draw_extra(pools, people, self.extra_count * len(target), chance)
        images = transform_crops(self.warps.crops.batch(drawn).to(device), chance, self.transforms)
        own = [labels[self.warps.origins[i]] for i in drawn]
        return Batch(images, torch.tensor(own, device=device))


def target_labels(clusters: Int[ndarray, "n"], people: int) -> list[int]:
    """Number clusters after the source's people.

    Args:
        clusters: Cluster of each target crop (N,), -1 for an outlier.
        people: Number of source people.

    Returns:
        ``people`` + cluster; -1 for an outlier, which is not learnt from in this round.

    Source:
        DG-Net++, facts of its self-training: cluster c is class ``people`` + c.
    """
    return [int(label) for label in np.where(clusters >= 0, people + clusters, OUTLIER)]


def _forever(pairs: Pairs) -> Iterator[tuple[Chosen, Chosen]]:
    while True:
        yield from pairs
