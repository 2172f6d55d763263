"""Training loop of a re-ID model: batches, steps, weight averaging, batch-norm calibration."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_swa_multi_avg_fn, update_bn

from reidaug.errors import ReidaugError
from reidaug.finite import NotFiniteError, first_not_finite
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.batches import TrainingBatches, calibration_batches
from reidaug.reid.trainer import ReIDTrainer
from reidaug.reid.training_options import TrainingOptions

AfterStep = Callable[[int, dict[str, float]], None]
"""Called with the number of a step, from 1, and what `ReIDTrainer.step` returned."""


KEPT_EVERY = 200  # steps between two copies of the weights, to go back to


class DivergedError(ReidaugError):
    """A training that stopped at a loss that is not finite.

    Args:
        line: What happened.
        step: Number of the step, from 1.
        good_step: Number of the last step whose weights are in `good`.
        good: The last weights that were finite, by name.
    """

    def __init__(self, line: str, *, step: int, good_step: int, good: Mapping[str, Tensor]) -> None:
        super().__init__(line)
        self.step, self.good_step, self.good = step, good_step, good


class FinalMetrics(NamedTuple):
    """Training metrics at the end; None when there were no steps."""

    loss: float | None  # mean loss of the last tenth of the steps
    accuracy: float | None  # share of their main crops that the first head classified right


def train(
    model: ReIDModel,
    crops: TrainingBatches,
    options: TrainingOptions,
    *,
    steps: int,
    seed: int,
    after_step: AfterStep,
    bfloat16: bool = False,
) -> FinalMetrics:
    """Train a model and return its last training metrics.

    The model ends with its last weights, or with their mean over the last `average_share` of the
    steps.

    Args:
        model: Changed in place.
        crops: The crops.
        options: Batches, optimiser, loss and batch norm.
        steps: Number of optimiser steps.
        seed: Random seed of the batches.
        after_step: Called after every step.
        bfloat16: Whether the network computes in bfloat16.

    Raises:
        DivergedError: A loss is not finite. The message names the step and files of its batch; the
            last finite weights are in it.
    """
    device = next(model.parameters()).device
    good = GoodWeights(model)
    trainer = ReIDTrainer(model, options, steps=steps, bfloat16=bfloat16)
    first_averaged = steps - round(options.average_share * steps) + 1
    average = None
    if first_averaged <= steps:
        average = AveragedModel(model, multi_avg_fn=get_swa_multi_avg_fn())
    records = []
    batches = crops.batches(options, steps=steps, seed=seed, device=device)
    for step, (real, extra) in enumerate(batches, 1):
        try:
            record = trainer.step(real, extra)
        except NotFiniteError as error:
            good.keep(step - 1)
            files = (*real.files, *(extra.files[:1] if extra is not None else ()))
            shown = ", ".join(file.name for file in files)
            raise good.stop(
                f"seed {seed}, step {step}: {error}; its batch has {shown} ...; lower "
                f"learning_rate, or look at them",
                step,
            ) from None
        if step % KEPT_EVERY == 0:
            good.keep(step)
        if average is not None and step >= first_averaged:
            average.update_parameters(model)
        records.append(record)
        after_step(step, record)
    if average is not None:
        model.load_state_dict(average.module.state_dict())
    if average is not None or (options.recalibrate_norm and steps):
        count = options.people * options.images
        measured = crops.real if crops.calibration is None else crops.calibration
        update_bn(calibration_batches(measured, count=count, seed=seed, device=device), model)
    good.check(seed, steps)
    return _final_metrics(records)


def _final_metrics(records: Sequence[Mapping[str, float]]) -> FinalMetrics:
    if not records:
        return FinalMetrics(None, None)
    last = records[-max(1, len(records) // 10) :]
    return FinalMetrics(*(float(np.mean([r[key] for r in last])) for key in FinalMetrics._fields))


class GoodWeights:
    """A copy of the last weights of a model in training that were finite.

    Args:
        model: The model.

    Attributes:
        step: Number of the step after which they were copied; 0 before the first.
        weights: The weights by name.
    """

    def __init__(self, model: ReIDModel) -> None:
        self.model = model
        self.step, self.weights = 0, self._copy()

    def keep(self, step: int) -> None:
        """Copy the weights after a step, unless one is not finite."""
        if first_not_finite(self.model.state_dict()) is None:
            self.step, self.weights = step, self._copy()

    def check(self, seed: int, step: int) -> None:
        """Raise `DivergedError` if a weight is not finite after the last step."""
        if (name := first_not_finite(self.model.state_dict())) is not None:
            raise self.stop(
                f"seed {seed}, step {step}: the weights {name} are not finite; lower learning_rate",
                step,
            )

    def stop(self, line: str, step: int) -> DivergedError:
        """Make the error of a training that stops at a step."""
        return DivergedError(line, step=step, good_step=self.step, good=self.weights)

    def _copy(self) -> dict[str, Tensor]:
        return {
            key: value.detach().to("cpu", copy=True, memory_format=torch.preserve_format)
            for key, value in self.model.state_dict().items()
        }
