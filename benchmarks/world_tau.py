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
from pathlib import Path
from typing import Any

import numpy as np
from provenance import write_result
from rank_agreement import Scores, agreement, best_first, ceiling
from world_cells import ARM, OF_WORLDS, Cell, check_recipes, run_cells
from world_roots import GREY, OTHER_GROUND, PHOTOGRAPHS, link_photographs

from reidaug.errors import UsageError
from reidaug.experiments.finetune_config import FinetuneRecipe
from reidaug.jobs import Records
from reidaug.machine import cores
from reidaug.recipes import load, merged

RECIPE = Path(__file__).parents[1] / "recipes" / "market1501" / "world_tau.yaml"
BEFORE = ("few-poses", "many-poses")  # worlds as they were before any of them was mended

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
    parser.add_argument("--no-training", action="store_true", help="compare what is finished")
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
    check_recipes(options.out, recipes)
    if not options.no_training:
        run_cells(options.out, cells, recipes, options.workers or cores())
    finished = {
        world: finished_seeds(options.out, world, options.settings, options.seeds)
        for world in names
    }
    scores = {
        world: read_scores(options.out, world, options.settings, seeds)
        for world, seeds in finished.items()
        if seeds
    }
    if PHOTOGRAPHS not in scores:
        raise UsageError("no seed of photographs has all settings; leave --no-training out")
    figures = {world: compare(scores, world, options.settings) for world in scores}
    for world, found in figures.items():
        print(f"{world}: {found['tau']}, {' > '.join(found['ranking'])}")
    if options.settings != list(SETTINGS):
        return  # a trial: results hold all settings
    command = f"python benchmarks/world_tau.py --market ROOT --roots ROOTS --seeds {options.seeds}"
    write_result(
        "world_tau",
        f"{command} --steps {options.steps}",
        recipe=recipes[PHOTOGRAPHS, options.settings[0]].model_dump(
            mode="json", exclude={*OF_WORLDS, "weights"}
        ),
        settings={name: SETTINGS[name] for name in options.settings},
        trained_on={
            world: hardware(options.out, world, seeds) for world, seeds in finished.items()
        },
        ceiling=ceiling(scores[PHOTOGRAPHS])._asdict(),
        before=[world for world in scores if world in BEFORE],
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


def finished_seeds(out: Path, world: str, settings: Sequence[str], seeds: int) -> list[int]:
    """List the seeds whose cells of a world are all finished."""
    records = Records(out / "cells")
    return [
        seed
        for seed in range(seeds)
        if all(records.read(str(Cell(world, setting, seed))) for setting in settings)
    ]


def read_scores(out: Path, world: str, settings: Sequence[str], seeds: Sequence[int]) -> Scores:
    """Read the average precisions (settings, seeds, queries) of a world."""
    records = Records(out / "cells")
    found = [
        [records.read(str(Cell(world, setting, seed))) for seed in seeds] for setting in settings
    ]
    table = np.array([[record["ap"] for record in row] for row in found], dtype=np.float64)
    matched = ~np.isnan(table).any((0, 1))
    return Scores(table[..., matched], np.array(found[0][0]["pids"])[matched])


def hardware(out: Path, world: str, seeds: Sequence[int]) -> list[str]:
    """List the machines that trained the finished seeds of a world."""
    records = Records(out / "cells")
    cells = [Cell(world, setting, seed) for seed in seeds for setting in SETTINGS]
    return sorted({records.read(str(cell))["hardware"] for cell in cells})


def compare(scores: Mapping[str, Scores], world: str, settings: Sequence[str]) -> dict[str, Any]:
    """Compare the order of a world with that of photographs."""
    own = scores[world]
    means = own.ap.mean(2)
    return {
        "queries": own.ap.shape[2],
        "seeds": own.ap.shape[1],
        "people": len(set(own.pids.tolist())),
        "mAP": {name: row.round(2).tolist() for name, row in zip(settings, means, strict=True)},
        "ranking": [settings[k] for k in best_first(own)],
        "reproducible": ceiling(own)._asdict(),
        "tau": None if world == PHOTOGRAPHS else agreement(scores[PHOTOGRAPHS], own)._asdict(),
    }


if __name__ == "__main__":
    main()
