"""Arms on photographs: does a re-ID model get better with warps, and over which control?

Called by `photographs.py`. Training crops are those of the train people of Market-1501's training
set; the arms' extra crops are made from them by `reidaug augment` with joints and masks of
BlazePose. Query and gallery are those of the tune or the test people.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from photograph_crops import link_crops, write_split

from reidaug.augment.augmented_dataset import augment_dataset
from reidaug.augment.estimated_poses import KEYPOINTS, MASKS
from reidaug.augment.options import AugmentOptions
from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.data.people_split import Part
from reidaug.experiments.experiment_data import subset
from reidaug.experiments.finetune import FinetuneGrid, finetune
from reidaug.experiments.finetune_config import FinetuneRecipe, read_data
from reidaug.experiments.results import arm_scores
from reidaug.experiments.statistics import best, paired_gain
from reidaug.flow.builtin import SHIPPED, SURFACE, named_flow
from reidaug.perception.dataset_poses import estimate_poses
from reidaug.recipes import load
from reidaug.runs import RunFolder

RECIPES = Path(__file__).parents[1] / "recipes" / "photographs"
# Of a report, what `comparisons` say here, and curves that no page quotes.
NOT_KEPT = ("cmc", "gain_mAP", "gain_over_best_control", "differences")
SEED = 0  # of the target poses
ON_GREY = {"pool": "any", "background": "grey", "min_quality": 0.0}  # the paper's
KEPT = {"background": "other", "min_quality": 0.35}
RARE = {"poses_each_by": "rare"}
ARMS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "warps_grey": (SHIPPED, {}),
    "identity_grey": ("identity", {}),
    "affine_grey": ("torso-affine", {}),
    "warps_other_ground": (SHIPPED, {"background": "other"}),
    "identity_other_ground": ("identity", {"background": "other"}),
    "affine_other_ground": ("torso-affine", {"background": "other"}),
    "good_mirrored_warps_grey": (SHIPPED, {"turns": "mirror", "min_quality": 0.4}),
    "own_body_grey": (SURFACE, {}),
    "own_body_other_ground": (SURFACE, {"background": "other"}),
    "affine_kept": ("torso-affine", KEPT),
    "warps_kept": (SHIPPED, KEPT),
    "own_body_kept": (SURFACE, KEPT),
    "affine_near": ("torso-affine", {"turns": "drop"}),
    "warps_near": (SHIPPED, {"turns": "drop"}),
    "own_body_near": (SURFACE, {"turns": "drop"}),
    "affine_rare": ("torso-affine", RARE),
    "warps_rare": (SHIPPED, RARE),
    "own_body_rare": (SURFACE, RARE),
}
"""Flow and options of `reidaug augment` by arm."""
GREY = ("real_only", "identity_grey", "affine_grey")
OTHER = ("real_only", "identity_other_ground", "affine_other_ground")
CONTROLS: Mapping[str, tuple[str, ...]] = {
    "warps_grey": GREY,
    "warps_other_ground": OTHER,
    "good_mirrored_warps_grey": GREY,
    "own_body_grey": GREY,
    "own_body_kept": ("real_only", "grounds", "identity_other_ground", "affine_kept"),
}
"""What an arm's gain must not be explained by: the same use of own-pose and torso-affine crops."""


def make_crops(
    market: Path,
    out: Path,
    part: Part,
    recipe: FinetuneRecipe,
    *,
    each: int,
    workers: int | None,
    arms: Sequence[str] | None = None,
) -> None:
    """Write the split and the extra crops of a recipe's arms under `out`; what is there is kept.

    Args:
        market: Market-1501.
        out: Folder of all crops.
        part: The people of query and gallery.
        recipe: The recipe; crops of training people that it does not use are not warped.
        each: Of 25 target poses, how many each training crop is warped into.
        workers: Processes.
        arms: Names in `ARMS` of the crops to make; None for those of the recipe.
    """
    root, train = write_split(market, out / part, part), out / "train"
    # Both parts have the same training crops, and share what is made of them.
    everyone = read_market1501(root, splits=(TRAIN,)).train
    crops = subset(everyone, recipe.people_share, recipe.images_each, seed=recipe.split_seed)
    link_crops(crops, train / TRAIN)
    keypoints, masks = out / KEYPOINTS, out / MASKS
    estimate_poses([crop.path for crop in crops], keypoints, masks=masks, workers=workers)
    poses = {"keypoints": keypoints, "masks": masks}
    names = [name for name in ARMS if name in (recipe.arms if arms is None else arms)]
    warp_crops(train, warps(out, each), names, poses, each=each, workers=workers)


def warp_crops(
    root: Path,
    out: Path,
    arms: Sequence[str],
    poses: Mapping[str, Path],
    *,
    each: int,
    workers: int | None,
) -> None:
    """Make the extra crops of some arms, each in a folder of its name; what is there is kept.

    Args:
        root: The real crops.
        out: Folder of the folders.
        arms: Names in `ARMS`.
        poses: Their ``keypoints`` and ``masks``.
        each: As for `make_crops`.
        workers: Processes.
    """
    for arm in arms:
        flow, chosen = ARMS[arm]
        changes: dict[str, Any] = {**poses, "seed": SEED, **ON_GREY, **chosen}
        if flow != "identity":
            changes["poses_each"] = each
        options = AugmentOptions.model_validate(changes)
        augment_dataset(root, out / arm, named_flow(flow), options, workers=workers)


def warps(out: Path, each: int) -> Path:
    """Name the folder of crops that are warped into so many poses each."""
    return out / f"warps-{each}"


def recipe_of(
    path: Path, out: Path, part: Part, each: int, settings: Sequence[str] = ()
) -> FinetuneRecipe:
    """Read a recipe of this folder for the crops that `make_crops` wrote, with some changes."""
    named = load(path, FinetuneRecipe)
    keys = [f"dataset={out / part}"] + ([f"masks={out / MASKS}"] if named.masks else [])
    for name in sorted(named.arms.keys() & ARMS.keys()):
        crops, changes = str(warps(out, each) / name), named.arms[name].changes
        keys.append(f"arms.{name}={json.dumps({'crops': crops, 'changes': changes})}")
    return load(path, FinetuneRecipe, [*keys, *settings])


def trained(
    recipe: FinetuneRecipe, folder: Path, *, workers: int | None
) -> tuple[dict[str, Any], FinetuneGrid]:
    """Train all arms, what is there is kept; give the report, and the results behind it."""
    report = finetune(recipe, folder, resume=True, workers=workers).as_dict()
    return report, FinetuneGrid(recipe, read_data(recipe), RunFolder(folder, resumed=True))


def compare_arms(recipe: FinetuneRecipe, folder: Path, *, workers: int | None) -> dict[str, Any]:
    """Train all arms, and compare each with real crops alone and with its own controls.

    Returns:
        The report; ``comparisons`` holds, for each arm but ``real_only``, its gain over that and,
        for warps, over the best of `CONTROLS`.
    """
    report, grid = trained(recipe, folder, workers=workers)
    people = grid.data.query_pids
    arms = arm_scores({name: grid.results(name) for name in recipe.arms})
    comparisons = {}
    for name in [name for name in recipe.arms if name != "real_only"]:
        controls = [control for control in CONTROLS.get(name, ()) if control in arms]
        found = {"over_real_only": paired_gain(arms, people, name, "real_only")}
        if (control := best(arms, controls)) is not None:
            found["over_best_control"] = paired_gain(arms, people, name, control)
        comparisons[name] = {key: asdict(gain) for key, gain in found.items()}
    kept = {key: value for key, value in report.items() if key not in NOT_KEPT}
    return {**kept, "comparisons": comparisons}
