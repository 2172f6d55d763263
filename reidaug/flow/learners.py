"""One optimisation step of a flow estimator, and what training does to a batch first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from accelerate import Accelerator
from pydantic import ConfigDict
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.disturbance import Disturbance
from reidaug.flow.losses import affine_preserving_loss
from reidaug.flow.objective import Objective
from reidaug.geometry import affine
from reidaug.geometry.flow import from_affine

TASKS = ("affine", "reconstruction", "exact")


class Learner(Protocol):
    """Owns losses and optimiser of one method; the loop around it is text in a command."""

    def step(self, batch: PosePair) -> dict[str, float]:
        """Take one optimisation step.

        Args:
            batch: A batch of pairs.

        Returns:
            Losses by name.
        """
        ...


@dataclass(frozen=True)
class Schedule:
    """How the learning rate goes.

    Attributes:
        steps: Length of the training.
        rate: The base rate.
        warmup: Steps over which the rate rises to the base rate.
        shape: ``constant``, or ``cosine``: down to nothing at the last step.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    steps: int
    rate: float = 2e-4
    warmup: int = 0
    shape: Literal["constant", "cosine"] = "cosine"

    def at(self, step: int) -> float:
        """Give the rate of a step.

        Args:
            step: Counted from 0.

        Returns:
            The learning rate.
        """
        rise = min(1.0, (step + 1) / (self.warmup + 1))
        if self.shape == "constant":
            return self.rate * rise
        return self.rate * rise * (1 + math.cos(math.pi * step / self.steps)) / 2


class FlowLearner:
    """Trains any flow estimator by alternating tasks.

    One step works on one entry of the cycle. ``affine``: a known affine map between a real target
    pose and a synthetic source pose. ``reconstruction``: the source warped by the flow should look
    like the target. ``exact``: the flow should be the exact one of rendered pairs. There is no
    refinement network yet: reconstruction compares the warped source itself with the target.

    What a step draws at random depends on the seed, the process and the number of the step alone,
    so that a training that was cut off goes on exactly.

    Args:
        estimator: What is trained, as `Accelerator.prepare` gave it.
        optimizer: Its optimiser, prepared alike.
        accelerator: Runs the backward pass.
        cycle: Tasks to take in turn; ``exact+reconstruction`` adds up two in one step.
        objective: The losses and what each counts.
        schedule: Learning rate by step.
        disturbance: How batches are varied.
        clip: Longest gradient; longer ones are shortened.
        seed: Of everything random.

    Raises:
        ValueError: A task is unknown.

    Source:
        UnWarpME Sec. 4.1.2 and 4.2: the two tasks alternate, 1:1. The ``exact`` task is ours.
    """

    def __init__(
        self,
        estimator: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        accelerator: Accelerator,
        objective: Objective,
        cycle: Sequence[str],
        schedule: Schedule,
        disturbance: Disturbance,
        clip: float = 1.0,
        seed: int = 0,
    ) -> None:
        unknown = {task for entry in cycle for task in entry.split("+")} - set(TASKS)
        if unknown or not cycle:
            raise ValueError(f"no task {sorted(unknown)}; a cycle is made of {', '.join(TASKS)}")
        self.estimator, self.optimizer, self.accelerator = estimator, optimizer, accelerator
        self.objective, self.cycle, self.schedule = objective, tuple(cycle), schedule
        self.disturbance = disturbance
        self.clip, self.seed = clip, seed
        self.taken = 0

    def state_dict(self) -> dict[str, int]:
        """Tell how many steps were taken."""
        return {"taken": self.taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the steps of a saved state."""
        self.taken = state["taken"]

    def step(self, batch: PosePair) -> dict[str, float]:
        """Take one optimisation step on the next entry of the cycle.

        Args:
            batch: A batch of pairs; the ``exact`` task needs their exact flow.

        Returns:
            The losses of this entry, unweighted, and ``rate``.

        Raises:
            ValueError: The exact flow is missing.
        """
        tasks = self.cycle[self.taken % len(self.cycle)].split("+")
        generator = self._generator()
        batch = self.disturbance.apply(batch, generator)
        losses: dict[str, Tensor] = {}
        if "affine" in tasks:
            losses |= self._affine(batch, generator)
        if "reconstruction" in tasks or "exact" in tasks:
            losses |= self._pairs(batch, tasks)
        rate = self.schedule.at(self.taken)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        self.accelerator.backward(self.objective.total(losses))
        self.accelerator.clip_grad_norm_(self.estimator.parameters(), self.clip)
        self.optimizer.step()
        self.taken += 1
        return {name: float(loss.detach()) for name, loss in losses.items()} | {"rate": rate}

    def _generator(self) -> torch.Generator:
        place = self.taken * self.accelerator.num_processes + self.accelerator.process_index
        return torch.Generator().manual_seed(self.seed * 2**40 + place)

    def _affine(self, batch: PosePair, generator: torch.Generator) -> dict[str, Tensor]:
        size = (batch.target.shape[-2], batch.target.shape[-1])
        drawn = affine.random_upright_affine(batch.target.shape[0], generator)
        matrix, offset = (part.to(batch.target.device) for part in drawn)
        moved = affine.move_pose(batch.target_pose, matrix, offset, size)
        moved = self.disturbance.drop(moved, generator)
        flow = self.estimator(batch.target, moved, batch.target_pose)
        known = from_affine(*affine.inverse(matrix, offset), (flow.shape[-2], flow.shape[-1]))
        return {"affine": affine_preserving_loss(flow, known)}

    def _pairs(self, batch: PosePair, tasks: Sequence[str]) -> dict[str, Tensor]:
        flow = self.estimator(batch.source, batch.source_pose, batch.target_pose).float()
        losses = self.objective.smoothness(flow)
        if "exact" in tasks:
            losses |= self.objective.exact(flow, batch)
        if "reconstruction" in tasks:
            losses |= self.objective.reconstruction(flow, batch)
        return losses
