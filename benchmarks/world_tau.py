"""Do rendered worlds rank ways of training as photographs do? Kendall's tau of ten settings.

    python benchmarks/world_roots.py --market ROOT --keypoints FILE --masks FOLDER --out ROOTS
    python benchmarks/world_tau.py --market ROOT --roots ROOTS [--worlds NAME ...] [--seeds 3]

Ten settings of training, none with warps into other poses, are ranked by mAP on photographs (tune
people of Market-1501's training set) and in every prepared world: the same start from ImageNet, the
same steps and seeds. Worlds are mended by the tau found here alone. An interval draws the evaluated
people of both worlds and the seeds; the ceiling is the tau of photographs with themselves, between
disjoint halves of people and seeds. The figures go to benchmarks/results/world_tau.json. A run that
was stopped goes on when started again.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from accelerate import PartialState
from joblib import delayed
from provenance import write_result
from rank_agreement import Scores, agreement, best_first, ceiling
from world_roots import GREY, OTHER_GROUND, PHOTOGRAPHS, link_photographs

from reidaug.data.market1501 import Person
from reidaug.experiments.experiment_data import ExperimentData
from reidaug.experiments.finetune_config import (
    FinetuneRecipe,
    build_checked_network,
    build_network,
    read_data,
)  # fmt: skip
from reidaug.jobs import Records, Task, run_tasks
from reidaug.machine import cores, describe, one_thread
from reidaug.recipes import load, merged
from reidaug.reid.batches import TrainingBatches
from reidaug.reid.crops import Crops
from reidaug.reid.evaluation.metrics import Identities
from reidaug.reid.evaluation.retrieval import evaluate
from reidaug.reid.features import RetrievalFeatures, embed
from reidaug.reid.network_modes import seeded
from reidaug.reid.training_loop import train
from reidaug.runs import counter

RECIPE = Path(__file__).parents[1] / "recipes" / "market1501" / "world_tau.yaml"
BEFORE = ("few-poses", "many-poses")  # worlds as they were before any of them was mended
ARM = "own"  # the only arm of a cell's recipe

SETTINGS: dict[str, dict[str, Any]] = {
    "base": {},
    "no_erasing": {"transforms": {"erase": 0.0}},
    "coarse_map": {"backbone_options": {"last_stride": 2}},
    "small_crops": {"size": [64, 32]},
    "bottleneck": {"backbone_options": {"embedding": 128}},
    "strong_jitter": {"transforms": {"jitter": 0.5}},
    "no_triplet": {"objective": {"triplet_weight": 0.0}},
    "two_crops": {"people": 24, "images": 2},
    "own_pose_grey": {"arms": {ARM: GREY}, "ratio": 1.0},
    "own_pose_other_ground": {"arms": {ARM: OTHER_GROUND}, "ratio": 1.0},
}
"""What each setting changes in the recipe; an arm's crops are a folder of the world's root."""


class Cell(NamedTuple):
    """One setting trained in one world with one seed."""

    world: str
    setting: str
    seed: int

    def __str__(self) -> str:
        """Write the cell as in file names."""
        return f"{self.world}-{self.setting}-seed{self.seed}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--market", type=Path, help="Market-1501; none: worlds that are prepared")
    parser.add_argument("--roots", type=Path, required=True, help="what world_roots.py wrote")
    parser.add_argument("--worlds", nargs="+", help="rendered worlds; default: all that are there")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS),
        help="a part of them is a trial, and no result is written",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("runs/world_tau"))
    parser.add_argument("--seeds", type=int, default=3, help="trainings a setting and world")
    parser.add_argument("--steps", type=int, default=250, help="of every training")
    parser.add_argument("--workers", type=int, help="trainings at a time; default: one a core")
    parser.add_argument("--set", nargs="*", default=[], help="keys of the recipe, as KEY=VALUE")
    options = parser.parse_args()
    if options.market is not None:
        link_photographs(options.market, options.roots)
    worlds = options.worlds or prepared(options.roots)
    names = [PHOTOGRAPHS, *(name for name in worlds if name != PHOTOGRAPHS)]
    recipes = {
        (world, setting): recipe_of(options.roots / world, setting, options.steps, options.set)
        for world in names
        for setting in options.settings
    }
    cells = [
        Cell(world, setting, seed)
        for seed in range(options.seeds)
        for world in names
        for setting in options.settings
    ]
    run_cells(options.out, cells, recipes, options.workers or cores())
    scores = {
        world: read_scores(options.out, world, options.settings, options.seeds) for world in names
    }
    figures = {world: compare(scores, world, options.settings) for world in names}
    for world, found in figures.items():
        print(f"{world}: {found['tau']}, {' > '.join(found['ranking'])}")
    if options.settings != list(SETTINGS):
        return  # a trial: results hold all settings
    command = f"python benchmarks/world_tau.py --market ROOT --roots ROOTS --seeds {options.seeds}"
    write_result(
        "world_tau",
        f"{command} --steps {options.steps}",
        recipe=recipes[PHOTOGRAPHS, options.settings[0]].model_dump(
            mode="json", exclude={"dataset", "arms", "seeds"}
        ),
        settings={name: SETTINGS[name] for name in options.settings},
        trained_on=Records(options.out / "cells").read(str(cells[0]))["hardware"],
        ceiling=ceiling(scores[PHOTOGRAPHS])._asdict(),
        before=[world for world in names if world in BEFORE],
        worlds=figures,
    )


def prepared(roots: Path) -> list[str]:
    """List the worlds that are prepared in a folder."""
    return sorted(path.name for path in roots.iterdir() if (path / "query").is_dir())


def recipe_of(root: Path, setting: str, steps: int, changes: Sequence[str]) -> FinetuneRecipe:
    """Read the recipe of a setting in the world of a root."""
    recipe = load(RECIPE, FinetuneRecipe, [f"dataset={root}", f"steps={steps}", *changes])
    own = dict(SETTINGS[setting])
    for arm, crops in own.pop("arms", {ARM: None}).items():
        own["arms"] = {arm: {"crops": [crops and root / crops]}}
    values = recipe.model_dump() | {"arms": {}}
    return FinetuneRecipe.model_validate(merged(values, own))


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
    precise = {"bfloat16": recipe.bfloat16(device)}
    with one_thread(), seeded(seed):
        model, _ = build_network(recipe, len(data.pids), seed, recipe.start_file())
        metrics = train(
            model, batches(recipe, data), recipe, steps=recipe.steps, seed=seed,
            after_step=lambda step, record: None, **precise,
        )  # fmt: skip
        features = [
            embed(model, decoded(crops, recipe.size), device=device, **precise)
            for crops in (query, gallery)
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


def read_scores(out: Path, world: str, settings: Sequence[str], seeds: int) -> Scores:
    """Read the average precisions (settings, seeds, queries) of a world."""
    records = Records(out / "cells")
    found = [
        [records.read(str(Cell(world, setting, seed))) for seed in range(seeds)]
        for setting in settings
    ]
    table = np.array([[record["ap"] for record in row] for row in found], dtype=np.float64)
    matched = ~np.isnan(table).any((0, 1))
    return Scores(table[..., matched], np.array(found[0][0]["pids"])[matched])


def compare(scores: Mapping[str, Scores], world: str, settings: Sequence[str]) -> dict[str, Any]:
    """Compare the order of a world with that of photographs."""
    own = scores[world]
    means = own.ap.mean(2)
    return {
        "queries": own.ap.shape[2],
        "people": len(set(own.pids.tolist())),
        "mAP": {name: row.round(2).tolist() for name, row in zip(settings, means, strict=True)},
        "ranking": [settings[k] for k in best_first(own)],
        "reproducible": ceiling(own)._asdict(),
        "tau": None if world == PHOTOGRAPHS else agreement(scores[PHOTOGRAPHS], own)._asdict(),
    }


if __name__ == "__main__":
    main()
