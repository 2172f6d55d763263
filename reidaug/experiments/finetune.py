"""The cells of `reidaug finetune-eval`: one arm trained and tested with one seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from accelerate import PartialState
from torch.optim.swa_utils import AveragedModel, get_swa_multi_avg_fn, update_bn

from reidaug.data.market1501 import Person
from reidaug.experiments.arms import Material
from reidaug.experiments.finetune_config import START, FinetuneEval, build_network
from reidaug.experiments.results import Cell
from reidaug.experiments.run_grid import Advance, Cells, Task
from reidaug.files import write_atomically
from reidaug.machine import bfloat16_is_faster, one_thread
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.batches import TrainingBatches, calibration_batches
from reidaug.reid.crops import Crops
from reidaug.reid.evaluation.retrieval import Evaluation, evaluate
from reidaug.reid.features import RetrievalFeatures, extract_features
from reidaug.reid.network_modes import seeded
from reidaug.reid.trainer import ReIDTrainer, build_optimiser, frozen_teacher
from reidaug.runs import RunFolder

LOG_EVERY = 20


@dataclass(frozen=True)
class Experiment(Cells):
    """An experiment of which cells can be trained one by one.

    Attributes:
        recipe: What decides its numbers.
        material: Its crops.
        folder: Its run folder.
    """

    recipe: FinetuneEval
    material: Material
    folder: RunFolder

    def model_path(self, name: str, seed: int) -> Path:
        """Where a cell leaves its model."""
        return self.folder.path / "checkpoints" / f"{name}-seed{seed}.safetensors"

    def start_seed(self, seed: int) -> int:
        """Tell which start a seed's arms are fine-tuned from, by the seed that trained it."""
        return seed if self.recipe.start_per_seed else self.recipe.seeds[0]

    def plan(self) -> dict[Task, Task | None]:
        """List every cell with the one it goes on from: arms go on from their start."""
        starts = {seed: (START, self.start_seed(seed)) for seed in self.recipe.seeds}
        arms = {(name, seed): starts[seed] for seed in starts for name in self.recipe.arms}
        return {**dict.fromkeys(starts.values()), **arms}

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
            model = build_network(recipe, len(self.material.pids), seed, weights)
            records = self._learn(model, name, seed, advance)
            tested = self.test(self.see(model))
        if name == START or recipe.keep_checkpoints:
            state = {key: value.contiguous().cpu() for key, value in model.state_dict().items()}
            write_atomically(self.model_path(name, seed), safetensors.torch.save(state))
        last = records[-max(1, len(records) // 10) :]
        loss, accuracy = (_mean([r[key] for r in last]) for key in ("loss", "accuracy"))
        cell = Cell(tested, loss, accuracy)
        write_atomically(self.cell_path(name, seed), cell.encoded())
        return self.steps(name)

    def see(self, model: ReIDModel) -> RetrievalFeatures:
        """Embed query and gallery with a model.

        Args:
            model: The network.

        Returns:
            Their features and ids.
        """
        device = PartialState().device
        return extract_features(
            model,
            self.material.query,
            self.material.gallery,
            size=self.recipe.size,
            fine_weight=self.recipe.fine_similarity,
            mirror=self.recipe.mirror,
            bfloat16=self._half(device),
            device=device,
        )

    def test(self, seen: RetrievalFeatures) -> Evaluation:
        """Search the gallery for every query.

        Args:
            seen: What a model sees in them.

        Returns:
            How it did.
        """
        return evaluate(seen, memory_mb=self.recipe.memory_mb)

    def _learn(
        self, model: ReIDModel, name: str, seed: int, advance: Advance | None
    ) -> list[dict[str, float]]:
        """Take the steps of a cell; the last model is the one that counts."""
        recipe, steps, device = self.recipe.of_arm(name), self.steps(name), PartialState().device
        feed = self._feed(name)
        learner = ReIDTrainer(
            model,
            build_optimiser(
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
            bfloat16=self._half(device),
            teacher=frozen_teacher(model) if recipe.objective.extra_teacher else None,
        )
        late = steps - round(recipe.real_only_share * steps)
        batches = feed.batches(steps=steps, seed=seed, real_only_from=late, device=device)
        records = []
        averaged = round(recipe.average_share * steps)
        mean = AveragedModel(model, multi_avg_fn=get_swa_multi_avg_fn()) if averaged else None
        for step, (real, extra) in enumerate(batches, 1):
            records.append(learner.step(real, extra))
            if mean is not None and step > steps - averaged:
                mean.update_parameters(model)
            if step % LOG_EVERY == 0 or step == steps:
                self.folder.log(stage=name, seed=seed, step=step, **records[-1])
            if advance is not None:
                advance(1)
        if mean is not None:
            model.load_state_dict(mean.module.state_dict())
        if (recipe.recalibrate_norm or averaged) and steps:
            count = recipe.people * recipe.images
            update_bn(calibration_batches(feed.real, count=count, seed=seed, device=device), model)
        return records

    def _feed(self, name: str) -> TrainingBatches:
        recipe, train = self.recipe.of_arm(name), self.material.train
        extra = self.material.extra.get(name, train)
        if name != START and self.recipe.arms[name].only:
            train = extra
        real = self._crops(train)
        count = 0 if name == START else round(recipe.ratio * recipe.people * recipe.images)
        return TrainingBatches(
            real,
            self.material.labels(train),
            real if extra is train else self._crops(extra),
            self.material.labels(extra),
            people=recipe.people,
            images=recipe.images,
            extra_count=count,
            transforms=recipe.transforms,
            extra_transforms=recipe.extra_transforms,
            extra_roots=self.material.roots.get(name, ()),
        )

    def _crops(self, people: Sequence[Person]) -> Crops:
        paths = [person.path for person in people]
        return Crops(paths, size=self.recipe.size, cache_mb=self.recipe.cache_mb // 2)

    def _half(self, device: torch.device) -> bool:
        wanted = self.recipe.precision
        return bfloat16_is_faster(device) if wanted == "auto" else wanted == "bfloat16"


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
