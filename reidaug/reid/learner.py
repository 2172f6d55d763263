"""One step of learning who is who, from real crops and from crops that come on top."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from reidaug.errors import UsageError
from reidaug.reid.backbones import Embedding, ReIDModel
from reidaug.reid.bounds import Share, Weight
from reidaug.reid.frozen import kept_statistics
from reidaug.reid.losses import batch_hard_triplet, identity_loss, soft_identity_loss


class Batch(NamedTuple):
    """Crops and whom they show.

    Attributes:
        images: Normalised crops (B, 3, H, W).
        labels: Identities (B,).
    """

    images: Float[Tensor, "b 3 H W"]
    labels: Int[Tensor, "b"]


Teacher = Callable[[Tensor], Tensor]
"""From crops (B, 3, H, W) to identity scores (B, C)."""


@dataclass(frozen=True)
class Objective:
    """What one step minimises.

    Attributes:
        smoothing: Label smoothing on real crops.
        fine_weight: Weight of every head's identity loss after the first.
        triplet_weight: Weight of the batch-hard triplet loss.
        margin: Its margin; None for the soft one.
        top_weight: Weight of the identity loss on the crops on top.
        top_smoothing: Label smoothing on the crops on top.
        top_teacher: Share of their labels' weight that goes to what a teacher says of them.
        top_in_triplet: Whether the triplet loss sees the crops on top too.
    """

    smoothing: Share = 0.1
    fine_weight: Weight = 0.4
    triplet_weight: Weight = 1.0
    margin: float | None = 0.3
    top_weight: Weight = 0.5
    top_smoothing: Share = 0.1
    top_teacher: Share = 0.0
    top_in_triplet: bool = True

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error

    def losses(
        self,
        real: Embedding,
        labels: Int[Tensor, "b"],
        top: Embedding | None,
        above: Tensor,
        said: Float[Tensor, "t c"] | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """Compute the loss and its parts.

        Args:
            real: What the model sees in the real crops.
            labels: Whom they show (B,).
            top: What it sees in the crops on top, if there are any.
            above: Whom those show (T,).
            said: A teacher's scores of those (T, C), if it is asked.

        Returns:
            ``loss``, ``identity``, and where they count ``identity_top`` and ``triplet``.

        Source:
            DG-Net's answer to whether a generated picture still shows the person: a teacher's
            probabilities in the place of the label. Here a share of it, the teacher being the model
            that all arms start from.
        """
        parts = {"identity": self._identity(real, labels, self.smoothing)}
        loss = parts["identity"]
        if top is not None:
            parts["identity_top"] = self._identity(top, above, self.top_smoothing)
            if said is not None:
                parts["identity_top"] = parts["identity_top"].lerp(
                    soft_identity_loss(top.logits, said, fine_weight=self.fine_weight),
                    self.top_teacher,
                )
            loss = loss + self.top_weight * parts["identity_top"]
        if self.triplet_weight:
            features = real.pooled
            if top is not None and self.top_in_triplet:
                features, labels = torch.cat((features, top.pooled)), torch.cat((labels, above))
            parts["triplet"] = batch_hard_triplet(features, labels, margin=self.margin)
            loss = loss + self.triplet_weight * parts["triplet"]
        return {"loss": loss, **parts}

    def _identity(
        self, seen: Embedding, labels: Int[Tensor, "b"], smoothing: float
    ) -> Float[Tensor, ""]:
        return identity_loss(seen.logits, labels, smoothing=smoothing, fine_weight=self.fine_weight)


class Learner:
    """Trains a re-ID model step by step.

    Args:
        model: Changed in place.
        optimiser: Holds its parameters.
        objective: What each step minimises.
        steps: How many steps there will be; the learning rate falls to 0 over them as a cosine.
        warmup: Steps over which it rises before.
        separate_norm: Whether the crops on top are normalised by their own statistics and leave
            the running ones alone.
        half: Whether the network computes in bfloat16.
        teacher: Says whom it sees in the crops on top, where the objective asks for that.

    Raises:
        UsageError: The objective asks a teacher and there is none.
    """

    def __init__(
        self,
        model: ReIDModel,
        optimiser: torch.optim.Optimizer,
        objective: Objective,
        *,
        steps: int,
        warmup: int = 0,
        separate_norm: bool = False,
        half: bool = False,
        teacher: Teacher | None = None,
    ) -> None:
        if objective.top_teacher and teacher is None:
            raise UsageError("objective.top_teacher: there is no teacher to ask")
        self.model, self.optimiser, self.objective = model, optimiser, objective
        self.teacher = teacher if objective.top_teacher else None
        self.separate_norm, self.half = separate_norm, half
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: warm_cosine(step, steps=steps, warmup=warmup)
        )

    def step(self, real: Batch, top: Batch | None = None) -> dict[str, float]:
        """Take one optimisation step.

        Args:
            real: Real crops.
            top: Crops on top of them, real or warped.

        Returns:
            The parts of the loss, see `Objective.losses`, and ``accuracy``, the share of real
            crops whose person the first head names.
        """
        self.model.train()
        seen, above = self._forward(real, top)
        labels = real.labels if top is None else top.labels
        said = None
        if top is not None and self.teacher is not None:
            said = self.teacher(top.images)
        parts = self.objective.losses(seen, real.labels, above, labels, said)
        self.optimiser.zero_grad()
        parts["loss"].backward()
        self.optimiser.step()
        self.schedule.step()
        named = seen.logits[0].argmax(1) == real.labels
        parts["accuracy"] = named.float().mean()
        return {name: float(value.detach()) for name, value in parts.items()}

    def _forward(self, real: Batch, top: Batch | None) -> tuple[Embedding, Embedding | None]:
        device = real.images.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.half):
            if top is None:
                return self.model(real.images), None
            if self.separate_norm:
                seen = self.model(real.images)
                with kept_statistics(self.model):
                    return seen, self.model(top.images)
            both = self.model(torch.cat((real.images, top.images)))
        count = len(real.labels)
        return _cut(both, slice(None, count)), _cut(both, slice(count, None))


def frozen_teacher(model: ReIDModel) -> Teacher:
    """Make a teacher of a model as it is now.

    Args:
        model: Copied; what becomes of it later does not matter.

    Returns:
        Tells the scores of the first head, without dropout and with the running statistics.

    Raises:
        UsageError: The model gives no identity scores unless it is being trained.
    """
    copy = deepcopy(model).eval().requires_grad_(False)

    def ask(images: Tensor) -> Tensor:
        logits = copy(images).logits
        if not logits:
            raise UsageError("objective.top_teacher: this backbone gives no scores in eval mode")
        return logits[0].float()

    return ask


def optimise(
    model: ReIDModel,
    *,
    kind: Literal["adam", "sgd"] = "adam",
    learning_rate: float = 3.5e-4,
    head_rate: float = 1.0,
    weight_decay: float = 5e-4,
) -> torch.optim.Optimizer:
    """Build the optimiser of a model.

    Args:
        model: Its parameters.
        kind: ``adam`` with decoupled weight decay, or ``sgd`` with Nesterov momentum 0.9.
        learning_rate: For the trunk.
        head_rate: How many times as large it is for the heads of a `PersonResNet`.
        weight_decay: Of all parameters.

    Returns:
        The optimiser.
    """
    split: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    for name, parameter in model.named_parameters():
        split[name.startswith("heads.")].append(parameter)
    groups = [{"params": split[False], "lr": learning_rate}]
    if split[True]:
        groups.append({"params": split[True], "lr": learning_rate * head_rate})
    if kind == "adam":
        return torch.optim.AdamW(groups, weight_decay=weight_decay, fused=True)
    return torch.optim.SGD(groups, momentum=0.9, nesterov=True, weight_decay=weight_decay)


def warm_cosine(step: int, *, steps: int, warmup: int) -> float:
    """Give the learning rate of a step as a share of its largest value.

    Args:
        step: Counted from 0.
        steps: How many there are.
        warmup: Steps of linear rise before the cosine's fall.

    Returns:
        A share in [0, 1].
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)
    return (1 + math.cos(math.pi * min(1.0, done))) / 2


class WeightMean:
    """The mean of a model's weights over some of its steps.

    It wanders less from seed to seed than the last weights alone do. The running statistics of
    batch norm are none of its business: measure them anew with `recalibrate`.

    Args:
        model: The model; its weights are read by `add` and overwritten by `apply`.
    """

    def __init__(self, model: ReIDModel) -> None:
        self.model, self.count = model, 0
        self.mean = [torch.zeros_like(p) for p in model.parameters()]

    def add(self) -> None:
        """Count the present weights in."""
        self.count += 1
        with torch.no_grad():
            for mean, parameter in zip(self.mean, self.model.parameters(), strict=True):
                mean.lerp_(parameter, 1 / self.count)

    def apply(self) -> None:
        """Give the model the mean weights; nothing happens when there are none."""
        if not self.count:
            return
        with torch.no_grad():
            for mean, parameter in zip(self.mean, self.model.parameters(), strict=True):
                parameter.copy_(mean)


def recalibrate(model: ReIDModel, batches: Iterable[Float[Tensor, "b 3 H W"]]) -> None:
    """Measure batch norm's running statistics anew.

    Args:
        model: Changed in place; its weights stay as they are.
        batches: Normalised crops the statistics shall be those of, at least one batch.
    """
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over all batches
    model.train()
    with torch.no_grad():
        for images in batches:
            model(images)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Give the parts of torch that take no generator (dropout, other people's models) a seed.

    Args:
        seed: Any number.

    Yields:
        Nothing; afterwards torch's global chance goes on as if nothing had been drawn.
    """
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(seed)
        torch.cuda.manual_seed_all(seed)
        yield


def _cut(seen: Embedding, part: slice) -> Embedding:
    return Embedding(
        seen.pooled[part],
        tuple(features[part] for features in seen.heads),
        tuple(scores[part] for scores in seen.logits),
    )
