"""Does adaptation gain by warps of the target? DG-Net++ in small, clusters averaged over views.

    python benchmarks/adaptation_uses.py [--cell rendered] [--use clusters] [--part tune]
        [--market ROOT] [--out DIR] [--seeds 2] [--workers N]

Two cells: from the rendered world A to B, and from the rendered world `street` to photographs of
Market-1501 by the fixed split. Uses: `clusters`, pseudo-labels by features averaged over a crop and
its views; `positives`, views as positives of the triplet loss alone. Each use once with every kind
of view: the own pose on grey, torso-affine warps, and warps by both flows of the package, with
everything else the same; `dgnetpp` is the adaptation without views. Networks, rates and clustering
are those of recipes/market1501/table5_uda_small.yaml, for fewer steps (`STEPS`).

With --part tune nothing is published: held-out people of B, tune people of the photographs, one
start. Of test people, with a start for each seed, the figures go to results/uses_adaptation.json.
`gain`: over `dgnetpp`; `over_controls`: over the best control of the same use. Intervals (95 %)
draw people; `evident` says that one is apart from 0 by Holm's rule among all of its kind, and
beyond twice the deviation over seeds. Needs the extras [synth] and, for photographs, [pose].
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evidence import Array, compared, holm, mean_of, precision_of, scored
from photograph_arms import RECIPES, make_crops, warp_crops, warps
from photograph_crops import NEEDED, link_crops
from provenance import RESULTS, write_result
from shipped import weights_of

from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, read_market1501
from reidaug.experiments.adaptation import AdaptationGrid, adapt
from reidaug.experiments.adaptation_config import START, WARMUP, AdaptationRecipe
from reidaug.experiments.adaptation_data import read_adaptation_data
from reidaug.experiments.finetune_config import FinetuneRecipe
from reidaug.files import write_atomically
from reidaug.flow.builtin import SHIPPED, SURFACE
from reidaug.people3d.market_dataset import MarketOptions, render_market
from reidaug.people3d.worlds import WORLDS
from reidaug.recipes import load
from reidaug.runs import RunFolder

RECIPE = Path(__file__).parents[1] / "recipes" / "market1501" / "table5_uda_small.yaml"
KINDS = {"own": "identity_grey", "affine": "affine_grey", "market": "warps_grey",
         "surface": "own_body_grey"}  # fmt: skip
"""Kinds of views, by their names in `photograph_arms.ARMS`."""
METHODS, CONTROLS = ("market", "surface"), ("own", "affine")
CELLS, USES = ("rendered", "photographs"), ("clusters", "positives")
PLAIN = "dgnetpp"
EACH, WEIGHT, SEED = 3, 0.5, 21
SHARE = 0.1  # of the photographed train people
STEPS = {
    "teacher.steps": 300, "source_steps": 100, "warmup_steps": 30, "rounds": 3, "round_steps": 40,
    "weights.schedule.start": 30, "weights.schedule.cycle": 20, "weights.schedule.structure": 20,
    "weights.schedule.teacher": 20,
}  # fmt: skip
WORLD_SIZES: Mapping[str, Mapping[str, Any]] = {
    "A": {"people": 60, "train_crops": 12, "test_people": 80},
    "B": {"people": 60, "train_crops": 12, "test_people": 80},
    "street": {"people": 100, "train_crops": 8, "test_people": 2},
}


def main() -> None:
    """Adapt, compare, print, and keep or write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--market", type=Path)
    parser.add_argument("--cell", choices=CELLS, action="append")
    parser.add_argument("--use", choices=USES, action="append")
    parser.add_argument("--part", choices=("tune", "test"), default="test")
    parser.add_argument("--out", type=Path, default=Path("runs/adaptation_uses"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    for name in options.cell or CELLS:
        if name == "photographs" and options.market is None:
            print(NEEDED)
            continue
        tuned = options.out / f"{name}.json"
        if options.part == "test" and not tuned.is_file():
            raise SystemExit(f"{tuned}: look at tune people first (--part tune)")
        recipe = recipe_of(prepare(name, options), options)
        rows, people = measure(recipe, options.out / f"{name}-{options.part}", options.workers)
        if options.part == "tune":
            kept = {arm: mean_of(row) for arm, row in rows.items()}
            write_atomically(tuned, (json.dumps(kept, indent=1) + "\n").encode())
            print(name, json.dumps(kept, indent=1))
        else:
            tune = json.loads(tuned.read_text())
            keep(name, {"tune": {"mAP": tune}, **summarise(rows, people)}, options)


def prepare(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Render worlds and make the views of the target; what is there is kept.

    Returns:
        Keys of the recipe, and ``views``, the folder of the views.
    """
    out, part, workers = options.out, options.part, options.workers
    if name == "rendered":
        source, target = (render(world, out, workers) for world in ("A", "B"))
        poses = {"keypoints": target / "market-annotation-train.csv", "masks": target / "masks"}
        warp_crops(target, out / "views", [*KINDS.values()], poses, each=EACH, workers=workers)
        keys: dict[str, Any] = {"views": out / "views"}
        keys |= {"evaluate_on": "held_out", "held_out": 0.3} if part == "tune" else {}
        return {**keys, "source": source, "dataset": target}
    source, photographs = render("street", out, workers), out / "photographs"
    share = load(RECIPES / "uses.yaml", FinetuneRecipe, [f"people_share={SHARE}"])
    make_crops(
        options.market, photographs, part, share, each=EACH, workers=workers,
        arms=[*KINDS.values()],
    )  # fmt: skip
    target = photographs / f"target-{part}"
    link_crops(read_market1501(photographs / "train", splits=(TRAIN,)).train, target / TRAIN)
    for split in (QUERY, GALLERY):
        if not (target / split).is_symlink():
            (target / split).symlink_to((photographs / part / split).resolve())
    return {"source": source, "dataset": target, "views": warps(photographs, EACH)}


def render(world: str, out: Path, workers: int | None) -> Path:
    """Render a world unless it is there."""
    sizes = WORLD_SIZES[world]
    options = MarketOptions(world=WORLDS[world], seed=SEED, **sizes)
    render_market(out / world, options, workers=workers)
    return out / world


def recipe_of(cell: Mapping[str, Any], options: argparse.Namespace) -> AdaptationRecipe:
    """Read the recipe of a cell with the arms of the uses."""
    arms: dict[str, Any] = {PLAIN: {"changes": {"ratio": 0.0}}}
    for use in options.use or USES:
        arms |= {f"{use}-{kind}": arm_of(use, cell["views"] / KINDS[kind]) for kind in KINDS}
    seeds = 1 if options.part == "tune" else options.seeds
    method = next(arm for arm in arms if arm.split("-")[-1] in METHODS)
    keys: dict[str, Any] = {key: value for key, value in cell.items() if key != "views"}
    keys |= {**STEPS, "arms": json.dumps(arms), "method": method, "seeds": [*range(seeds)]}
    keys["controls"] = f"[{PLAIN}]"
    return load(RECIPE, AdaptationRecipe, [f"{key}={value}" for key, value in keys.items()])


def arm_of(use: str, views: Path) -> dict[str, Any]:
    """Write an arm of a use with one kind of views, as in a recipe."""
    if use == "clusters":
        chosen = {"roots": [str(views)], "weight": WEIGHT}
        return {"changes": {"ratio": 0.0, "cluster_views": chosen}}
    return {
        "crops": [str(views)],
        "changes": {"ratio": 0.5, "weights": {"extra": 0.0, "positive_triplet": 1.0}},
    }


def measure(
    recipe: AdaptationRecipe, folder: Path, workers: int | None
) -> tuple[dict[str, Array], Any]:
    """Train every arm.

    Returns:
        Average precision (S, 1, Q) in [0, 1] of each, of the start and of the warm-up; and the
        person of every query.
    """
    adapt(recipe, folder, resume=True, workers=workers)
    data = read_adaptation_data(recipe)
    grid = AdaptationGrid(recipe, data, RunFolder(folder, resumed=True))
    rows = {arm: precision_of(grid, arm) for arm in (START, WARMUP, *recipe.arms)}
    return rows, data.target.query_pids


def summarise(rows: Mapping[str, Array], people: Any) -> dict[str, Any]:
    """Scores of all arms, what they gain over the plain adaptation, and warps over controls."""
    used = [arm for arm in rows if arm not in (START, WARMUP, PLAIN)]
    gains = {arm: compared(rows[arm], rows[PLAIN], people) for arm in used}
    over, against = {}, {}
    for arm in [arm for arm in used if arm.split("-")[1] in METHODS]:
        controls = [f"{arm.split('-')[0]}-{kind}" for kind in CONTROLS] + [PLAIN]
        against[arm] = max(controls, key=lambda control: mean_of(rows[control]))
        over[arm] = compared(rows[arm], rows[against[arm]], people)
    adapted = compared(rows[PLAIN], rows[START], people)
    for tests in (gains, over, {PLAIN: adapted}):
        holm(tests)
    found = scored(rows, gains, over, against)
    found[PLAIN]["over_start"] = adapted
    return {"rows": found}


def keep(name: str, cell: dict[str, Any], options: argparse.Namespace) -> None:
    """Write a cell into the result file, beside the other one if that is there."""
    for arm, row in cell["rows"].items():
        print(name, arm, row)
    path = RESULTS / "uses_adaptation.json"
    before = json.loads(path.read_text())["cells"] if path.is_file() else {}
    uses = "".join(f" --use {use}" for use in options.use or ())
    write_result(
        "uses_adaptation",
        f"python benchmarks/adaptation_uses.py --market Market-1501{uses} --seeds {options.seeds}",
        weights={flow: weights_of(flow) for flow in (SHIPPED, SURFACE)},
        seeds=options.seeds,
        setting={"views": EACH, "weight": WEIGHT, "photographed_people": SHARE, **STEPS},
        worlds=WORLD_SIZES,
        cells={**before, name: cell},
    )


if __name__ == "__main__":
    main()
