"""Which ingredient of warps costs most: a demo's re-ID experiment with one of them true at a time.

    python benchmarks/swap_views.py [--demo runs/demo] [--world few-poses] [--seeds 3]

Takes a finished demo's world as it is (its crops, its warps, its true views and its re-ID recipe)
and adds the three roots of `reidaug synth swaps` as arms, and `random-affine` and `random-tps` as
controls. The report goes to benchmarks/results/swap_views_<world>.json.
"""

import argparse
import json
from importlib.resources import as_file, files
from pathlib import Path

from provenance import RESULTS, about

from reidaug.commands.augment import augment_dataset
from reidaug.commands.demo import REID_RECIPE
from reidaug.commands.finetune_eval import finetune
from reidaug.commands.finetune_recipe import FinetuneEval
from reidaug.commands.synth_swaps import SWAPS, render_swaps
from reidaug.recipes import load

OWN = ("identity_grey", "affine_grey", "warps_grey", "true_views_grey")
RANDOM = {"random_affine_grey": "random-affine", "random_tps_grey": "random-tps"}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", type=Path, default=Path("runs/demo"))
    parser.add_argument("--world", default="few-poses")
    parser.add_argument("--seeds", type=int, default=3, help="how many trainings an arm")
    parser.add_argument("--workers", type=int, default=None)
    options = parser.parse_args()
    root = options.demo / options.world
    poses = json.loads((root / "warps_grey" / "poses.json").read_text())
    for arm, flow in RANDOM.items():
        augment_dataset(
            root / "market", root / arm, flow=flow, poses=len(poses["poses"]), seed=poses["seed"],
            workers=options.workers,
        )  # fmt: skip
    swaps = root / "swaps"
    render_swaps(root / "market", swaps, warps=root / "warps_grey", workers=options.workers)
    arms = {arm: root / arm for arm in (*OWN, *RANDOM)} | {swap: swaps / swap for swap in SWAPS}
    settings = [
        f"dataset={root / 'market'}",
        "arms.real_only=null",
        *(f"arms.{arm}={path}" for arm, path in arms.items()),
        f"controls=[real_only,identity_grey,affine_grey,{','.join(RANDOM)}]",
        f"seeds={list(range(options.seeds))}",
    ]
    with as_file(files("reidaug.commands") / "demo_recipes" / REID_RECIPE) as path:
        recipe = load(path, FinetuneEval, settings)
    report = finetune(recipe, root / "swaps_reid", resume=True, workers=options.workers)
    for arm, scores in report["arms"].items():
        told = ", ".join(f"{value:.1f}" for value in scores["mAP"])
        print(f"{arm}: mAP {told}")
    command = f"python benchmarks/swap_views.py --world {options.world} --seeds {options.seeds}"
    told = {**about(command), "reid": report}
    path = RESULTS / f"swap_views_{options.world}.json"
    path.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
