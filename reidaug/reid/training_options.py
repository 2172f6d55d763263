"""Options of re-ID training: batches, optimiser, loss and batch norm."""

from typing import Literal

from pydantic import Field, model_validator

from reidaug.recipes import Decay, Positive, Rate, Recipe, Share
from reidaug.reid.crop_transforms import CropTransforms
from reidaug.reid.losses import ReIDLosses


class TrainingOptions(Recipe):
    """How a re-ID model is trained; recipes inherit these keys.

    Main crops are the real ones or, in an arm with ``only``, the arm's extra crops in their place.
    """

    people: int = Field(16, ge=2, le=4096)  # P, people per batch
    images: int = Field(4, ge=1, le=1024)  # K, main crops per person and batch
    ratio: float = Field(1 / 3, ge=0, le=16)  # extra crops of a batch, as a share of its main crops
    # Whose extra crops a batch has: other ones of its people, or warps of its very main crops.
    extra_of: Literal["person", "crop"] = "person"
    real_only_share: Share = (
        0.1  # share of the steps, the last ones, whose extra crops are main ones
    )
    # Probability that a main crop shows its person on the ground of another person's crop.
    grounds: Share = 0.0
    # Share of the change of light between the two grounds that the person takes.
    light: Share = 0.0
    transforms: CropTransforms = CropTransforms()  # augmentation of main crops
    extra_transforms: CropTransforms = CropTransforms()  # augmentation of extra crops
    objective: ReIDLosses = ReIDLosses()  # the losses and their weights
    optimiser: Literal["adamw", "sgd"] = "adamw"  # see `reidaug.reid.trainer.build_optimiser`
    learning_rate: Rate = 1e-4  # largest learning rate of the trunk
    head_rate: Positive = 1.0  # factor of the learning rate for the heads
    weight_decay: Decay = 5e-4  # weight decay of all parameters
    warmup: float = Field(0.05, ge=0, lt=1)  # share of the steps over which the learning rate rises
    # Extra crops are normalised by their own batch statistics and leave the running ones alone.
    separate_norm: bool = False
    average_share: Share = 0.0  # last share of the steps, whose weights are averaged; 0: none
    # Batch norm's running statistics are measured on real crops in the end, also where extra ones
    # replace them, as always for averaged weights.
    recalibrate_norm: bool = True

    @model_validator(mode="after")
    def _check_uses(self) -> "TrainingOptions":
        if self.objective.extra_consistency and self.extra_of != "crop":
            raise ValueError(
                "objective.extra_consistency compares warps with the crops they are of: it needs "
                "extra_of: crop"
            )
        if self.light and not self.grounds:
            raise ValueError("light is that of other grounds: it needs grounds")
        return self

    @model_validator(mode="after")
    def _check_batch(self) -> "TrainingOptions":
        margin = self.objective.margin
        if margin is not None and not 0 <= margin <= 1000:
            raise ValueError(f"'objective.margin': from 0 to 1000, or null, got {margin}")
        main = self.people * self.images
        extra = round(self.ratio * main)
        if self.ratio and not extra:
            raise ValueError(f"ratio: {self.ratio:g} of {main} main crops is no extra crop at all")
        if self.separate_norm and extra == 1:
            raise ValueError(
                f"separate_norm: {self.ratio:g} of {main} main crops is one extra crop a batch, "
                f"and batch statistics need two: raise ratio, people or images"
            )
        return self
