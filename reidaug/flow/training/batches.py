"""Which pairs come in which step: a function of the seed and the step alone."""

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

STRIDE = 1_000_003
"""Rounds of one seed before those of the next; a prime, so that no two seeds share them."""


class BatchOrder(Sampler[list[int]]):
    """The batches of a training, from any step on.

    Pairs come in an endless row of random orders of all of them; step k takes the k-th stretch of
    that row, and each process its share of the stretch. Starting late gives what starting early
    would have given.

    Args:
        count: Number of pairs.
        batch: Pairs a step, over all processes.
        steps: Length of the training.
        start: Step to begin with.
        seed: Of the orders.
        process: Which process this is.
        processes: How many there are.

    Raises:
        ValueError: The batch cannot be shared evenly, or there are no pairs.
    """

    def __init__(
        self,
        count: int,
        batch: int,
        *,
        steps: int,
        start: int = 0,
        seed: int = 0,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        if batch % processes or count < 1:
            raise ValueError(f"{count} pairs in batches of {batch} for {processes} processes")
        self.count, self.batch, self.steps, self.start = count, batch, steps, start
        self.seed, self.process, self.processes = seed, process, processes

    def __len__(self) -> int:
        return max(0, self.steps - self.start)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the indices of each step's pairs."""
        known: dict[int, list[int]] = {}
        for step in range(self.start, self.steps):
            places = range(step * self.batch, (step + 1) * self.batch)[
                self.process :: self.processes
            ]
            rounds = {place // self.count for place in places}
            known = {r: known.get(r) or self._order(r) for r in rounds}
            yield [known[place // self.count][place % self.count] for place in places]

    def _order(self, turn: int) -> list[int]:
        order: list[int] = torch.randperm(
            self.count, generator=generator_at(self.seed, turn)
        ).tolist()
        return order


def generator_at(seed: int, place: int) -> torch.Generator:
    """Make the source of chance of one place in a training, such as a step.

    Args:
        seed: Of the training, not negative.
        place: Counted from 0.

    Returns:
        A generator on the CPU, the same whatever came before.
    """
    # torch's generator on the CPU looks at the lowest 32 bits of its seed alone.
    return torch.Generator().manual_seed((seed * STRIDE + place) % 2**32)
