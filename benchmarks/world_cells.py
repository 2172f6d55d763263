"""Cells of benchmarks/world_tau.py: one setting trained in one world with one seed.

A folder holds cells of one recipe a setting, see `check_recipes`. Worker processes import this
module; what it decodes is kept for all cells of a process.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from accelerate import PartialState
from joblib import delayed

from reidaug.data.market1501 import Person
from reidaug.errors import ReidaugError
from reidaug.experiments.experiment_data import ExperimentData
from reidaug.experiments.finetune_config import (
    FinetuneRecipe,
    build_checked_network,
    build_network,
    read_data,
)  # fmt: skip
from reidaug.files import write_atomically
from reidaug.jobs import Records, Task, run_tasks
from reidaug.machine import describe, one_thread
from reidaug.reid.batches import TrainingBatches
from reidaug.reid.crops import Crops
from reidaug.reid.evaluation.metrics import Identities
from reidaug.reid.evaluation.retrieval import evaluate
from reidaug.reid.features import RetrievalFeatures, embed
from reidaug.reid.network_modes import seeded
from reidaug.reid.training_loop import train
from reidaug.runs import counter

ARM = "own"  # the only arm of a cell's recipe
OF_WORLDS = {"dataset", "arms", "seeds"}  # keys of a recipe that differ between cells of a setting


class Cell(NamedTuple):
    """One setting trained in one world with one seed."""

    world: str
    setting: str
    seed: int

    def __str__(self) -> str:
        """Write the cell as in file names."""
        return f"{self.world}-{self.setting}-seed{self.seed}"


def check_recipes(out: Path, recipes: Mapping[tuple[str, str], FinetuneRecipe]) -> None:
    """Keep the recipe of every setting beside its cells; refuse cells of another recipe."""
    file = out / "recipes.json"
    kept: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    for (_, setting), recipe in recipes.items():
        wanted = recipe.model_dump(mode="json", exclude=OF_WORLDS)
        before = kept.setdefault(setting, wanted)
        if differing := [key for key in wanted if before.get(key) != wanted[key]]:
            raise ReidaugError(
                f"{out} holds cells of {setting} with another {', '.join(differing)}; name another "
                "folder with --out"
            )
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(file, (json.dumps(kept, indent=1) + "\n").encode())


def run_cells(
    out: Path,
    cells: Sequence[Cell],
    recipes: Mapping[tuple[str, str], FinetuneRecipe],
    workers: int,
) -> None:
    """Train the cells that have no record yet; the seeds of all worlds advance together."""
    out.mkdir(parents=True, exist_ok=True)
    records = Records(out / "cells")
    people = [len(read_data(recipe).pids) for recipe in recipes.values()]
    first = next(iter(recipes.values()))
    build_checked_network(first, people[0], training=True)  # before the first cell is trained
    missing: list[Task] = [
        delayed(finish)(records, cell, recipes[cell.world, cell.setting])
        for cell in cells
        if records.read(str(cell)) is None
    ]
    with counter(total=len(missing), what="training", unit="cell") as advance:
        for _ in run_tasks(missing, max(1, min(workers, len(missing))), ordered=False):
            advance(1)


def finish(records: Records, cell: Cell, recipe: FinetuneRecipe) -> None:
    """Train a cell and write its record: the average precision of every query, in percent."""
    records.write(str(cell), train_cell(recipe, cell.seed))


def train_cell(recipe: FinetuneRecipe, seed: int) -> dict[str, Any]:
    """Train from the start's weights with the recipe's only arm, and evaluate."""
    data, device = read_data(recipe), PartialState().device
    query, gallery = data.query, data.gallery
    bfloat16 = recipe.bfloat16(device)
    with one_thread(), seeded(seed):
        model, _ = build_network(recipe, len(data.pids), seed, recipe.start_file())
        metrics = train(
            model, batches(recipe, data), recipe, steps=recipe.steps, seed=seed,
            after_step=lambda step, record: None, bfloat16=bfloat16,
        )  # fmt: skip
        features = [
            embed(model, decoded(crops, recipe.size), device=device) for crops in (query, gallery)
        ]
        found = evaluate(
            RetrievalFeatures(
                features[0], Identities.of(query), features[1], Identities.of(gallery)
            )
        )
    return {
        "ap": found.ap,
        "pids": [person.pid for person in query],
        "rank1": found.scores["rank1"],
        **metrics._asdict(),
        "hardware": describe(),
    }


def batches(recipe: FinetuneRecipe, data: ExperimentData) -> TrainingBatches:
    """Take the real and extra crops of a cell; without extra crops none are drawn."""
    extra = data.extra[ARM]
    return TrainingBatches(
        decoded(data.train, recipe.size),
        data.labels(data.train),
        decoded(extra, recipe.size),
        data.labels(extra),
    )


@lru_cache(maxsize=64)
def decoded(crops: tuple[Person, ...], size: tuple[int, int]) -> Crops:
    """Decode crops once for all cells of a process."""
    return Crops([person.path for person in crops], size=size)
