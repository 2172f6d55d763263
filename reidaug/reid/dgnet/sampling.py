"""Samplers of pairs of batches: from the source (DG-Net) or from two domains (DG-Net++)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from reidaug.reid.sampling import crops_by_person

SOURCE, TARGET = 0, 1


class BatchIndices(NamedTuple):
    """One batch of a pair, as indices into the crops of its domain.

    Attributes:
        domain: 0 source, 1 target.
        crops: Indices.
        positives: For each another crop of the same label; the crop itself where there is no other.
    """

    domain: int
    crops: list[int]
    positives: list[int]


class PairSampler:
    """Sampler of pairs of batches of one or two domains.

    In every epoch each crop is once in the first and once in the second batch of a pair, apart from
    a remainder smaller than a batch. The random generator continues from epoch to epoch.

    Args:
        labels: For each domain the label of every crop; crops of a negative label (outliers) are
            left out.
        batch: Crops in each batch of a pair.
        generator: Random generator.

    Raises:
        ValueError: A batch has less than two crops, or a domain less than a batch.
    """

    def __init__(
        self, labels: Sequence[Sequence[int]], *, batch: int, generator: torch.Generator
    ) -> None:
        self.batch, self.generator = batch, generator
        self.positives = [PositiveSampler(one) for one in labels]
        self.kept = [[i for i, label in enumerate(one) if label >= 0] for one in labels]
        self.each = min(len(crops) for crops in self.kept) // batch
        if batch < 2 or self.each < 1:
            counts = " and ".join(str(len(crops)) for crops in self.kept)
            raise ValueError(
                f"batches of {batch}: need 2 crops or more a batch and one batch a domain, got "
                f"{counts} crops"
            )

    def _pair(self, indices: Sequence[tuple[int, list[int]]]) -> tuple[BatchIndices, BatchIndices]:
        first, second = (
            BatchIndices(domain, crops, self.positives[domain].draw(crops, self.generator))
            for domain, crops in indices
        )
        return first, second

    def _batches(self, crops: list[int]) -> list[list[int]]:
        return split_batches([crops[i] for i in self._permutation(len(crops))], self.batch)

    def _permutation(self, count: int) -> list[int]:
        return torch.randperm(count, generator=self.generator).tolist()


class DomainPairSampler(PairSampler):
    """Sampler of DG-Net++: pairs mostly of one domain, some of both, in random order.

    Every epoch subsamples both domains to the size of the smaller one.

    Args:
        source: Label of every source crop.
        target: Label of every target crop. Where there are no labels, give every crop its own.
        batch: Crops in each batch of a pair.
        pure: Share of the pairs that are of one domain.
        source_pairs: Whether there are pairs of the source alone; DG-Net++ leaves them out after
            its first round.
        generator: Random generator.

    Raises:
        ValueError: As `PairSampler`, or ``pure`` is not in [0, 1].

    Source:
        DG-Net++: AA 45 %, BB 45 %, AB 5 %, BA 5 %; 2 S / batch pairs per epoch, S being the size of
        the smaller domain. Shares are rounded to whole pairs.
    """

    def __init__(
        self,
        source: Sequence[int],
        target: Sequence[int],
        *,
        batch: int,
        generator: torch.Generator,
        pure: float = 0.9,
        source_pairs: bool = True,
    ) -> None:
        super().__init__((source, target), batch=batch, generator=generator)
        if not 0 <= pure <= 1:
            raise ValueError(f"the share of pure pairs must be in [0, 1], got {pure}")
        same = round(pure * self.each)
        mixed = self.each - same
        self.kinds = [
            *[(SOURCE, SOURCE)] * same * source_pairs,
            *[(TARGET, TARGET)] * same,
            *[(SOURCE, TARGET), (TARGET, SOURCE)] * mixed,
        ]

    def __len__(self) -> int:
        """Count the pairs of an epoch."""
        return len(self.kinds)

    def __iter__(self) -> Iterator[tuple[BatchIndices, BatchIndices]]:
        """Draw the pairs of one epoch."""
        size = min(len(crops) for crops in self.kept)
        pools = [[crops[i] for i in self._permutation(len(crops))][:size] for crops in self.kept]
        queues = [[self._batches(pool) for pool in pools] for _ in range(2)]
        for kind in self._permutation(len(self.kinds)):
            yield self._pair(
                [(domain, queues[i][domain].pop()) for i, domain in enumerate(self.kinds[kind])]
            )


class SourcePairSampler(PairSampler):
    """Sampler of DG-Net, which trains on one domain.

    Args:
        labels: Label of every crop.
        batch: Crops in each batch of a pair.
        generator: Random generator.

    Source:
        DG-Net: two loaders of the same crops.
    """

    def __init__(self, labels: Sequence[int], *, batch: int, generator: torch.Generator) -> None:
        super().__init__((labels,), batch=batch, generator=generator)

    def __len__(self) -> int:
        """Count the pairs of an epoch."""
        return self.each

    def __iter__(self) -> Iterator[tuple[BatchIndices, BatchIndices]]:
        """Draw the pairs of one epoch."""
        first, second = self._batches(self.kept[SOURCE]), self._batches(self.kept[SOURCE])
        for a, b in zip(first, second, strict=True):
            yield self._pair([(SOURCE, a), (SOURCE, b)])


class PositiveSampler:
    """Sampler of positives: for a crop another one of the same label.

    Args:
        labels: Label of every crop.
    """

    def __init__(self, labels: Sequence[int]) -> None:
        self.labels, self.crops = labels, crops_by_person(labels)

    def draw(self, crops: list[int], generator: torch.Generator) -> list[int]:
        """Draw for each crop another one of its label, uniformly; itself if there is no other."""
        positives = []
        for crop in crops:
            others = self.crops[self.labels[crop]]
            if len(others) == 1:
                positives.append(crop)
                continue
            drawn = others[int(torch.randint(len(others) - 1, (), generator=generator))]
            # The last one is not in the draw: the crop itself stands for it.
            positives.append(others[-1] if drawn == crop else drawn)
        return positives


def split_batches(crops: list[int], batch: int) -> list[list[int]]:
    """Split indices into batches in their order; a remainder is left out."""
    return [crops[i : i + batch] for i in range(0, len(crops) - batch + 1, batch)]
