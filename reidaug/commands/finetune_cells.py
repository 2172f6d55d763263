"""The cells of `reidaug finetune-eval`: one arm trained and tested with one seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch
from accelerate import PartialState
from pydantic import Field, model_validator

from reidaug.data.people import Person
from reidaug.errors import UsageError
from reidaug.machine import half_pays, one_thread
from reidaug.recipes import Recipe
from reidaug.reid.arms import Material, gather
from reidaug.reid.backbones import ReIDModel, build, load_weights
from reidaug.reid.crops import Crops, Variation
from reidaug.reid.learner import (
    Learner,
    Objective,
    WeightMean,
    optimise,
    recalibrate,
    seeded,
)
from reidaug.reid.scoreboard import Cell
from reidaug.reid.trial import Feed, Tested, evaluate, plain_batches, stream
from reidaug.runs import RunFolder, write_atomically

START = "start"  # the cell before all arms: what they are fine-tuned from
LOG_EVERY = 20

Advance = Callable[[int], None]


class FinetuneEval(Recipe):
    """What decides the numbers of an experiment.

    Attributes:
        dataset: Market-1501-format root with the real crops.
        arms: Name to a root whose training crops come on top of the real ones; null for the real
            crops once more.
        method: The arm in question.
        baseline: The arm without augmentation.
        controls: Arms that could explain a gain away.
        ceiling: The arm that no warp can beat.
        evaluate_on: The test set, or training people held out (for tuning).
        held_out: Share of the training people that is then held out.
        split_seed: Decides who.
        min_quality: Warps of less quality by their manifest are not used.
        seeds: One cell an arm for each.
        start_per_seed: Whether every seed trains a start of its own; otherwise the first seed's
            serves all, and the spread over seeds is that of the fine-tuning.
        backbone: ``resnet18``, ``resnet34``, ``resnet50`` or ``torchreid:NAME``.
        backbone_options: Keywords of `reidaug.reid.backbones.PersonResNet`.
        weights: Weight file the first stage starts from; none: from scratch.
        checkpoint: Weight file of a finished re-ID model: takes the place of the first stage.
        size: (height, width) of the crops.
        precision: Of the network's numbers; auto: bfloat16 where it is faster.
        pretrain_steps: Optimiser steps of the first stage, on the real crops alone.
        steps: Optimiser steps of every arm.
        people: People a batch.
        images: Real crops a person.
        ratio: Crops on top, as a share of the real ones of a batch.
        real_only_share: Share of the steps, the last ones, whose crops on top are real.
        separate_norm: Whether the crops on top have batch statistics of their own.
        average_share: Share of the steps, the last ones, over which the weights are averaged; 0
            for the last weights alone.
        recalibrate_norm: Whether batch norm's statistics are measured on real crops in the end.
        optimiser: ``adam`` or ``sgd``.
        pretrain_learning_rate: Largest learning rate of the first stage.
        learning_rate: Largest learning rate of the arms.
        head_rate: How many times as large it is for the heads.
        weight_decay: Of all parameters.
        warmup: Share of the steps over which the learning rate rises.
        objective: The losses and their weights, see `reidaug.reid.learner.Objective`.
        vary: Variation of the real crops, see `reidaug.reid.crops.Variation`.
        vary_top: Variation of the crops on top.
        fine_similarity: Weight of every head after the first in retrieval.
        cache_mb: Bound on the decoded crops kept by a process.
        memory_mb: Bound on the distances held at a time.
        keep_checkpoints: Whether every cell leaves its model behind.
    """

    dataset: Path
    arms: dict[str, Path | None] = Field({"real_only": None}, min_length=1)
    method: str = "warps_grey"
    baseline: str = "real_only"
    controls: tuple[str, ...] = ("real_only", "identity_grey", "affine_grey")
    ceiling: str = "true_views_grey"
    evaluate_on: Literal["test", "held_out"] = "test"
    held_out: float = Field(0.2, gt=0, lt=1)
    split_seed: int = Field(0, ge=0)
    min_quality: float = Field(0.0, ge=0, le=1)
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    start_per_seed: bool = False
    backbone: str = "resnet50"
    backbone_options: dict[str, Any] = Field(default_factory=dict)
    weights: Path | None = None
    checkpoint: Path | None = None
    size: tuple[int, int] = (256, 128)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    pretrain_steps: int = Field(12000, ge=1)
    steps: int = Field(4000, ge=1)
    people: int = Field(16, ge=2)
    images: int = Field(4, ge=1)
    ratio: float = Field(1 / 3, ge=0)
    real_only_share: float = Field(0.1, ge=0, le=1)
    separate_norm: bool = False
    average_share: float = Field(0.0, ge=0, le=1)
    recalibrate_norm: bool = True
    optimiser: Literal["adam", "sgd"] = "adam"
    pretrain_learning_rate: float = Field(3.5e-4, gt=0)
    learning_rate: float = Field(1e-4, gt=0)
    head_rate: float = Field(1.0, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    objective: Objective = Objective()
    vary: Variation = Variation()
    vary_top: Variation = Variation()
    fine_similarity: float = Field(0.5, ge=0)
    cache_mb: int = Field(2048, ge=0)
    memory_mb: int = Field(256, ge=1)
    keep_checkpoints: bool = False

    @model_validator(mode="after")
    def _names(self) -> "FinetuneEval":
        if START in self.arms or any(not name or "/" in name for name in self.arms):
            raise ValueError(f"an arm's name is no path and not '{START}'")
        if len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("seeds differ and are not negative")
        return self


def read_material(recipe: FinetuneEval) -> Material:
    """Read the crops of an experiment.

    Args:
        recipe: The experiment.

    Returns:
        The crops of all arms.

    Raises:
        ReidaugError: A root cannot be read or does not fit the others.
        UsageError: A batch needs more people than there are.
    """
    material = gather(
        recipe.dataset,
        recipe.arms,
        held_out=recipe.held_out if recipe.evaluate_on == "held_out" else None,
        split_seed=recipe.split_seed,
        min_quality=recipe.min_quality,
    )
    if len(material.pids) < recipe.people:
        raise UsageError(
            f"people: {recipe.people} a batch, but {recipe.dataset} has {len(material.pids)} "
            f"training people"
        )
    return material


@dataclass(frozen=True)
class Experiment:
    """An experiment of which cells can be trained one by one.

    Attributes:
        recipe: What decides its numbers.
        material: Its crops.
        folder: Its run folder.
    """

    recipe: FinetuneEval
    material: Material
    folder: RunFolder

    def cell_path(self, name: str, seed: int) -> Path:
        """Where a finished cell is written down."""
        return self.folder.path / "cells" / f"{name}-seed{seed}.json"

    def model_path(self, name: str, seed: int) -> Path:
        """Where a cell leaves its model."""
        return self.folder.path / "checkpoints" / f"{name}-seed{seed}.safetensors"

    def start_seed(self, seed: int) -> int:
        """Tell which start a seed's arms are fine-tuned from, by the seed that trained it."""
        return seed if self.recipe.start_per_seed else self.recipe.seeds[0]

    def steps(self, name: str) -> int:
        """Count the optimiser steps of a cell."""
        if name != START:
            return self.recipe.steps
        return 0 if self.recipe.checkpoint is not None else self.recipe.pretrain_steps

    def train(self, name: str, seed: int, advance: Advance | None = None) -> int:
        """Train and test one arm (or the start of all) with one seed, and write the cell down.

        On a CPU one thread does it all: the numbers do not depend on how many cores there are.

        Args:
            name: The arm, or `START`.
            seed: Source of all chance.
            advance: Told of every step.

        Returns:
            The number of steps.
        """
        recipe = self.recipe
        weights = recipe.checkpoint or recipe.weights
        if name != START:
            weights = self.model_path(START, self.start_seed(seed))
        with one_thread(), seeded(seed):
            model = self.model(seed, weights)
            records = self._learn(model, name, seed, advance)
            tested = self.test(model)
        if name == START or recipe.keep_checkpoints:
            state = {key: value.contiguous().cpu() for key, value in model.state_dict().items()}
            write_atomically(self.model_path(name, seed), safetensors.torch.save(state))
        last = records[-max(1, len(records) // 10) :]
        loss, accuracy = (_mean([r[key] for r in last]) for key in ("loss", "accuracy"))
        cell = Cell(tested, loss, accuracy)
        write_atomically(self.cell_path(name, seed), cell.encoded())
        return self.steps(name)

    def model(self, seed: int, weights: Path | None) -> ReIDModel:
        """Build the network.

        Args:
            seed: Source of its first weights.
            weights: Weight file that takes their place where it fits.

        Returns:
            The network, on the device it will run on.
        """
        recipe = self.recipe
        model = build(
            recipe.backbone,
            len(self.material.pids),
            generator=stream(seed, 5),
            **recipe.backbone_options,
        )
        if weights is not None:
            load_weights(model, weights)
        return model.to(PartialState().device).to(memory_format=torch.channels_last)

    def test(self, model: ReIDModel) -> Tested:
        """Search the gallery with a model.

        Args:
            model: The network.

        Returns:
            How it did.
        """
        device = PartialState().device
        return evaluate(
            model,
            self.material.query,
            self.material.gallery,
            size=self.recipe.size,
            memory_mb=self.recipe.memory_mb,
            fine_weight=self.recipe.fine_similarity,
            half=self._half(device),
            device=device,
        )

    def _learn(
        self, model: ReIDModel, name: str, seed: int, advance: Advance | None
    ) -> list[dict[str, float]]:
        """Take the steps of a cell; the last model is the one that counts."""
        recipe, steps, device = self.recipe, self.steps(name), PartialState().device
        feed = self._feed(name)
        learner = Learner(
            model,
            optimise(
                model,
                kind=recipe.optimiser,
                learning_rate=(
                    recipe.pretrain_learning_rate if name == START else recipe.learning_rate
                ),
                head_rate=recipe.head_rate,
                weight_decay=recipe.weight_decay,
            ),
            recipe.objective,
            steps=steps,
            warmup=round(recipe.warmup * steps),
            separate_norm=recipe.separate_norm,
            half=self._half(device),
        )
        late = steps - round(recipe.real_only_share * steps)
        batches = feed.batches(steps=steps, seed=seed, real_only_from=late, device=device)
        records = []
        mean, averaged = WeightMean(model), round(recipe.average_share * steps)
        for step, (real, top) in enumerate(batches, 1):
            records.append(learner.step(real, top))
            if step > steps - averaged:
                mean.add()
            if step % LOG_EVERY == 0 or step == steps:
                self.folder.log(stage=name, seed=seed, step=step, **records[-1])
            if advance is not None:
                advance(1)
        mean.apply()
        if (recipe.recalibrate_norm or averaged) and steps:
            count = recipe.people * recipe.images
            recalibrate(model, plain_batches(feed.real, count=count, seed=seed, device=device))
        return records

    def _feed(self, name: str) -> Feed:
        recipe, train = self.recipe, self.material.train
        real = self._crops(train)
        on_top = self.material.on_top.get(name, train)
        count = 0 if name == START else round(recipe.ratio * recipe.people * recipe.images)
        return Feed(
            real,
            self.material.labels(train),
            real if on_top is train else self._crops(on_top),
            self.material.labels(on_top),
            people=recipe.people,
            images=recipe.images,
            on_top=count,
            vary=recipe.vary,
            vary_top=recipe.vary_top,
        )

    def _crops(self, people: Sequence[Person]) -> Crops:
        paths = [person.path for person in people]
        return Crops(paths, size=self.recipe.size, cache_mb=self.recipe.cache_mb // 2)

    def _half(self, device: torch.device) -> bool:
        wanted = self.recipe.precision
        return half_pays(device) if wanted == "auto" else wanted == "bfloat16"


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
