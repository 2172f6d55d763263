"""What warps are worth when there is little to learn from, in the world of few poses.

    python benchmarks/low_data.py [--out runs/low_data] [--seeds 3]

Renders 160 training people with 8 crops each, warps all of them with the flow inside the package,
and repeats `reidaug finetune-eval recipes/demo/low_data.yaml` with 10, 20, 50 and 100 % of the
people and 2, 4 and 8 crops of each. Smaller sets are parts of larger ones; the test set stays.
The gains over the best control go to benchmarks/results/low_data.json and, as a heat map, to
docs/pictures/low_data.png. A run that was stopped goes on when started again.
"""

import argparse
from pathlib import Path
from typing import Any

from heat_map import Spot, heat_map
from multiplicity import evident, standing
from provenance import write_result
from shipped import weights_of

from reidaug.commands.demo import run_stage
from reidaug.experiments.demo import DemoSizes, world_stages
from reidaug.experiments.finetune import finetune
from reidaug.experiments.finetune_config import FinetuneRecipe
from reidaug.flow.builtin import SHIPPED
from reidaug.recipes import load
from reidaug.report.charts import DPI, LIGHT

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "demo" / "low_data.yaml"
PICTURE = ROOT / "docs" / "pictures" / "low_data.png"
SHARES, IMAGES = (0.1, 0.2, 0.5, 1.0), (2, 4, 8)
NEEDED = ("market", "warps_grey", "identity_grey", "affine_grey")
PEOPLE, SEED = 160, 3  # a tenth of the people fills a batch; a world of its own


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/low_data"))
    parser.add_argument("--seeds", type=int, default=3, help="trainings an arm and cell")
    options = parser.parse_args()
    stages = world_stages(
        options.out / "world", SHIPPED, world="few-poses", people_seed=SEED, pose_seed=SEED,
        sizes=DemoSizes(reid_people=PEOPLE, train_crops=max(IMAGES)),
    )  # fmt: skip
    for stage in stages:
        if stage.folder.name in NEEDED:
            print(stage.command)
            run_stage(stage)
    cells = []
    for share in SHARES:
        for images in IMAGES:
            report = one_cell(options.out, share, images, options.seeds)
            gains = ("gain_mAP", "gain_over_best_control")
            keys = ("train_people", "train_images", "start", "arms", *gains)
            cells.append({"share": share, "images": images, **{key: report[key] for key in keys}})
            print(f"{share:.0%}, {images} images:", report["gain_over_best_control"])
    command = f"python benchmarks/low_data.py --out {options.out} --seeds {options.seeds}"
    write_result("low_data", command, weights=weights_of(SHIPPED), cells=cells)
    picture(cells).savefig(PICTURE, dpi=DPI, metadata={"Software": None})


def one_cell(out: Path, share: float, images: int, seeds: int) -> dict[str, Any]:
    """Run the experiment with a part of the data.

    Args:
        out: Folder of the study.
        share: Of the training people.
        images: Of each of them.
        seeds: How many trainings an arm.

    Returns:
        The experiment's report.
    """
    world = out / "world"
    settings = [
        f"dataset={world / 'market'}",
        *(f"arms.{arm}={world / arm}" for arm in NEEDED[1:]),
        f"people_share={share}",
        f"images_each={images}",
        f"seeds={list(range(seeds))}",
    ]
    recipe = load(RECIPE, FinetuneRecipe, settings)
    folder = out / f"people{share:.0%}-images{images}".replace("%", "")
    return finetune(recipe, folder, resume=True).as_dict()


def picture(cells: list[dict[str, Any]]) -> Any:
    """Draw the gains over the best control.

    Args:
        cells: The study's cells, people by people.

    Returns:
        A heat map.
    """
    gains = {(c["share"], c["images"]): c["gain_over_best_control"] for c in cells}
    stand = standing(gains)
    spots = [
        [Spot(gains[s, i]["mean"], evident(gains[s, i], stands=(s, i) in stand)) for i in IMAGES]
        for s in SHARES
    ]
    return heat_map(
        spots,
        rows=[f"{share:.0%}" for share in SHARES],
        columns=[str(images) for images in IMAGES],
        row_title=f"training people (of {PEOPLE})",
        column_title="crops of each",
        unit="gain over the best control, mAP",
        theme=LIGHT,
    )


if __name__ == "__main__":
    main()
