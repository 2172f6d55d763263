"""Options of re-ID training: batches, optimiser, loss and batch norm."""

from typing import Literal

from pydantic import Field

from reidaug.recipes import Positive, Recipe, Share, Weight
from reidaug.reid.crop_transforms import CropTransforms
from reidaug.reid.losses import ReIDLosses


class TrainingOptions(Recipe):
    """How a re-ID model is trained; recipes inherit these keys.

    Main crops are the real ones or, in an arm with ``only``, the arm's extra crops in their place.
    """

    people: int = Field(16, ge=2)  # P, people per batch
    images: int = Field(4, ge=1)  # K, main crops per person and batch
    ratio: Weight = 1 / 3  # extra crops of a batch, as a share of its main crops
    real_only_share: Share = (
        0.1  # share of the steps, the last ones, whose extra crops are main ones
    )
    transforms: CropTransforms = CropTransforms()  # augmentation of main crops
    extra_transforms: CropTransforms = CropTransforms()  # augmentation of extra crops
    objective: ReIDLosses = ReIDLosses()  # the losses and their weights
    optimiser: Literal["adamw", "sgd"] = "adamw"  # see `reidaug.reid.trainer.build_optimiser`
    learning_rate: Positive = 1e-4  # largest learning rate of the trunk
    head_rate: Positive = 1.0  # factor of the learning rate for the heads
    weight_decay: Weight = 5e-4  # weight decay of all parameters
    warmup: float = Field(0.05, ge=0, lt=1)  # share of the steps over which the learning rate rises
    # Extra crops are normalised by their own batch statistics and leave the running ones alone.
    separate_norm: bool = False
    average_share: Share = 0.0  # last share of the steps, whose weights are averaged; 0: none
    # Batch norm's running statistics are measured on main crops in the end, as always for averaged
    # weights.
    recalibrate_norm: bool = True
