"""Batches of a training stage: pairs of batches from one or two domains, and extra crops."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import torch

from reidaug.jobs import torch_generator
from reidaug.reid.batches import Batch
from reidaug.reid.crop_transforms import CropTransforms, transform_crops
from reidaug.reid.crops import Crops
from reidaug.reid.dgnet.sampling import TARGET, BatchIndices, DomainPairSampler, SourcePairSampler
from reidaug.reid.dgnet.swapping import DomainBatch
from reidaug.reid.evaluation.cluster import OUTLIER
from reidaug.reid.sampling import crop_pools, draw_extra

Pools = list[dict[int, list[int]]]


class LabelledCrops(NamedTuple):
    """Training crops of a domain.

    Attributes:
        crops: The crops.
        labels: Label of each; -1 for a crop that is left out.
    """

    crops: Crops
    labels: Sequence[int]


class ExtraCrops(NamedTuple):
    """Extra crops of the target, which inherit the labels of the crops they were warped from.

    Attributes:
        crops: The crops.
        origins: For each the index of its original among the target's crops.
        per_batch: Extra crops for each target batch.
        roots: Which root each is from, where an arm mixes several.
    """

    crops: Crops
    origins: Sequence[int]
    per_batch: int
    roots: Sequence[int] = ()


class StepBatches(NamedTuple):
    """Batches of one step: a, b, and extra crops if there are any."""

    a: DomainBatch
    b: DomainBatch
    extra: Batch | None


class PairLoader(NamedTuple):
    """Loader of the batches of a training stage.

    Attributes:
        sampler: Draws pairs of batches.
        domains: Source, and target if there is one.
        transforms: Transforms of all crops; erasing is done by the trainer.
        extra: Extra crops, for identities of the target only.
    """

    sampler: SourcePairSampler | DomainPairSampler
    domains: tuple[LabelledCrops, ...]
    transforms: CropTransforms
    extra: ExtraCrops | None = None

    def batches(
        self, steps: int, *, seed: int, start: int = 0, device: torch.device | None = None
    ) -> Iterator[StepBatches]:
        """Load the batches of a stage.

        The pairs depend on the sampler's random generator; transforms and extra crops on the seed
        and the number of the step only.

        Args:
            steps: Length of the stage.
            seed: Random seed.
            start: Steps that were taken before; their pairs are drawn and skipped.
            device: Device of the batches.

        Yields:
            The batches of a step.
        """
        pools = self._extra_pools()
        for step, pair in enumerate(islice(self._pairs(), start, steps), start):
            generator = torch_generator(seed, step)
            a, b = (self._load(indices, generator, device) for indices in pair)
            yield StepBatches(a, b, self._load_extra(pair, pools, generator, device))

    def _pairs(self) -> Iterator[tuple[BatchIndices, BatchIndices]]:
        while True:
            yield from self.sampler

    def _load(
        self, indices: BatchIndices, generator: torch.Generator, device: torch.device | None
    ) -> DomainBatch:
        crops, labels = self.domains[indices.domain]
        images, positives = (
            transform_crops(crops.batch(some).to(device), generator, self.transforms)
            for some in (indices.crops, indices.positives)
        )
        own = torch.tensor([labels[i] for i in indices.crops], device=device)
        return DomainBatch(images, positives, own, indices.domain, tuple(indices.crops))

    def _extra_pools(self) -> Pools:
        """List the extra crops by root and inherited label."""
        if self.extra is None or not self.extra.per_batch:
            return []
        labels = self.domains[TARGET].labels
        inherited = [labels[origin] for origin in self.extra.origins]
        pools = crop_pools(inherited, self.extra.roots)
        for pool in pools:
            pool.pop(OUTLIER, None)
        return pools

    def _load_extra(
        self,
        pair: tuple[BatchIndices, BatchIndices],
        pools: Pools,
        generator: torch.Generator,
        device: torch.device | None,
    ) -> Batch | None:
        target = [indices for indices in pair if indices.domain == TARGET]
        if self.extra is None or not target or not pools:
            return None
        labels = self.domains[TARGET].labels
        own = dict.fromkeys(labels[i] for indices in target for i in indices.crops)
        people = [label for label in own if label in pools[0]]
        if not people:
            return None
        drawn = draw_extra(pools, people, self.extra.per_batch * len(target), generator)
        images = transform_crops(
            self.extra.crops.batch(drawn).to(device), generator, self.transforms
        )
        inherited = [labels[self.extra.origins[i]] for i in drawn]
        return Batch(images, torch.tensor(inherited, device=device))
