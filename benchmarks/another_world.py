"""The demo's re-ID experiment again, nothing changed, in a rendered world of another seed.

    python benchmarks/another_world.py [--demo runs/demo] [--seed 2] [--world few-poses]

Takes the flow of a finished demo and its re-ID recipe as they are; people, cameras and places are
new. The report goes to benchmarks/results/another_world_<world>_<seed>.json.
"""

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from reidaug.commands.augment import augment_dataset
from reidaug.commands.demo import DemoSizes
from reidaug.commands.finetune_cells import FinetuneEval
from reidaug.commands.finetune_eval import finetune
from reidaug.commands.synth import render_market, render_views
from reidaug.recipes import load

HERE = Path(__file__).parent


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", type=Path, default=Path("runs/demo"))
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--world", default="few-poses")
    options = parser.parse_args()
    out = options.demo.with_name(f"{options.demo.name}-{options.world}-{options.seed}")
    sizes, market = DemoSizes(), out / "market"
    render_market(
        market, people=sizes.reid_people, test_people=sizes.reid_test_people, seed=options.seed,
        world=options.world, train_crops=sizes.train_crops, test_crops=sizes.test_crops,
    )  # fmt: skip
    flows = {
        "identity_grey": "identity",
        "affine_grey": "torso-affine",
        "warps_grey": str(options.demo / "flow" / "checkpoint"),
    }
    for arm, flow in flows.items():
        augment_dataset(market, out / arm, flow=flow, seed=options.seed)
    render_views(market, out / "true_views_grey", poses=out / "warps_grey" / "poses.json")
    arms = [f"arms.{arm}={out / arm}" for arm in (*flows, "true_views_grey")]
    recipe = load(
        HERE.parent / "recipes" / "demo" / "finetune_eval.yaml",
        FinetuneEval,
        [f"dataset={market}", *arms],
    )
    report = finetune(recipe, out / "reid", resume=True)
    about = {
        "command": f"python benchmarks/another_world.py --demo {options.demo} "
        f"--seed {options.seed} --world {options.world}",
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
        "date": datetime.now(UTC).date().isoformat(),
    }
    name = f"another_world_{options.world}_{options.seed}.json"
    (HERE / "results" / name).write_text(json.dumps(about | {"reid": report}, indent=1) + "\n")


if __name__ == "__main__":
    main()
