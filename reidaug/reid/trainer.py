"""One optimisation step of a re-ID model: losses, optimiser, learning-rate schedule, teacher."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor, nn

from reidaug.errors import UsageError
from reidaug.reid.backbones import Embedding, ReIDModel
from reidaug.reid.batches import Batch
from reidaug.reid.network_modes import frozen_statistics
from reidaug.reid.training_options import TrainingOptions

TeacherFunction = Callable[[Tensor], Tensor]
"""From crops (B, 3, H, W) to identity scores (B, C)."""


class ReIDTrainer:
    """Trains a re-ID model step by step.

    Args:
        model: Changed in place.
        options: Optimiser, learning rates, loss and normalisation.
        steps: Number of steps; after the warm-up the learning rate falls to 0 as a cosine.
        bfloat16: Whether the network computes in bfloat16.
        teacher: Gives the scores of extra crops, where the objective distils.

    Raises:
        UsageError: The objective distils and there is no teacher.
    """

    def __init__(
        self,
        model: ReIDModel,
        options: TrainingOptions,
        *,
        steps: int,
        bfloat16: bool = False,
        teacher: TeacherFunction | None = None,
    ) -> None:
        if options.objective.extra_teacher and teacher is None:
            raise UsageError("objective.extra_teacher: there is no teacher")
        self.model, self.objective, self.bfloat16 = model, options.objective, bfloat16
        self.teacher = teacher if options.objective.extra_teacher else None
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
        """
        self.model.train()
        output, extra_output = self._forward(real, extra)
        extra_labels = real.labels if extra is None else extra.labels
        teacher = None
        if extra is not None and self.teacher is not None:
            teacher = self.teacher(extra.images)
        parts = self.objective.losses(output, real.labels, extra_output, extra_labels, teacher)
        self.optimiser.zero_grad()
        parts["loss"].backward()
        self.optimiser.step()
        self.schedule.step()
        right = output.logits[0].argmax(1) == real.labels
        parts["accuracy"] = right.float().mean()
        return {name: float(value.detach()) for name, value in parts.items()}

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


def frozen_teacher(model: ReIDModel) -> TeacherFunction:
    """Make a teacher of a copy of a model: the scores of its first head, in eval mode.

    Raises:
        UsageError: When called: the model gives no identity scores in eval mode.
    """
    copy = deepcopy(model).eval().requires_grad_(False)

    def scores(images: Tensor) -> Tensor:
        logits = copy(images).logits
        if not logits:
            raise UsageError("objective.extra_teacher: this backbone gives no scores in eval mode")
        return logits[0].float()

    return scores


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
