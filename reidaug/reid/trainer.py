"""One optimisation step of a re-ID model: losses, optimiser, learning-rate schedule, teacher."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from reidaug.errors import UsageError
from reidaug.finite import check_losses
from reidaug.reid.backbones import Embedding, ReIDModel
from reidaug.reid.batches import Batch
from reidaug.reid.losses import NOTHING, Knowledge
from reidaug.reid.network_modes import frozen_statistics
from reidaug.reid.training_options import TrainingOptions

Teacher = Callable[[Tensor], Embedding]
"""From crops (B, 3, H, W) to what a network sees in them, without gradient."""
DECAY = 0.99
"""Of the average teacher: the weights of some hundred steps."""


class ReIDTrainer:
    """Trains a re-ID model step by step.

    Args:
        model: Changed in place.
        options: Optimiser, learning rates, loss and normalisation.
        steps: Number of steps; after the warm-up the learning rate falls to 0 as a cosine.
        bfloat16: Whether the network computes in bfloat16.
        teacher: Judges extra crops and their originals, where the objective needs it; by default
            it is made of the model as the objective says.
    """

    def __init__(
        self,
        model: ReIDModel,
        options: TrainingOptions,
        *,
        steps: int,
        bfloat16: bool = False,
        teacher: Teacher | None = None,
    ) -> None:
        self.model, self.objective, self.bfloat16 = model, options.objective, bfloat16
        self.average: AveragedModel | None = None
        self.teacher: Teacher | None = None
        if self.objective.needs_teacher:
            if teacher is None and self.objective.teacher == "average":
                self.average = AveragedModel(
                    model, multi_avg_fn=get_ema_multi_avg_fn(DECAY), use_buffers=True
                )
                self.average.update_parameters(model)  # the first time it copies
            self.teacher = teacher or teacher_of(
                self.average.module if self.average else deepcopy(model)
            )
        self.separate_norm = options.separate_norm
        self.optimiser = build_optimiser(
            model,
            kind=options.optimiser,
            learning_rate=options.learning_rate,
            head_rate=options.head_rate,
            weight_decay=options.weight_decay,
        )
        warmup = round(options.warmup * steps)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: warm_cosine(step, steps=steps, warmup=warmup)
        )

    def step(self, real: Batch, extra: Batch | None = None) -> dict[str, float]:
        """Take one optimisation step on main crops and extra ones, see `TrainingBatches`.

        Returns:
            The parts of the loss, see `ReIDLosses.losses`, and ``accuracy``, the share of main
            crops that the first head classifies right.

        Raises:
            NotFiniteError: A loss is not finite; the weights are as before the step, while batch
                norm's running statistics have seen the batch.
        """
        self.model.train()
        output, extra_output = self._forward(real, extra)
        extra_labels = real.labels if extra is None else extra.labels
        known = NOTHING if extra is None else self._known(real, extra)
        parts = self.objective.losses(output, real.labels, extra_output, extra_labels, known)
        check_losses(parts)
        self.optimiser.zero_grad()
        parts["loss"].backward()
        self.optimiser.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        self.schedule.step()
        right = output.logits[0].argmax(1) == real.labels
        parts["accuracy"] = right.float().mean()
        return {name: float(value.detach()) for name, value in parts.items()}

    def _known(self, real: Batch, extra: Batch) -> Knowledge:
        """Ask the teacher what the objective needs to know of extra crops."""
        if self.teacher is None:
            return Knowledge(quality=extra.quality)
        scores = originals = None
        if self.objective.needs_scores:
            logits = self.teacher(extra.images).logits
            if not logits:
                raise UsageError(
                    "extra_teacher, extra_recognised: this backbone gives no scores in eval mode"
                )
            scores = logits[0].float()
        if self.objective.extra_consistency and extra.of is not None:
            originals = self.teacher(real.images[extra.of]).heads[0].float()
        return Knowledge(scores, originals, extra.quality)

    def _forward(self, real: Batch, extra: Batch | None) -> tuple[Embedding, Embedding | None]:
        device = real.images.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.bfloat16):
            if extra is None:
                return self.model(real.images), None
            if self.separate_norm:
                output = self.model(real.images)
                with frozen_statistics(self.model):
                    return output, self.model(extra.images)
            both = self.model(torch.cat((real.images, extra.images)))
        count = len(real.labels)
        return _rows(both, slice(None, count)), _rows(both, slice(count, None))


def teacher_of(model: nn.Module) -> Teacher:
    """Make a teacher of a model: what it sees in eval mode."""
    model.eval().requires_grad_(False)

    def see(images: Tensor) -> Embedding:
        with torch.no_grad():
            found: Embedding = model(images)
        return found

    return see


def build_optimiser(
    model: ReIDModel,
    *,
    kind: Literal["adamw", "sgd"] = "adamw",
    learning_rate: float = 3.5e-4,
    head_rate: float = 1.0,
    weight_decay: float = 5e-4,
) -> torch.optim.Optimizer:
    """Build the optimiser of a model.

    Args:
        model: Its parameters.
        kind: ``adamw``, Adam with decoupled weight decay, or ``sgd`` with Nesterov momentum 0.9.
        learning_rate: Learning rate of the trunk.
        head_rate: Factor of the learning rate for the heads: parameters whose name starts with
            ``heads.``, as those of a `PersonResNet`. No effect on models without such parameters.
        weight_decay: Weight decay of all parameters.
    """
    split: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    for name, parameter in model.named_parameters():
        split[name.startswith("heads.")].append(parameter)
    groups = [{"params": split[False], "lr": learning_rate}]
    if split[True]:
        groups.append({"params": split[True], "lr": learning_rate * head_rate})
    if kind == "adamw":
        return torch.optim.AdamW(groups, weight_decay=weight_decay, fused=True)
    return torch.optim.SGD(groups, momentum=0.9, nesterov=True, weight_decay=weight_decay)


def warm_cosine(step: int, *, steps: int, warmup: int) -> float:
    """Share of the largest learning rate at a step (from 0): linear warm-up, then cosine decay.

    In closed form: torch's `SequentialLR` of `LinearLR` and `CosineAnnealingLR` multiplies rates
    up step by step, and knows no warm-up of no steps.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)
    return (1 + math.cos(math.pi * min(1.0, done))) / 2


def _rows(output: Embedding, part: slice) -> Embedding:
    return Embedding(
        output.pooled[part],
        tuple(features[part] for features in output.heads),
        tuple(scores[part] for scores in output.logits),
    )
