"""Worlds A and B as domains: a model of each, tested at home and in the other.

    python benchmarks/domains.py [--out runs/domains] [--seed 21] [--people 80]

Renders both worlds, trains the demo's re-ID network (the first stage of recipes/demo/
finetune_eval.yaml) on each, and tests it on both. Neither flows nor warps take part: this is what
the knobs of the two worlds were fixed by, with --seed 11. The figures go to
benchmarks/results/domains_<seed>.json.
"""

import argparse
from pathlib import Path

from provenance import write_result

from reidaug.experiments.evaluation import evaluate_checkpoint
from reidaug.experiments.finetune import finetune
from reidaug.experiments.finetune_config import START, FinetuneRecipe
from reidaug.people3d.market_dataset import MarketOptions, render_market
from reidaug.people3d.worlds import DOMAIN_A, DOMAIN_B, WORLDS
from reidaug.recipes import load

RECIPE = Path(__file__).parents[1] / "recipes/demo/finetune_eval.yaml"
NAMES = (DOMAIN_A.name, DOMAIN_B.name)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/domains"))
    parser.add_argument("--seed", type=int, default=21, help="of people, cameras and backgrounds")
    parser.add_argument("--people", type=int, default=80, help="training people of each world")
    parser.add_argument("--crops", type=int, default=14, help="pictures of a training person")
    parser.add_argument("--test-people", type=int, default=60, help="test people of each world")
    parser.add_argument("--seeds", type=int, default=1, help="how many trainings")
    parser.add_argument("--steps", type=int, default=600, help="of training")
    parser.add_argument("--workers", type=int, default=None)
    options = parser.parse_args()
    roots = {name: options.out / name for name in NAMES}
    for name, root in roots.items():
        render_market(
            root,
            MarketOptions(
                people=options.people, test_people=options.test_people, world=WORLDS[name],
                train_crops=options.crops, seed=options.seed,
            ),
            workers=options.workers,
        )  # fmt: skip
    rows = {
        f"{home} to {other}": [
            _tested(options, roots, home, other, seed) for seed in range(options.seeds)
        ]
        for home in NAMES
        for other in NAMES
    }
    for name, scores in rows.items():
        parts = (f"{one['mAP']:.1f} mAP, rank-1 {one['rank1']:.1f}" for one in scores)
        print(f"{name}: {'; '.join(parts)}")
    command = f"python benchmarks/domains.py --seed {options.seed} --people {options.people} "
    command += f"--test-people {options.test_people} --steps {options.steps} "
    command += f"--crops {options.crops} --seeds {options.seeds}"
    write_result(f"domains_{options.seed}", command, rows=rows)


def _tested(
    options: argparse.Namespace, roots: dict[str, Path], home: str, other: str, seed: int
) -> dict[str, float]:
    """Train on a world unless that is done, and test on one: scores in percent."""
    trained = options.out / f"trained_on_{home}_{options.steps}_{seed}"
    settings = [
        f"dataset={roots[home]}", "arms={real_only: null}", "method=real_only", "controls=[]",
        f"seeds=[{seed}]", f"pretrain_steps={options.steps}", "steps=1",
    ]  # fmt: skip
    report = finetune(load(RECIPE, FinetuneRecipe, settings), trained, resume=True, workers=1)
    if other == home:
        return {name: report.start[name][0] for name in ("mAP", "rank1")}
    model = trained / "checkpoints" / f"{START}-seed{seed}.safetensors"
    recipe = load(RECIPE, FinetuneRecipe, [f"dataset={roots[other]}", f"checkpoint={model}"])
    found = evaluate_checkpoint(
        recipe, trained.with_name(f"{trained.name}_on_{other}"), resume=True
    )
    return {name: found.evaluation.score(name) for name in ("mAP", "rank1")}


if __name__ == "__main__":
    main()
