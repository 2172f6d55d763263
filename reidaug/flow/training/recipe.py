"""Recipe of a flow training: data, networks, tasks, losses, optimisation, evaluation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import ConfigDict, Field, model_validator

from reidaug.flow.components import without_preset
from reidaug.flow.loss_weights import LossWeights
from reidaug.flow.training.pair_augmentation import PairAugmentation
from reidaug.flow.unwarpme.losses import PYRAMID
from reidaug.machine import fast_precision
from reidaug.recipes import (
    LARGEST_BATCH,
    Beta,
    Count,
    Decay,
    Part,
    Positive,
    Recipe,
    Seed,
    Share,
    Steps,
)

Side = Annotated[int, Field(ge=8, le=4096)]  # pixels
Scale = Annotated[float, Field(ge=1 / 64, le=1)]  # a share of an image's height and width
Window = Annotated[int, Field(ge=1, le=63)]  # cells
TASKS = ("affine", "exact", "reconstruction", "perceptual", "generation", "sampling")
"""Training tasks, see `reidaug.flow.training.tasks`, in the order in which losses are summed."""
NETWORKS = ("estimator", "generator", "discriminator")


@dataclass(frozen=True)
class Schedule:
    """Learning-rate schedule."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    steps: Count  # length of the training
    rate: Decay = 2e-4  # base learning rate; 0 learns nothing
    warmup: Steps = 0  # steps of linear warm-up
    # ``cosine``: to zero at the last step; ``drops``: to a tenth at each of ``drops``.
    shape: Literal["constant", "cosine", "drops"] = "cosine"
    # fractions of the training; FOMM's and MRAA's 60 and 90 of 100 epochs
    drops: tuple[Share, ...] = (0.6, 0.9)

    def at(self, step: int) -> float:
        """Compute the learning rate of a step, counted from 0."""
        rise = min(1.0, (step + 1) / (self.warmup + 1))
        if self.shape == "constant":
            return self.rate * rise
        if self.shape == "drops":
            return self.rate * rise * 0.1 ** sum(step >= part * self.steps for part in self.drops)
        return self.rate * rise * (1 + math.cos(math.pi * step / self.steps)) / 2


class PairsRecipe(Recipe):
    """Pairs to train on and to score, the same for one training and for a comparison of several."""

    pairs: Path  # root of pairs in DeepFashion form, see `reidaug.data.deepfashion`
    # (height, width) of all images; null keeps the files' own
    size: tuple[Side, Side] | None = (128, 64)
    # (height, width) joints were annotated at, if different
    annotated_size: tuple[Side, Side] | None = None
    # ``grey``: estimators get the person on grey, in training and evaluation, where every image
    # has a mask, so that no flow has to explain a background; ``image``: images unchanged.
    background: Literal["grey", "image"] = "grey"
    # ``test``: the test people; ``held_out``: some of the training people, who are then not
    # trained on. Use these for model selection.
    evaluate_on: Literal["test", "held_out"] = "test"
    held_out: Part = 0.2  # fraction of the training people to hold out for that
    # number of pairs to score, evenly spaced in the list; 0 for all
    test_pairs: Steps = 200
    stlpips: tuple[Literal["alex", "vgg"], ...] = ("alex",)  # networks of ST-LPIPS to score with
    seed: Seed = 0  # random seed


def _fast_precision() -> Literal["float32", "bfloat16"]:
    return fast_precision(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


class TrainFlow(PairsRecipe):
    """Recipe of `reidaug train-flow`."""

    # Further keypoint files of the training images, such as `reidaug pose` writes: pairs are
    # trained on with every combination of their images' annotations.
    more_keypoints: tuple[Path, ...] = ()
    # ``class``, optionally ``preset``, and keywords; networks below likewise
    estimator: dict[str, Any]
    # Flow whose weights the estimator starts from: a checkpoint folder of the same architecture,
    # or ``market``, the checkpoint inside the package.
    start: str | None = None
    # image generator for the task ``generation``; not needed afterwards
    generator: dict[str, Any] | None = None
    discriminator: dict[str, Any] | None = None  # of generated images
    row: str = Field(
        "unwarpme", min_length=1, max_length=100
    )  # name of the estimator's row in tables of scores
    # Tasks in turn, one entry per step; ``exact+reconstruction`` sums two in one step.
    cycle: tuple[str, ...] = Field(("affine", "reconstruction"), min_length=1)
    weights: LossWeights = LossWeights()  # loss weights
    # resolutions of the perceptual loss, as fractions of the images' own
    scales: tuple[Scale, ...] = Field(PYRAMID, min_length=1)
    # Depths of its network that count, shallow ones first. Default: all five of VGG-19, as in the
    # paper; the first two of the VGG-16 that stands in for it.
    depths: int | None = Field(None, ge=1, le=5)
    windows: tuple[Window, ...] = (3, 5)  # window sizes of GFLA's affine loss, coarse to fine
    pair_augmentation: PairAugmentation = PairAugmentation()  # random changes of training pairs
    schedule: Schedule  # steps and learning rate
    batch: int = Field(16, ge=1, le=4096)  # pairs per step, over all processes
    clip: Positive | None = 1.0  # largest gradient norm; null does not clip
    betas: tuple[Beta, Beta] = (0.5, 0.999)  # of Adam
    weight_decay: Decay = 0.0  # L2 penalty of all parameters
    # of the networks in training; by default bfloat16 where the device has instructions for it
    precision: Literal["float32", "bfloat16", "float16"] = Field(default_factory=_fast_precision)
    half_precision_weights: bool = False  # store the checkpoint's weights in 16 bits
    # torchvision's VGG-19 weights for the perceptual loss; null: ST-LPIPS's VGG-16
    vgg19: Path | None = None
    workers: int = Field(
        0, ge=0, le=64
    )  # processes that read pairs; 0: the training process reads them
    # steps from one round of log lines, a line a task of the cycle, to the next
    log_every: Count = 10
    save_every: Count = 500  # steps between training states, for resuming

    @model_validator(mode="after")
    def _check_cycle(self) -> "TrainFlow":
        unknown = [task for task in self.tasks if task not in TASKS]
        if unknown:
            raise ValueError(f"cycle: no task {unknown[0]!r} (known: {', '.join(TASKS)})")
        if "generation" in self.tasks and self.generator is None:
            raise ValueError("cycle: the task 'generation' needs 'generator'")
        height, width = self.size or (8, 8)
        if self.batch * height * width > LARGEST_BATCH:
            raise ValueError(
                f"batch, size: {self.batch} pairs of {height} x {width} pixels a step are more "
                f"than {LARGEST_BATCH} pixels"
            )
        return self

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks of the cycle."""
        return tuple(task for entry in self.cycle for task in entry.split("+"))


def resolved(recipe: TrainFlow) -> dict[str, Any]:
    """List the YAML values of ``recipe.yaml``, with presets replaced by their keywords.

    Raises:
        UsageError: A class or preset does not exist.
    """
    values = {"command": "train-flow", **recipe.model_dump(mode="json")}
    networks = {key: values[key] for key in NETWORKS if values[key] is not None}
    return values | {key: without_preset(keys, key=key) for key, keys in networks.items()}


def same_weights(begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether two resolved recipes differ at most in what no weight depends on.

    A training that ran out of memory goes on with fewer ``workers``.
    """
    keys = {**begun, **wanted}.keys() - {"workers", "save_every"}
    return all(begun.get(key) == wanted.get(key) for key in keys)
