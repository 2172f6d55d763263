"""One optimisation step of a flow estimator, and what training does to a batch first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import extract_model_from_parallel
from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.training.batches import generator_at
from reidaug.flow.training.joint_model import Drawn, Method
from reidaug.flow.training.objective import Objective
from reidaug.flow.training.pair_augmentation import PairAugmentation
from reidaug.flow.unwarpme.affine_task import (
    affine_preserving_loss,
    known_flow,
    move_pose,
    random_upright_affine,
)
from reidaug.flow.unwarpme.discriminator import Discriminator
from reidaug.geometry.warp import warp

TASKS = ("affine", "reconstruction", "perceptual", "exact", "generation", "sampling")


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
        shape: ``constant``; ``cosine``: down to nothing at the last step; ``drops``: a tenth after
            each of ``drops``.
        drops: Parts of the training, for the shape of that name: FOMM's and MRAA's 60 and 90 of
            100 epochs.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    steps: int
    rate: float = 2e-4
    warmup: int = 0
    shape: Literal["constant", "cosine", "drops"] = "cosine"
    drops: tuple[float, ...] = (0.6, 0.9)

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
        if self.shape == "drops":
            return self.rate * rise * 0.1 ** sum(step >= part * self.steps for part in self.drops)
        return self.rate * rise * (1 + math.cos(math.pi * step / self.steps)) / 2


class Descent:
    """Steps down a loss: optimiser, learning rate by step, clipping.

    Args:
        optimizer: As `Accelerator.prepare` gave it; its groups may have ``rate``, a multiple of the
            scheduled rate.
        accelerator: Runs the backward pass.
        schedule: Learning rate by step.
        clip: Longest gradient; longer ones are shortened. None: as they are.
        average: Whether gradients are averaged over the processes here, because no wrapper of the
            network does.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        *,
        accelerator: Accelerator,
        schedule: Schedule,
        clip: float | None = 1.0,
        average: bool = False,
    ) -> None:
        self.optimizer, self.accelerator, self.schedule = optimizer, accelerator, schedule
        self.clip, self.average = clip, average and accelerator.num_processes > 1

    def step(self, loss: Float[Tensor, ""], taken: int) -> float:
        """Take one step.

        Args:
            loss: What is to get smaller.
            taken: How many steps there were before.

        Returns:
            The base rate of the step.
        """
        rate = self.schedule.at(taken)
        parameters = []
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate", 1.0)
            parameters += group["params"]
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        for parameter in parameters if self.average else ():
            if parameter.grad is not None:
                parameter.grad = self.accelerator.reduce(parameter.grad, "mean")
        if self.clip is not None:
            self.accelerator.clip_grad_norm_(parameters, self.clip)
        self.optimizer.step()
        return rate


class Opponent(NamedTuple):
    """A discriminator and its descent: it learns in turn with what it judges.

    Attributes:
        discriminator: Tells real images from drawn ones.
        descent: Of its parameters.
    """

    discriminator: Discriminator
    descent: Descent


class FlowTrainer:
    """Trains any flow estimator, alone or with an image generator, by tasks in turn.

    One step works on one entry of the cycle:

    - ``affine``: a known affine map between a real target pose and a synthetic source pose;
    - ``reconstruction``: the source warped by the flow should be the target, pixel by pixel;
    - ``perceptual``: it should look like the target to a frozen network;
    - ``exact``: the flow should be the exact one of rendered pairs;
    - ``generation``: the generator's image of source and motion should look like the target,
      also to a discriminator, if there is one; the method's own losses come on top;
    - ``sampling``: GFLA's two losses on all flows of the estimator.

    What a step draws at random depends on the seed, the process and the number of the step alone,
    so that a training that was cut off goes on exactly.

    Args:
        method: A `reidaug.flow.training.joint_model.Method`, as `Accelerator.prepare` gave it.
        descent: Of its parameters.
        cycle: Tasks to take in turn; ``exact+reconstruction`` adds up two in one step.
        objective: The losses and what each counts.
        pair_augmentation: How batches are varied.
        opponent: A discriminator of drawn images.
        seed: Of everything random.

    Raises:
        ValueError: A task is unknown or lacks its network.

    Source:
        UnWarpME Sec. 4.1.2 and 4.2: ``affine`` and ``generation`` alternate, 1:1; ``perceptual`` in
        the place of ``generation`` is the paper's ablation without R (Table 3). The tasks
        ``reconstruction`` and ``exact`` are ours.
    """

    def __init__(
        self,
        method: nn.Module,
        descent: Descent,
        *,
        objective: Objective,
        cycle: Sequence[str],
        pair_augmentation: PairAugmentation,
        opponent: Opponent | None = None,
        seed: int = 0,
    ) -> None:
        bare: Method = extract_model_from_parallel(method)
        tasks = {task for entry in cycle for task in entry.split("+")}
        unknown = sorted(tasks - set(TASKS))
        if unknown or not cycle:
            raise ValueError(f"no task {unknown}; a cycle is made of {', '.join(TASKS)}")
        if "generation" in tasks and bare.image_generator is None:
            raise ValueError("the task 'generation' needs an image generator")
        self.method, self.descent = method, descent
        self.estimator, self.image_generator = bare.estimator, bare.image_generator
        self.accelerator, self.objective = descent.accelerator, objective
        self.cycle, self.pair_augmentation = tuple(cycle), pair_augmentation
        self.opponent, self.seed = opponent, seed
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
        batch = self.pair_augmentation.apply(batch, generator)
        self.estimator.set_progress(self.taken / self.descent.schedule.steps, generator)
        losses: dict[str, Tensor] = {}
        image = None
        if "affine" in tasks:
            losses |= self._affine(batch, generator)
        if set(tasks) != {"affine"}:
            drawn: Drawn = self.method(batch, tasks, generator)
            losses |= self._pairs(drawn, batch, tasks)
            image = drawn.image
        rate = self.descent.step(self.objective.total(losses), self.taken)
        told = {name: float(loss.detach()) for name, loss in losses.items()}
        if image is not None and self.opponent is not None:
            told["discriminator"] = self._oppose(image, batch, generator)
        self.taken += 1
        return told | {"rate": rate}

    def _oppose(self, image: Tensor, batch: PosePair, generator: torch.Generator) -> float:
        assert self.opponent is not None
        with self.accelerator.autocast():
            loss = self.opponent.discriminator.loss(
                batch.target, image.detach(), batch.target_pose, generator
            )
        self.opponent.descent.step(loss, self.taken)
        return float(loss.detach())

    def _generator(self) -> torch.Generator:
        place = self.taken * self.accelerator.num_processes + self.accelerator.process_index
        return generator_at(self.seed, place)

    def _affine(self, batch: PosePair, generator: torch.Generator) -> dict[str, Tensor]:
        size = (batch.target.shape[-2], batch.target.shape[-1])
        drawn = random_upright_affine(batch.target.shape[0], generator)
        matrix, offset = (part.to(batch.target.device) for part in drawn)
        moved = move_pose(batch.target_pose, matrix, offset, size)
        moved = self.pair_augmentation.drop(moved, generator)
        synthetic = PosePair(batch.target, batch.target, moved, batch.target_pose)
        flow = self.method(synthetic, ("affine",)).motion.flow
        known = known_flow(matrix, offset, (flow.shape[-2], flow.shape[-1]))
        return {"affine": affine_preserving_loss(flow, known)}

    def _pairs(self, drawn: Drawn, batch: PosePair, tasks: Sequence[str]) -> dict[str, Tensor]:
        flow = drawn.motion.flow.float()
        losses = self.objective.smoothness(flow) | drawn.own
        if "exact" in tasks:
            losses |= self.objective.exact(flow, batch)
        if "reconstruction" in tasks:
            losses |= self.objective.reconstruction(flow, batch)
        if "perceptual" in tasks:
            warped = warp(batch.source, flow)
            losses |= self.objective.perceptual(warped, batch.target)
        if drawn.image is not None:
            losses |= self.objective.perceptual(drawn.image.float(), batch.target)
            losses |= self._judged(drawn.image.float(), batch)
        if "sampling" in tasks:
            losses |= self.objective.sampling(drawn.flows, batch)
        return losses

    def _judged(self, image: Tensor, batch: PosePair) -> dict[str, Tensor]:
        if self.opponent is None:
            return {}
        with self.accelerator.autocast():
            return self.opponent.discriminator.generator_losses(
                batch.target, image, batch.target_pose
            )
