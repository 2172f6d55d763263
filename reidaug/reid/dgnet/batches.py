"""Pairs of batches from two domains, mostly of the same one: DG-Net++'s epochs."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from reidaug.reid.sampling import crops_by_person

SOURCE, TARGET = 0, 1


class Chosen(NamedTuple):
    """One batch of a pair, as indices into the crops of its domain.

    Attributes:
        domain: 0 source, 1 target.
        crops: Indices.
        positives: For each another crop of the same label; the crop itself where there is no other.
    """

    domain: int
    crops: list[int]
    positives: list[int]


class Mixer:
    """Draws the pairs of batches of DG-Net++, epoch after epoch.

    Every epoch takes as many crops of each domain as the smaller one has, drawn anew; each of them
    is once in the first batch of a pair and once in the second, but for a remainder smaller than a
    batch. The order of the pairs is random.

    Args:
        source: Label of every source crop.
        target: Label of every target crop; crops of a negative label (outliers) are never drawn.
            Where nobody knows labels, give every crop its own.
        batch: Crops in each batch of a pair.
        pure: Share of the pairs that are of one domain.
        source_pairs: Whether pairs of the source alone are drawn; DG-Net++ leaves them out after
            its first round.
        generator: Source of chance; it goes on from epoch to epoch.

    Raises:
        ValueError: The smaller domain has not two crops or not one batch, or ``pure`` is no share.

    Source:
        DG-Net++: AA 45 %, BB 45 %, AB 5 %, BA 5 %; 2 S / batch pairs an epoch, S being the size of
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
        kept = [[i for i, label in enumerate(labels) if label >= 0] for labels in (source, target)]
        self.each = min(len(crops) for crops in kept) // batch
        if batch < 2 or self.each < 1:
            raise ValueError(
                f"{len(kept[SOURCE])} source and {len(kept[TARGET])} target crops are too few for "
                f"batches of {batch}, or batches of less than 2 were asked for"
            )
        if not 0 <= pure <= 1:
            raise ValueError(f"the share of pure pairs must be in [0, 1], got {pure}")
        self.kept, self.batch, self.generator = kept, batch, generator
        self.positives = [Positives(labels) for labels in (source, target)]
        same = round(pure * self.each)
        other = self.each - same
        self.kinds = [
            *[(SOURCE, SOURCE)] * same * source_pairs,
            *[(TARGET, TARGET)] * same,
            *[(SOURCE, TARGET), (TARGET, SOURCE)] * other,
        ]

    def __len__(self) -> int:
        """Count the pairs of an epoch."""
        return len(self.kinds)

    def __iter__(self) -> Iterator[tuple[Chosen, Chosen]]:
        """Draw one epoch.

        Yields:
            The two batches of a pair.
        """
        size = min(len(crops) for crops in self.kept)
        pools = [[crops[i] for i in self._permutation(len(crops))][:size] for crops in self.kept]
        queues = [[self._dealt(pool) for pool in pools] for _ in range(2)]
        for kind in self._permutation(len(self.kinds)):
            first, second = (
                self._chosen(domain, queues[place][domain].pop())
                for place, domain in enumerate(self.kinds[kind])
            )
            yield first, second

    def _chosen(self, domain: int, crops: list[int]) -> Chosen:
        return Chosen(domain, crops, self.positives[domain].of(crops, self.generator))

    def _dealt(self, pool: list[int]) -> list[list[int]]:
        return deal([pool[i] for i in self._permutation(len(pool))], self.batch)

    def _permutation(self, count: int) -> list[int]:
        return torch.randperm(count, generator=self.generator).tolist()


class SourcePairs:
    """Draws the pairs of batches of DG-Net, which knows one domain.

    Every crop is once in the first and once in the second batch of a pair each epoch, but for a
    remainder smaller than a batch.

    Args:
        labels: Label of every crop.
        batch: Crops in each batch of a pair.
        generator: Source of chance; it goes on from epoch to epoch.

    Raises:
        ValueError: There are not enough crops for one batch of at least 2.

    Source:
        DG-Net: two loaders of the same crops.
    """

    def __init__(self, labels: Sequence[int], *, batch: int, generator: torch.Generator) -> None:
        if batch < 2 or len(labels) < batch:
            raise ValueError(
                f"{len(labels)} crops are too few for batches of {batch}, "
                "or batches of less than 2 were asked for"
            )
        self.count, self.batch, self.generator = len(labels), batch, generator
        self.positives = Positives(labels)

    def __len__(self) -> int:
        """Count the pairs of an epoch."""
        return self.count // self.batch

    def __iter__(self) -> Iterator[tuple[Chosen, Chosen]]:
        """Draw one epoch.

        Yields:
            The two batches of a pair, both of domain 0.
        """
        orders = [torch.randperm(self.count, generator=self.generator).tolist() for _ in range(2)]
        for first, second in zip(*(deal(order, self.batch) for order in orders), strict=True):
            yield self._chosen(first), self._chosen(second)

    def _chosen(self, crops: list[int]) -> Chosen:
        return Chosen(SOURCE, crops, self.positives.of(crops, self.generator))


class Positives:
    """Draws for a crop another one of the same label.

    Args:
        labels: Label of every crop.
    """

    def __init__(self, labels: Sequence[int]) -> None:
        self.labels, self.crops = labels, crops_by_person(labels)

    def of(self, crops: list[int], generator: torch.Generator) -> list[int]:
        """Draw positives.

        Args:
            crops: Indices.
            generator: Source of chance.

        Returns:
            For each another crop of its label, all others alike; itself where there is no other.
        """
        drawn = []
        for crop in crops:
            others = self.crops[self.labels[crop]]
            if len(others) == 1:
                drawn.append(crop)
                continue
            place = int(torch.randint(len(others) - 1, (), generator=generator))
            # The crop's own place stands for the last one's, which the draw leaves out.
            drawn.append(others[-1] if others[place] == crop else others[place])
        return drawn


def deal(order: list[int], batch: int) -> list[list[int]]:
    """Cut an order into batches.

    Args:
        order: Indices.
        batch: Size of each batch.

    Returns:
        Whole batches; a remainder is left out.
    """
    return [order[i : i + batch] for i in range(0, len(order) - batch + 1, batch)]
