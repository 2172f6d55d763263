"""Training loop of a re-ID model: batches, steps, weight averaging, batch-norm calibration."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from torch.optim.swa_utils import AveragedModel, get_swa_multi_avg_fn, update_bn

from reidaug.errors import ReidaugError
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.batches import TrainingBatches, calibration_batches
from reidaug.reid.trainer import ReIDTrainer
from reidaug.reid.training_options import TrainingOptions

AfterStep = Callable[[int, dict[str, float]], None]
"""Called with the number of a step, from 1, and what `ReIDTrainer.step` returned."""


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
        ReidaugError: The loss is not finite.
    """
    device = next(model.parameters()).device
    trainer = ReIDTrainer(model, options, steps=steps, bfloat16=bfloat16)
    first_averaged = steps - round(options.average_share * steps) + 1
    average = None
    if first_averaged <= steps:
        average = AveragedModel(model, multi_avg_fn=get_swa_multi_avg_fn())
    records = []
    batches = crops.batches(options, steps=steps, seed=seed, device=device)
    for step, (real, extra) in enumerate(batches, 1):
        record = trainer.step(real, extra)
        if not math.isfinite(record["loss"]):
            raise ReidaugError(
                f"seed {seed}, step {step}: the loss is not finite; lower learning_rate"
            )
        if average is not None and step >= first_averaged:
            average.update_parameters(model)
        records.append(record)
        after_step(step, record)
    if average is not None:
        model.load_state_dict(average.module.state_dict())
    if average is not None or (options.recalibrate_norm and steps):
        count = options.people * options.images
        update_bn(calibration_batches(crops.real, count=count, seed=seed, device=device), model)
    if not records:
        return FinalMetrics(None, None)
    last = records[-max(1, steps // 10) :]
    return FinalMetrics(*(float(np.mean([r[key] for r in last])) for key in FinalMetrics._fields))
