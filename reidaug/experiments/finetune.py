"""Fine-tuning experiment: every arm trained with every seed, evaluated and compared.

A cell is one arm trained with one seed. The start is the model that all arms continue from; it is a
cell too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import PartialState
from jaxtyping import Float
from torch import Tensor

from reidaug.checksums import flaw_of
from reidaug.data.market1501 import Person
from reidaug.errors import ReidaugError
from reidaug.experiments.arm_batches import arm_batches, check_arms
from reidaug.experiments.cell_inputs import CellInputs, finetune_inputs
from reidaug.experiments.experiment_data import ExperimentData
from reidaug.experiments.finetune_config import (
    START,
    FinetuneRecipe,
    build_checked_network,
    build_network,
    check_recipe_crops,
    read_data,
)
from reidaug.experiments.results import CellResult, scores, shared_report
from reidaug.experiments.run_grid import (
    TRAINED,
    CellKey,
    Grid,
    dry_run_grid,
    run_experiment,
)
from reidaug.files import checksum
from reidaug.finite import LAST_GOOD, keep_last_good
from reidaug.jobs import Records
from reidaug.machine import one_thread
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.crops import Crops
from reidaug.reid.evaluation.retrieval import evaluate
from reidaug.reid.features import RetrievalFeatures, embed, extract_features
from reidaug.reid.network_modes import seeded
from reidaug.reid.training_loop import DivergedError, FinalMetrics, train
from reidaug.reid.weights import save_weights
from reidaug.report.experiment import FinetuneReport
from reidaug.runs import RunFolder, check_lock
from reidaug.verbosity import Advance

LOG_EVERY = 20
DRY_RUN_CROPS = 64  # queries and gallery crops of a dry run, each


def finetune(
    recipe: FinetuneRecipe, out: Path, *, resume: bool = False, workers: int | None = None
) -> FinetuneReport:
    """Train every arm with every seed and compare them; writes ``report.json`` and ``cmc.png``.

    Args:
        recipe: The experiment.
        out: Run folder.
        resume: Whether to go on with the run it holds: finished cells are kept, also when the
            recipe has more arms or seeds by now, or compares others.
        workers: Cells trained in parallel; default: one per core, one on a GPU.

    Raises:
        ReidaugError: Crops cannot be read, a weight file does not fit, or training diverges.
        UsageError: The recipe does not fit the data.
    """
    check_lock(out)
    data = read_data(recipe)
    check_arms(recipe, data)
    build_checked_network(recipe, len(data.pids), training=True)
    kept, inputs = finetune_inputs(recipe, data, out)
    check_recipe_crops(recipe, data, finished=out if resume and not kept.changes() else None)
    grid = partial(FinetuneGrid, recipe, data, inputs=inputs)
    return run_experiment(
        grid, recipe, FinetuneReport, out, kept, resume=resume, workers=workers,
        look=lambda: finetune_inputs(recipe, data, out),
    )  # fmt: skip


def dry_run(recipe: FinetuneRecipe) -> FinetuneReport:
    """List all crops, take one step with every arm, evaluate on a few crops; keep nothing.

    The report is that of `finetune`; its numbers mean nothing.

    Raises:
        ReidaugError: As `finetune`.
        UsageError: As `finetune`.
    """
    changes = {"seeds": recipe.seeds[:1], "steps": 1, "pretrain_steps": 1}
    recipe = recipe.model_copy(update=changes)
    data = read_data(recipe)
    check_arms(recipe, data)
    build_checked_network(recipe, len(data.pids), training=True)
    check_recipe_crops(recipe, data)
    few = data._replace(query=data.query[:DRY_RUN_CROPS], gallery=data.gallery[:DRY_RUN_CROPS])
    return dry_run_grid(partial(FinetuneGrid, recipe, few))


@dataclass(frozen=True)
class FinetuneGrid(Grid[FinetuneReport]):
    """The cells of a fine-tuning experiment."""

    recipe: FinetuneRecipe
    data: ExperimentData
    folder: RunFolder
    inputs: CellInputs | None = None

    def start(self, seed: int) -> CellKey:
        """Name the cell that the arms of a seed are fine-tuned from."""
        own = self.recipe.start_per_seed and self.recipe.checkpoint is None
        return CellKey(START, seed if own else self.recipe.seeds[0])

    def plan(self) -> dict[CellKey, CellKey | None]:
        """List every cell with the one it continues from: arms continue from their start."""
        starts = {seed: self.start(seed) for seed in self.recipe.seeds}
        arms = {CellKey(name, seed): starts[seed] for seed in starts for name in self.recipe.arms}
        return {**dict.fromkeys(starts.values()), **arms}

    def steps(self, name: str) -> int:
        """Count the optimiser steps of a cell."""
        if name != START:
            return self.recipe.steps
        return 0 if self.recipe.checkpoint is not None else self.recipe.pretrain_steps

    def train(self, key: CellKey, advance: Advance) -> CellResult:
        """Train and evaluate an arm, or a start of arms; call `advance` after every step.

        On a CPU one thread does it all: the numbers do not depend on how many cores there are.
        """
        recipe, steps = self.recipe.of_arm(key.name), self.steps(key.name)
        weights: Path | None = self.model_path(self.start(key.seed))
        if key.name == START:
            weights = recipe.start_file()
            pretraining = {"learning_rate": recipe.pretrain_learning_rate, "ratio": 0.0}
            recipe = recipe.model_copy(update=pretraining)

        def after_step(step: int, record: dict[str, float]) -> None:
            if step % LOG_EVERY == 0 or step == steps:
                self.folder.log(stage=key.name, seed=key.seed, step=step, **record)
            advance(1)

        # Weights are written before the test set is read: what fails there costs no training.
        own, trained = self.model_path(key), self._trained(key)
        if trained is not None:
            weights = own
        with one_thread(), seeded(key.seed):
            model, _ = build_network(recipe, len(self.data.pids), key.seed, weights)
            if trained is not None:
                metrics = trained
                advance(steps, before=True)
            else:
                try:
                    metrics = train(
                        model,
                        arm_batches(self.recipe, self.data, key.name),
                        recipe,
                        steps=steps,
                        seed=key.seed,
                        after_step=after_step,
                        bfloat16=recipe.bfloat16(PartialState().device),
                    )
                except DivergedError as error:
                    raise self._stopped(key, model, error) from None
                save_weights(model, own)
                self.trained.write(str(key), {**metrics._asdict(), "weights": checksum(own)})
            evaluation = evaluate(
                self.features(model), metric=recipe.metric, memory_mb=recipe.memory_mb
            )
        kept = key.name == START or self.recipe.of_arm(key.name).keep_checkpoints
        return CellResult(evaluation, *metrics, weights=checksum(own) if kept else None)

    def finish(self, key: CellKey, advance: Advance) -> CellKey:
        """Train and evaluate a cell, write its record, and remove weights that nobody needs."""
        super().finish(key, advance)
        self.trained.path(str(key)).unlink(missing_ok=True)
        self._remove_weights(key)
        return key

    def _remove_weights(self, key: CellKey) -> None:
        """Remove the weights of a finished cell, unless they are needed or asked for."""
        if key.name != START and not self.recipe.of_arm(key.name).keep_checkpoints:
            self.model_path(key).unlink(missing_ok=True)

    def rewind(self) -> None:
        """Drop the lines of cells that are trained from their first step again.

        Weights of finished cells are removed, which a killed run had no time for.
        """
        finished = [key for key in self.plan() if self.finished(key)]
        for key in finished:
            self._remove_weights(key)
        keys = [k for k in self.plan() if k in finished or self.is_trained(k)]
        self.folder.rewind(lambda record: (record.get("stage"), record.get("seed")) in keys)

    def _trained(self, key: CellKey) -> FinalMetrics | None:
        """Read the metrics of a cell whose weights are there, as written; else None."""
        try:
            record = dict(self.trained.read(str(key)))
            own, metrics = record.pop("weights", None), FinalMetrics(**record)
        except (AttributeError, TypeError, ValueError):
            result = self.result(key)  # a finished cell that is to be evaluated again
            if result is None or result.weights is None:
                return None
            own, metrics = result.weights, FinalMetrics(result.loss, result.accuracy)
        path = self.model_path(key)
        whole = path.is_file() if own is None else not flaw_of(path, own)
        return metrics if whole else None

    def forget(self, key: CellKey) -> None:
        """Remove the weights of a cell."""
        self.trained.path(str(key)).unlink(missing_ok=True)
        self.model_path(key).unlink(missing_ok=True)

    def has_weights(self, key: CellKey) -> bool:
        """Whether a cell is trained and its weights are kept."""
        return self._trained(key) is not None

    @property
    def trained(self) -> Records:
        """The last training metrics of cells whose weights are written."""
        return Records(self.folder.path / TRAINED)

    def _stopped(self, key: CellKey, model: ReIDModel, error: DivergedError) -> ReidaugError:
        """Keep the last good weights of a cell that diverged, and say where they are."""
        model.load_state_dict(dict(error.good))
        last = keep_last_good(
            error.good,
            lambda path: save_weights(model, path),
            self.model_path(key).with_suffix(f".{LAST_GOOD}.safetensors"),
            else_kept="there are no good ones",
        )
        return ReidaugError(f"{key.name}, {error}; of step {error.good_step}, {last}")

    def report(self) -> FinetuneReport:
        """Build the report of the finished experiment."""
        recipe, data, start = self.recipe, self.data, self.results(START)
        cells = {name: self.results(name) for name in recipe.arms}
        last = {key: [getattr(cell, key) for cell in start] for key in ("loss", "accuracy")}
        return FinetuneReport(
            **shared_report(recipe, data, cells, before={}),
            backbone=recipe.backbone,
            pretrain_steps=self.steps(START),
            steps=recipe.steps,
            train_people=len(data.pids),
            train_images=len(data.train),
            start={**scores(start), **(last if self.steps(START) else {})},
        )

    def features(self, model: ReIDModel) -> RetrievalFeatures:
        """Extract the features of query and gallery."""
        size, embedding = self.recipe.size, self._embedding()
        return extract_features(model, self.data.query, self.data.gallery, size=size, **embedding)

    def embed(self, model: ReIDModel, people: Sequence[Person]) -> Float[Tensor, "n d"]:
        """Compute the features of other crops as `features` does."""
        crops = Crops([person.path for person in people], size=self.recipe.size, cache_mb=0)
        return embed(model, crops, **self._embedding())

    def _embedding(self) -> dict[str, Any]:
        return {
            "fine_weight": self.recipe.fine_similarity,
            "mirror": self.recipe.mirror,
            "metric": self.recipe.metric,
            "device": PartialState().device,
        }
