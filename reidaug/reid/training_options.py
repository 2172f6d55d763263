"""Options of re-ID training: batches, optimiser, loss and batch norm."""

from typing import Literal

from pydantic import Field

from reidaug.recipes import Positive, Recipe, Share, Weight
from reidaug.reid.crop_transforms import CropTransforms
from reidaug.reid.losses import Objective


class TrainingOptions(Recipe):
    """How a re-ID model is trained; recipes inherit these keys.

    Attributes:
        people: P, people a batch.
        images: K, real crops a person and batch.
        ratio: Extra crops, as a share of the real ones of a batch.
        real_only_share: Share of the steps, the last ones, whose extra crops are real.
        transforms: Augmentation of real crops.
        extra_transforms: Augmentation of extra crops.
        objective: The losses and their weights.
        optimiser: ``adam`` or ``sgd``, see `reidaug.reid.trainer.build_optimiser`.
        learning_rate: Largest learning rate of the trunk.
        head_rate: Factor of the learning rate for the heads.
        weight_decay: Weight decay of all parameters.
        warmup: Share of the steps over which the learning rate rises.
        separate_norm: Whether extra crops are normalised by their own batch statistics and leave
            the running ones alone.
        average_share: Share of the steps, the last ones, over which the weights are averaged; 0
            for the last weights alone.
        recalibrate_norm: Whether batch norm's running statistics are measured on real crops in the
            end; those of averaged weights always are.
    """

    people: int = Field(16, ge=2)
    images: int = Field(4, ge=1)
    ratio: Weight = 1 / 3
    real_only_share: Share = 0.1
    transforms: CropTransforms = CropTransforms()
    extra_transforms: CropTransforms = CropTransforms()
    objective: Objective = Objective()
    optimiser: Literal["adam", "sgd"] = "adam"
    learning_rate: Positive = 1e-4
    head_rate: Positive = 1.0
    weight_decay: Weight = 5e-4
    warmup: float = Field(0.05, ge=0, lt=1)
    separate_norm: bool = False
    average_share: Share = 0.0
    recalibrate_norm: bool = True
