"""The paper's Table 5 in small, with labels, and with its controls.

    python benchmarks/table5.py [--out runs/table5] [--world few-poses] [--workers 2]

Renders a world, makes the crops of every arm with the flow inside the package, and runs
`reidaug finetune-eval recipes/market1501/table5_supervised_small.yaml`: seventeen arms, five seeds.
Then compares warps on other people's backgrounds against the controls on such backgrounds. Both go
to benchmarks/results/table5_supervised_<world>.json. A run that stopped goes on.
"""

import argparse
from pathlib import Path

import yaml
from ingredient_swaps import render_swaps
from provenance import write_result
from shipped import weights_of

from reidaug.augment.augmented_dataset import augment_dataset
from reidaug.augment.options import PAPER, AugmentOptions
from reidaug.augment.target_poses import POSES
from reidaug.commands.demo import run_stage
from reidaug.experiments.demo import DemoSizes, world_stages
from reidaug.experiments.finetune import finetune
from reidaug.experiments.finetune_config import FinetuneRecipe
from reidaug.experiments.true_views import render_views
from reidaug.flow.builtin import SHIPPED, named_flow
from reidaug.recipes import resolve

RECIPE = Path(__file__).parents[1] / "recipes" / "market1501" / "table5_supervised_small.yaml"
SEED = 1
MORE = {
    "tps_grey": {"flow": "random-tps"},
    "warps_own_ground": {"background": "source"},
    "warps_other_ground": {"background": "other"},
    "identity_other_ground": {"flow": "identity", "background": "other"},
    "affine_other_ground": {"flow": "torso-affine", "background": "other"},
}
GROUNDS = ("identity_other_ground", "affine_other_ground")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/table5"))
    parser.add_argument("--world", default="few-poses")
    parser.add_argument("--workers", type=int, help="processes; by default one per core")
    options = parser.parse_args()
    root, workers = options.out / options.world, options.workers
    *stages, _ = world_stages(
        root, SHIPPED, world=options.world, people_seed=SEED, pose_seed=SEED,
        sizes=DemoSizes(), workers=workers,
    )  # fmt: skip
    for stage in stages:
        print(stage.command)
        run_stage(stage)
    for arm, how in MORE.items():
        flow, background = how.get("flow", SHIPPED), how.get("background", "grey")
        chosen = AugmentOptions(seed=SEED, **{**PAPER, "background": background})
        augment_dataset(root / "market", root / arm, named_flow(flow), chosen, workers=workers)
    render_views(
        root / "market", root / "true_views_other_ground", poses=root / "warps_grey" / POSES,
        background="other", workers=workers,
    )  # fmt: skip
    render_swaps(root / "market", root / "swaps", warps=root / "warps_grey", workers=workers)
    text = RECIPE.read_text(encoding="utf-8").replace("runs/table5/few-poses", str(root))
    recipe = resolve(yaml.safe_load(text), FinetuneRecipe, where=str(RECIPE))
    report = finetune(recipe, root / "reid", resume=True, workers=workers).as_dict()
    controls = recipe.controls + GROUNDS
    changes = {"method": "warps_other_ground", "controls": controls}
    elsewhere = recipe.model_copy(update=changes | {"ceiling": "true_views_other_ground"})
    others = finetune(elsewhere, root / "reid", resume=True, workers=workers).as_dict()
    others = {
        key: others[key] for key in ("gain_mAP", "gain_over_best_control", "differences", "ceiling")
    }
    command = f"python benchmarks/table5.py --out {options.out} --world {options.world}"
    result = {"weights": weights_of(SHIPPED), "reid": report, "other_ground": others}
    write_result(f"table5_supervised_{options.world}", command, **result)


if __name__ == "__main__":
    main()
