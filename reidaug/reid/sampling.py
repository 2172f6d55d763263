"""PK sampling of main crops, and sampling of extra crops of the same people."""

from collections.abc import Iterator, Mapping, Sequence

import torch


class PeopleSampler:
    """Draws batches of P different people with K crops each.

    An epoch holds every crop at least once, in exactly ``len(sampler)`` batches of exactly P x K.
    No crop is twice in a batch unless its person has fewer than K.

    Args:
        labels: Identity of every crop.
        people: P.
        images: K.
        generator: Random generator, which continues from epoch to epoch.

    Raises:
        ValueError: There are fewer than P people.
    """

    def __init__(
        self, labels: Sequence[int], *, people: int, images: int, generator: torch.Generator
    ) -> None:
        self.crops = crops_by_person(labels)
        self.people, self.images, self.generator = people, images, generator
        if len(self.crops) < people:
            raise ValueError(f"{people} people per batch, but there are only {len(self.crops)}")
        groups = [-(-len(crops) // images) for crops in self.crops.values()]
        self.batches = max(*groups, -(-sum(groups) // people))

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        """Draw one epoch: lists of P x K crop indices, the K of a person in a row."""
        waiting = {label: self._groups(crops) for label, crops in self.crops.items()}
        labels = list(waiting)
        epoch = []
        for _ in range(self.batches):
            # People with most crops left go first, so that no crop is left over at the end.
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
        """Split a person's crops into groups of K, the last filled up from the others."""
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
    """Map identities to their crop indices, both ascending."""
    crops: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        crops.setdefault(label, []).append(index)
    return dict(sorted(crops.items()))


def crop_pools(labels: Sequence[int], roots: Sequence[int]) -> list[dict[int, list[int]]]:
    """Map identities to their crop indices, for each dataset of a mix.

    A person without crops in a dataset has those of all there.

    Args:
        labels: Identity of every crop.
        roots: Index of the dataset of every crop; empty where all are from one.
    """
    every = crops_by_person(labels)
    if not roots:
        return [every]
    pools = []
    for root in sorted(set(roots)):
        own: dict[int, list[int]] = {}
        for index, label in enumerate(labels):
            if roots[index] == root:
                own.setdefault(label, []).append(index)
        pools.append({label: own.get(label, crops) for label, crops in every.items()})
    return pools


def draw_extra(
    pools: Sequence[Mapping[int, Sequence[int]]],
    people: Sequence[int],
    count: int,
    generator: torch.Generator,
) -> list[int]:
    """Draw indices of extra crops of the people of a batch, equally many from each dataset.

    Args:
        pools: Crops by identity for each dataset, see `crop_pools`.
        people: Identities of the batch.
        count: Number of crops; a remainder goes to datasets at random.
        generator: Random generator.
    """
    if len(pools) == 1:
        return draw_evenly(pools[0], people, count, generator)
    drawn: list[int] = []
    for rank, root in enumerate(torch.randperm(len(pools), generator=generator).tolist()):
        share = count // len(pools) + (rank < count % len(pools))
        drawn += draw_evenly(pools[root], people, share, generator)
    return drawn


def draw_evenly(
    crops: Mapping[int, Sequence[int]],
    people: Sequence[int],
    count: int,
    generator: torch.Generator,
) -> list[int]:
    """Draw crop indices, equally many of each person of a batch, none twice before all came once.

    Args:
        crops: Identity to crop indices, at least one each.
        people: Identities of the batch.
        count: Number of crops; a remainder goes to people at random.
        generator: Random generator.
    """
    drawn: list[int] = []
    for rank, person in enumerate(torch.randperm(len(people), generator=generator).tolist()):
        left = count // len(people) + (rank < count % len(people))
        pool = crops[people[person]]
        while left > 0:
            some = torch.randperm(len(pool), generator=generator)[:left].tolist()
            drawn += [pool[i] for i in some]
            left -= len(some)
    return drawn


def draw_views(
    views: Mapping[int, Sequence[int]],
    crops: Sequence[int],
    count: int,
    generator: torch.Generator,
) -> tuple[list[int], list[int]]:
    """Draw views of the crops of a batch, of as many different crops as there are.

    Args:
        views: Crop to its views; crops without views have none drawn.
        crops: The crops of the batch.
        count: Number of views, unless no crop has any.
        generator: Random generator.

    Returns:
        Indices of views, and for each the row of its crop in the batch.
    """
    rows = [row for row, crop in enumerate(crops) if views.get(crop)]
    drawn: list[int] = []
    while rows and len(drawn) < count:
        order = torch.randperm(len(rows), generator=generator)[: count - len(drawn)]
        drawn += [rows[i] for i in order.tolist()]
    chosen = []
    for row in drawn:
        own = views[crops[row]]
        chosen.append(own[int(torch.randint(len(own), (), generator=generator))])
    return chosen, drawn
