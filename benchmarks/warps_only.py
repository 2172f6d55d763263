"""Warps in place of the real crops: Table 5's arm ``warps_only``, beside real crops and both.

    python benchmarks/warps_only.py [--out runs/warps_only] [--workers 2]

The world, the warps and the recipe are those of table5.py, with three of its arms and three seeds,
each with a start of its own. Batch statistics come from real crops in every arm. The result is
benchmarks/results/warps_only.json.
"""

import argparse
from itertools import islice
from pathlib import Path

import yaml
from provenance import write_result
from shipped import weights_of
from table5 import RECIPE, SEED

from reidaug.commands.demo import run_stage
from reidaug.experiments.demo import DemoSizes, world_stages
from reidaug.experiments.finetune import finetune
from reidaug.experiments.finetune_config import FinetuneRecipe
from reidaug.flow.builtin import SHIPPED
from reidaug.recipes import resolve

WORLD = "few-poses"
ARMS = ("real_only", "warps_grey", "warps_only")
SEEDS = (0, 1, 2)
MADE = 2  # stages of the world that are needed: the crops, and their warps on grey


def recipe_of(root: Path) -> FinetuneRecipe:
    """Write the recipe for a world in a folder: Table 5's, with some of its arms and seeds."""
    text = RECIPE.read_text(encoding="utf-8").replace(f"runs/table5/{WORLD}", str(root))
    values = yaml.safe_load(text)
    arms = {arm: values["arms"][arm] for arm in ARMS}
    values |= {"arms": arms, "controls": ["real_only"], "seeds": list(SEEDS)}
    values |= {"method": "warps_only", "ceiling": None}
    return resolve(values, FinetuneRecipe, where=str(RECIPE))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/warps_only"))
    parser.add_argument("--workers", type=int, help="processes; by default one per core")
    options = parser.parse_args()
    root = options.out / WORLD
    stages = world_stages(
        root, SHIPPED, world=WORLD, people_seed=SEED, pose_seed=SEED, sizes=DemoSizes(),
        workers=options.workers,
    )  # fmt: skip
    for stage in islice(stages, MADE):
        print(stage.command)
        run_stage(stage)
    report = finetune(recipe_of(root), root / "reid", resume=True, workers=options.workers)
    write_result(
        "warps_only", "python benchmarks/warps_only.py", weights=weights_of(SHIPPED),
        world=WORLD, reid=report.as_dict(),
    )  # fmt: skip


if __name__ == "__main__":
    main()
