"""Batches of a flow training: which pairs a step gets, and its random numbers."""

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

STRIDE = 1_000_003
"""Generators of one seed before those of the next; prime, so that small seeds share none."""


class PairBatches(Sampler[list[int]]):
    """Indices of every step's pairs, from any step on.

    All pairs come in one random permutation after another. Step k takes the k-th slice of that
    endless sequence, and each process its share of the slice, so that a training that resumes at a
    step gets the batches of one that was never interrupted.

    Args:
        count: Number of pairs.
        batch: Pairs per step, over all processes.
        steps: Length of the training.
        start: First step.
        seed: Seed of the permutations.
        process: Index of this process.
        processes: Number of processes.

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
        epochs: dict[int, list[int]] = {}
        for step in range(self.start, self.steps):
            slice_ = range(step * self.batch, (step + 1) * self.batch)
            own = slice_[self.process :: self.processes]
            epochs = {
                k: epochs.get(k) or self._permutation(k) for k in {i // self.count for i in own}
            }
            yield [epochs[i // self.count][i % self.count] for i in own]

    def at(self, step: int) -> list[int]:
        """Indices of the pairs of one step, counted from 0."""
        one = PairBatches(
            self.count, self.batch, steps=step + 1, start=step, seed=self.seed,
            process=self.process, processes=self.processes,
        )  # fmt: skip
        return next(iter(one))

    def _permutation(self, epoch: int) -> list[int]:
        generator = step_generator(self.seed, epoch)
        order: list[int] = torch.randperm(self.count, generator=generator).tolist()
        return order


def step_generator(seed: int, step: int) -> torch.Generator:
    """Make the CPU generator of a step, counted from 0, independent of all others.

    Not `reidaug.jobs.torch_generator`: trainings repeat earlier ones to the last bit. ``seed`` is
    the training's, not negative.
    """
    # torch's CPU generator uses the lowest 32 bits of its seed alone.
    return torch.Generator().manual_seed((seed * STRIDE + step) % 2**32)
