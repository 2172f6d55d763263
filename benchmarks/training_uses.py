"""How should warps enter a training? Uses of extra crops on photographs, each with its controls.

    python benchmarks/training_uses.py --market ROOT [--cell one_camera|few_crops|across]
        [--part tune] [--out DIR] [--seeds 3] [--workers N]

A use is how extra crops enter (`USES`): as labelled copies, as positives of the triplet loss alone,
as views that shall have their crop's features, weighed by quality, ..., or other grounds behind the
real crops. Each is run with four kinds of extra crops: own pose, torso-affine, W (`market`) and
surface flow. Own pose and torso-affine are the controls of that use, and so are the real crops
alone, on the same grounds and stretched alike. Cells are kinds of data: three tenths of the
training people seen by one camera each, or by all in four crops; `across`: rendered people to
train on, photographs to find.

With --part tune every use, or each --use, is trained once, and DIR keeps it beside those tried
before and the three best of each cell (by the mAP of their warps). Test people are evaluated with
these and with the paper's use, labelled copies, with --seeds seeds, each with a start of its own;
the result is written to results/uses_training.json. `gain`: over the real crops alone;
`over_controls`: over the best control of the same use. Intervals (95 %) draw people; `evident` says
that one is apart from 0 by Holm's rule among all of its kind, and beyond twice the deviation over
seeds.
Needs the extras [pose] and [reid].
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from evidence import Array, compared, holm, mean_of, precision_of, scored
from photograph_arms import RECIPES, make_crops, trained, warp_crops, warps
from photograph_crops import NEEDED
from photograph_grid import Setting
from provenance import RESULTS, about, write_result
from shipped import weights_of

from reidaug.experiments.finetune_config import FinetuneRecipe, read_data
from reidaug.files import write_atomically
from reidaug.flow.builtin import SHIPPED, SURFACE
from reidaug.recipes import load

GREY = {"own": "identity_grey", "affine": "affine_grey", "market": "warps_grey",
        "surface": "own_body_grey"}  # fmt: skip
OTHER = {"own": "identity_other_ground", "affine": "affine_other_ground",
         "market": "warps_other_ground", "surface": "own_body_other_ground"}  # fmt: skip
NEAR = {"own": "identity_grey", "affine": "affine_near", "market": "warps_near",
        "surface": "own_body_near"}  # fmt: skip
RARE = {"own": "identity_grey", "affine": "affine_rare", "market": "warps_rare",
        "surface": "own_body_rare"}  # fmt: skip
KEPT = {"own": "identity_other_ground", "affine": "affine_kept", "market": "warps_kept",
        "surface": "own_body_kept"}  # fmt: skip
METHODS, CONTROLS = ("market", "surface"), ("own", "affine")
OF_REAL = ("grounds", "light", "transforms")  # keys of a recipe that change the real crops too
EACH, BEST = 4, 3
PAPER = "copies"  # what the paper does, always among the uses that are tested
RENDER = (
    "reidaug synth market --people 300 --test-people 2 --train-crops 6 --world street --seed 31"
)


class Use(NamedTuple):
    """How extra crops enter."""

    crops: Mapping[str, str | None]  # kind of extra crops to its name in `photograph_arms.ARMS`
    changes: Mapping[str, Any]  # of the recipe


VIEWS = {"extra_consistency": 1.0, "teacher": "average"}
REAL: Mapping[str, str | None] = {"real": None}
GROUNDS = {"grounds": 0.5, "light": 0.5}
BENT = {"stretch": 0.2, "turn": 10.0}
STRETCHED = {"transforms": BENT, "extra_transforms": BENT}
USES: Mapping[str, Use] = {
    "copies": Use(GREY, {}),
    "copies_elsewhere": Use(OTHER, {}),
    "near": Use(NEAR, {}),
    "rare": Use(RARE, {}),
    "positives": Use(GREY, {"objective": {"extra_weight": 0.0}}),
    "distilled": Use(GREY, {"objective": {"extra_teacher": 0.5}}),
    "recognised": Use(GREY, {"objective": {"extra_recognised": True}}),
    "by_quality": Use(GREY, {"objective": {"extra_quality": 1.0}}),
    "views": Use(
        GREY,
        {
            "extra_of": "crop",
            "objective": {**VIEWS, "extra_weight": 0.0, "extra_in_triplet": False},
        },
    ),
    "views_and_copies": Use(GREY, {"extra_of": "crop", "objective": VIEWS}),
    "grounds": Use(REAL, {"grounds": 0.5}),
    "grounds_and_light": Use(REAL, GROUNDS),
    "copies_and_grounds": Use(GREY, GROUNDS),
    "elsewhere_and_grounds": Use(OTHER, GROUNDS),
    "elsewhere_distilled": Use(OTHER, {**GROUNDS, "objective": {"extra_teacher": 0.5}}),
    "elsewhere_more": Use(OTHER, {**GROUNDS, "ratio": 1.0}),
    "stretched": Use(REAL, {"transforms": BENT}),
    "grounds_and_stretched": Use(REAL, {**GROUNDS, "transforms": BENT}),
    "elsewhere_stretched": Use(OTHER, {**GROUNDS, **STRETCHED}),
    "kept": Use(KEPT, GROUNDS),
    "kept_more": Use(KEPT, {**GROUNDS, "ratio": 1.0}),
    "kept_stretched": Use(KEPT, {**GROUNDS, **STRETCHED}),
}
CELLS: Mapping[str, Setting | None] = {
    "one_camera": Setting(0.3, None, 1),
    "few_crops": Setting(0.3, 4, None),
    "across": None,
}


class Cell(NamedTuple):
    """A kind of training data, prepared."""

    settings: tuple[str, ...]  # of the recipe, as in ``--set``
    crops: Path  # folder of the extra crops


def main() -> None:
    """Train, compare, print, and keep or write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--market", type=Path)
    parser.add_argument("--cell", choices=tuple(CELLS), action="append")
    parser.add_argument("--use", choices=tuple(USES), action="append")
    parser.add_argument("--part", choices=("tune", "test"), default="test")
    parser.add_argument("--out", type=Path, default=Path("runs/training_uses"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    if options.market is None:
        print(NEEDED)
        return
    for name in options.cell or CELLS:
        chosen = options.out / f"{name}.json"
        if options.part == "test" and not chosen.is_file():
            raise SystemExit(f"{chosen}: choose on tune people first (--part tune)")
        cell = prepare(name, options)
        if options.part == "tune":
            rows = measure(name, cell, list(options.use or USES), 1, options)
            earlier = json.loads(chosen.read_text())["mAP"] if chosen.is_file() else {}
            means = {**earlier, **{arm: mean_of(row) for arm, row in rows.items()}}
            best = sorted(warped(means), key=lambda use: -best_mean(means, use))[:BEST]
            kept = {"best": best, "mAP": means}
            write_atomically(chosen, (json.dumps(kept, indent=1) + "\n").encode())
            print(name, json.dumps(kept, indent=1))
            continue
        tuned = json.loads(chosen.read_text())
        tested = dict.fromkeys((*tuned["best"], PAPER))
        uses = [*tested, *dict.fromkeys(real for use in tested if (real := without_extra(use)))]
        rows = measure(name, cell, uses, options.seeds, options)
        keep(name, {"tune": tuned, **summarise(rows, people_of(cell))}, options)


def prepare(name: str, options: argparse.Namespace) -> Cell:
    """Make the crops of a cell; what is there is kept."""
    setting, out = CELLS[name], options.out
    recipe = load(RECIPES / "uses.yaml", FinetuneRecipe, ["people_share=0.3"])
    used = {crop for use in USES.values() for crop in use.crops.values() if crop is not None}
    photographs = out / "photographs"
    make_crops(
        options.market, photographs, options.part, recipe, each=EACH, workers=options.workers,
        arms=sorted(used) if setting else (),
    )  # fmt: skip
    if setting is not None:
        masks, root = photographs / "pose" / "masks", photographs / options.part
        keys = [f"dataset={root}", f"masks={masks}", *setting.keys()]
        return Cell(tuple(keys), warps(photographs, EACH))
    rendered = out / "rendered"
    if not rendered.is_dir():
        raise SystemExit(f"{rendered}: render it first: {RENDER} --out {rendered}")
    poses = {
        "keypoints": rendered / "market-annotation-train.csv",
        "masks": rendered / "masks",
    }
    crops = out / "across"
    warp_crops(rendered, crops, sorted(used), poses, each=EACH, workers=options.workers)
    keys = [
        f"dataset={rendered}", f"masks={rendered / 'masks'}", "protocol=cross_domain",
        f"test_dataset={photographs / options.part}",
    ]  # fmt: skip
    return Cell(tuple(keys), crops)


def without_extra(use: str) -> str | None:
    """Name the use of real crops alone that changes them as this one does; None if none does."""
    changes = {key: USES[use].changes[key] for key in OF_REAL if key in USES[use].changes}
    alike = [name for name, one in USES.items() if one.crops == REAL and one.changes == changes]
    if changes and not alike:
        raise LookupError(f"{use}: no use of real crops alone has {changes}")
    return alike[0] if changes else None


def control_arms(use: str) -> list[str]:
    """Name the arms that warps of a use have to beat."""
    real = without_extra(use)
    alone = ["real_only"] if real is None else ["real_only", f"{real}-real"]
    return [*alone, *(f"{use}-{kind}" for kind in CONTROLS)]


def recipe_of(cell: Cell, uses: list[str], seeds: int) -> FinetuneRecipe:
    """Read the recipe of a cell with the arms of some uses."""
    arms, method = [], f"{uses[0]}-{next(iter(USES[uses[0]].crops))}"
    for use in uses:
        for kind, crops in USES[use].crops.items():
            root = None if crops is None else str(cell.crops / crops)
            arm = {"crops": [root], "changes": dict(USES[use].changes)}
            arms.append(f"arms.{use}-{kind}={json.dumps(arm)}")
    chosen = [f"seeds={list(range(seeds))}", f"method={method}"]
    return load(RECIPES / "uses.yaml", FinetuneRecipe, [*cell.settings, *chosen, *arms])


def measure(
    name: str, cell: Cell, uses: list[str], seeds: int, options: argparse.Namespace
) -> dict[str, Array]:
    """Train every arm; average precision (S, 1, Q) in [0, 1] of each, and of the start."""
    recipe = recipe_of(cell, uses, seeds)
    folder = options.out / f"{name}-{options.part}"
    _, grid = trained(recipe, folder, workers=options.workers)
    return {arm: precision_of(grid, arm) for arm in ("start", *recipe.arms)}


def people_of(cell: Cell) -> Any:
    """The person of every query."""
    return read_data(recipe_of(cell, ["copies"], 1)).query_pids


def warped(rows: Iterable[str]) -> list[str]:
    """List the uses of warps among some arms."""
    return sorted({arm.split("-")[0] for arm in rows if arm.split("-")[-1] in METHODS})


def best_mean(means: Mapping[str, float], use: str) -> float:
    """The better mAP of both flows in a use."""
    return max(means[f"{use}-{method}"] for method in METHODS)


def summarise(rows: Mapping[str, Array], people: Any) -> dict[str, Any]:
    """Scores of all arms; what they gain over real crops, and warps over their own controls."""
    plain = rows["real_only"]
    gains = {
        arm: compared(row, plain, people)
        for arm, row in rows.items()
        if arm not in ("start", "real_only")
    }
    over, against = {}, {}
    for use in warped(rows):
        control = max(control_arms(use), key=lambda arm: mean_of(rows[arm]))
        for method in METHODS:
            against[f"{use}-{method}"] = control
            over[f"{use}-{method}"] = compared(rows[f"{use}-{method}"], rows[control], people)
    for tests in (gains, over):
        holm(tests)
    return {"rows": scored(rows, gains, over, against)}


def keep(name: str, cell: dict[str, Any], options: argparse.Namespace) -> None:
    """Write a cell into the result file, beside the others that are there."""
    for arm, row in cell["rows"].items():
        print(name, arm, row)
    path, command = RESULTS / "uses_training.json", "python benchmarks/training_uses.py"
    command += " --market Market-1501"
    before = json.loads(path.read_text())["cells"] if path.is_file() else {}
    measured = {key: about(command)[key] for key in ("commit", "date")}  # of this cell alone
    write_result(
        "uses_training",
        command,
        weights={flow: weights_of(flow) for flow in (SHIPPED, SURFACE)},
        seeds=options.seeds,
        cells={**before, name: {**measured, **cell}},
    )


if __name__ == "__main__":
    main()
