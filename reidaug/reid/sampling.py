"""Batches of P people with K crops each, and the extra crops."""

from collections.abc import Iterator, Mapping, Sequence

import torch


class PeopleSampler:
    """Draws batches of P different people with K crops each.

    One epoch shows every crop at least once, in exactly ``len(sampler)`` batches of exactly P x K.
    No crop is twice in a batch unless its person has fewer than K.

    Args:
        labels: Identity of every crop.
        people: P.
        images: K.
        generator: Source of chance; it goes on from epoch to epoch.

    Raises:
        ValueError: There are fewer than P people.
    """

    def __init__(
        self, labels: Sequence[int], *, people: int, images: int, generator: torch.Generator
    ) -> None:
        self.crops = crops_by_person(labels)
        self.people, self.images, self.generator = people, images, generator
        if len(self.crops) < people:
            raise ValueError(f"{people} people a batch asked for, there are {len(self.crops)}")
        groups = [-(-len(crops) // images) for crops in self.crops.values()]
        self.batches = max(*groups, -(-sum(groups) // people))

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        """Draw one epoch: lists of P x K crop indices, the K of a person side by side."""
        waiting = {label: self._groups(crops) for label, crops in self.crops.items()}
        labels = list(waiting)
        epoch = []
        for _ in range(self.batches):
            # Those with most left go first, so that nobody's crops are left over at the end.
            chance = torch.rand(len(labels), generator=self.generator)
            left = torch.tensor([float(len(waiting[label])) for label in labels])
            chosen = [labels[i] for i in (left + chance).topk(self.people).indices.tolist()]
            epoch.append(
                [
                    crop
                    for label in chosen
                    for crop in (waiting[label] or self._groups(self.crops[label])).pop()
                ]
            )
        for index in self._permutation(len(epoch)):
            yield epoch[index]

    def forever(self) -> Iterator[list[int]]:
        """Draw epoch after epoch."""
        while True:
            yield from self

    def _groups(self, crops: list[int]) -> list[list[int]]:
        """Deal a person's crops into groups of K, the last filled up from the others."""
        order = [crops[i] for i in self._permutation(len(crops))]
        groups = [order[i : i + self.images] for i in range(0, len(order), self.images)]
        last = groups[-1]
        others = order[: len(order) - len(last)]
        fill = [others[i] for i in self._permutation(len(others))][: self.images - len(last)]
        last.extend(fill)
        last.extend(order[i % len(order)] for i in range(self.images - len(last)))
        return groups

    def _permutation(self, count: int) -> list[int]:
        return torch.randperm(count, generator=self.generator).tolist()


def crops_by_person(labels: Sequence[int]) -> dict[int, list[int]]:
    """List every person's crops.

    Args:
        labels: Identity of every crop.

    Returns:
        Identity to crop indices, people and crops ascending.
    """
    crops: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        crops.setdefault(label, []).append(index)
    return dict(sorted(crops.items()))


def draw_evenly(
    crops: Mapping[int, Sequence[int]],
    people: Sequence[int],
    count: int,
    generator: torch.Generator,
) -> list[int]:
    """Draw further crops of the people of a batch, shared out evenly.

    Args:
        crops: Identity to the crops to draw from, at least one each.
        people: The identities of the batch.
        count: How many crops in all.
        generator: Source of chance.

    Returns:
        Crop indices; none of a person comes twice before all of them came once.
    """
    order = torch.randperm(len(people), generator=generator).tolist()
    drawn = []
    for place, person in enumerate(order):
        wanted = count // len(people) + (place < count % len(people))
        pool = crops[people[person]]
        while wanted > 0:
            some = torch.randperm(len(pool), generator=generator)[:wanted].tolist()
            drawn += [pool[i] for i in some]
            wanted -= len(some)
    return drawn


def crop_pools(labels: Sequence[int], roots: Sequence[int]) -> list[dict[int, list[int]]]:
    """List every person's crops root by root.

    Args:
        labels: Identity of every crop.
        roots: Which root each crop is from; empty where all are from one.

    Returns:
        For every root identity to crop indices. A person without crops of a root has those of all
        roots there.
    """
    every = crops_by_person(labels)
    pools = []
    for root in sorted(set(roots)) if roots else [None]:
        own = [i for i in range(len(labels)) if root is None or roots[i] == root]
        mine: dict[int, list[int]] = {}
        for index in own:
            mine.setdefault(labels[index], []).append(index)
        pools.append({label: mine.get(label, crops) for label, crops in every.items()})
    return pools


def draw_extra(
    pools: Sequence[Mapping[int, Sequence[int]]],
    people: Sequence[int],
    count: int,
    generator: torch.Generator,
) -> list[int]:
    """Draw further crops of the people of a batch, as many from one root as from another.

    Args:
        pools: What `crop_pools` returns.
        people: As in `draw_evenly`.
        count: How many crops in all; a remainder falls to roots at random.
        generator: Source of chance.

    Returns:
        Crop indices.
    """
    if len(pools) == 1:
        return draw_evenly(pools[0], people, count, generator)
    drawn: list[int] = []
    for place, root in enumerate(torch.randperm(len(pools), generator=generator).tolist()):
        share = count // len(pools) + (place < count % len(pools))
        drawn += draw_evenly(pools[root], people, share, generator)
    return drawn
