"""The paper's Table 5 in small, without labels of the target: DG-Net++ from world A to world B.

    python benchmarks/table5_uda.py [--out runs/table5/uda] [--seed 21] [--workers 2]

Renders both worlds, makes the crops of every arm from B's training crops with the flow inside the
package, and runs `reidaug finetune-eval recipes/market1501/table5_uda_small.yaml`. The report goes
to benchmarks/results/table5_uda_<seed>.json. A run that stopped goes on.
"""

import argparse
from pathlib import Path

import yaml
from provenance import write_result
from shipped import weights_of

from reidaug.augment.augmented_dataset import augment_dataset
from reidaug.augment.options import PAPER, AugmentOptions
from reidaug.experiments.adaptation import adapt
from reidaug.experiments.adaptation_config import AdaptationRecipe
from reidaug.flow.builtin import SHIPPED, named_flow
from reidaug.people3d.market_dataset import MarketOptions, render_market
from reidaug.people3d.worlds import WORLDS
from reidaug.recipes import resolve

RECIPE = Path(__file__).parents[1] / "recipes" / "market1501" / "table5_uda_small.yaml"
PEOPLE, CROPS, TEST_PEOPLE = 80, 14, 60
FLOWS = {"identity_grey": "identity", "affine_grey": "torso-affine", "warps_grey": SHIPPED}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/table5/uda"))
    parser.add_argument("--seed", type=int, default=21, help="of people, cameras and backgrounds")
    parser.add_argument("--workers", type=int, help="processes; by default one per core")
    options = parser.parse_args()
    for world in ("A", "B"):
        render_market(
            options.out / world,
            MarketOptions(
                people=PEOPLE, test_people=TEST_PEOPLE, world=WORLDS[world], train_crops=CROPS,
                seed=options.seed,
            ),
            workers=options.workers,
        )  # fmt: skip
    for arm, flow in FLOWS.items():
        chosen = AugmentOptions(seed=options.seed, **PAPER)
        augment_dataset(
            options.out / "B", options.out / arm, named_flow(flow), chosen, workers=options.workers
        )
    text = RECIPE.read_text(encoding="utf-8").replace("runs/table5/uda", str(options.out))
    recipe = resolve(yaml.safe_load(text), AdaptationRecipe, where=str(RECIPE))
    report = adapt(recipe, options.out / "reid", resume=True, workers=options.workers).as_dict()
    command = f"python benchmarks/table5_uda.py --out {options.out} --seed {options.seed}"
    name = f"table5_uda_{options.seed}"
    write_result(name, command, weights=weights_of(SHIPPED), reid=report)


if __name__ == "__main__":
    main()
