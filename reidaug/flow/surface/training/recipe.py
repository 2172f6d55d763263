"""Recipe of a surface training: samples, networks, augmentation, losses, optimisation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import torch
from pydantic import ConfigDict, Field

from reidaug.flow.components import without_preset
from reidaug.flow.surface.training.augmentation import SurfaceAugmentation
from reidaug.flow.training.recipe import Schedule
from reidaug.machine import fast_precision
from reidaug.recipes import Beta, Count, Decay, Positive, Recipe, Seed, Share, Weight

Part = Literal["source", "retargeting", "target", "refinement"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class SurfaceWeights:
    """Loss weights, see `reidaug.flow.surface.training.losses`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    seen: Weight = 10.0  # places on the crop
    person: Weight = 0.5  # which cells of the crop show the person
    joints: Weight = 3.0  # retargeted joints
    imagined: Weight = 10.0  # places in the target pose
    imagined_outline: Weight = 2.0  # outline in the target pose, as imagined
    matched: Weight = 0.1  # flow before it is refined
    flow: Weight = 0.15  # refined flow
    distortion: Weight = 1.5  # of what the refined flow shows
    outline: Weight = 2.0  # refined outline


def _fast_precision() -> Literal["float32", "bfloat16"]:
    return fast_precision(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


class TrainSurface(Recipe):
    """Recipe of `reidaug train-flow` with ``surfaces``."""

    surfaces: Path  # rendered people, see `reidaug synth surfaces`
    # Joints and masks of the training crops as a network finds them, see `reidaug pose`; null:
    # true ones alone.
    keypoints: Path | None = None
    masks: Path | None = None  # folder with such masks, which go with ``keypoints``
    estimator: dict[str, Any]  # ``class``, optionally ``preset``, and keywords
    # Networks that are trained; the others stay as they are.
    parts: tuple[Part, ...] = Field(PARTS, min_length=1)
    # checkpoint folder, or a name, whose weights the estimator starts from
    start: str | None = None
    augmentation: SurfaceAugmentation = SurfaceAugmentation()  # random changes of samples
    # share of the samples of another's pose whose target network gets the true joints
    true_joints: Share = 0.4
    weights: SurfaceWeights = SurfaceWeights()  # loss weights
    schedule: Schedule  # steps and learning rate
    batch: int = Field(32, ge=1, le=4096)  # samples per step
    clip: Positive | None = 1.0  # largest gradient norm; null does not clip
    betas: tuple[Beta, Beta] = (0.9, 0.99)  # of AdamW
    weight_decay: Decay = 1e-4  # of AdamW
    # of the convolutions in training; by default bfloat16 where the device has instructions for it
    precision: Literal["float32", "bfloat16"] = Field(default_factory=_fast_precision)
    half_precision_weights: bool = False  # store the checkpoint's weights in 16 bits
    test_samples: Count = 1000  # samples of the test people to score, evenly spaced
    log_every: Count = 100  # steps from one log line to the next
    save_every: Count = 500  # steps between training states, for resuming
    seed: Seed = 0  # random seed


def resolved(recipe: TrainSurface) -> dict[str, Any]:
    """List the YAML values of ``recipe.yaml``, with the preset replaced by its keywords.

    Raises:
        UsageError: The class or preset does not exist.
    """
    values = {"command": "train-flow", **recipe.model_dump(mode="json")}
    return values | {"estimator": without_preset(values["estimator"], key="estimator")}
