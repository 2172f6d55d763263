"""Warps of a comparison of flow estimators: made again from its checkpoints, for people to look at.

`reidaug compare` keeps scores, checkpoints and one picture, not every warp.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.checksums import REPORT, check_written
from reidaug.data.deepfashion import PairList
from reidaug.data.pairs import PosePair
from reidaug.errors import ReidaugError, UsageError, unknown
from reidaug.experiments.compare_config import Compare, plan_rows, seeds_of
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.score_table import CLOSED_FORMS, scored_batches
from reidaug.flow.training.pair_sources import on_grey, read_split, read_splits, subsample
from reidaug.geometry.warp import warp
from reidaug.recipes import resolve
from reidaug.runs import stored_recipe


def warped_pairs(
    recipe: Compare, pairs: PairList, estimators: Mapping[str, FlowEstimator]
) -> Iterator[tuple[PosePair, dict[str, Float[Tensor, "b 3 H W"]]]]:
    """Warp the source of each pair into the target's pose by every estimator.

    Where people have masks, warps are on grey outside of the target's person, as they are scored.

    Args:
        recipe: The comparison: size and background of the images.
        pairs: The pairs.
        estimators: Estimators by name, in ``eval`` mode.

    Yields:
        Pairs in batches, and the warps (b, 3, H, W) in [0, 1] of each estimator.

    Raises:
        ReidaugError: A file cannot be read, or some masks are missing.
    """
    for batch in scored_batches(pairs, recipe.size, background=recipe.background):
        shown = batch.pairs
        warps = {}
        for name, estimator in estimators.items():
            with torch.inference_mode():
                flow = estimator(batch.input(), shown.source_pose, shown.target_pose)
                warped = warp(shown.source, flow)
            if batch.person is not None:
                warped = torch.stack([*map(on_grey, warped, batch.person)])
            warps[name] = warped
        yield shown, warps


def is_comparison(run: Path) -> bool:
    """Tell whether a folder is the run folder of `reidaug compare`."""
    return stored_recipe(run).get("command") == "compare"


def finished_comparison(run: Path) -> Compare:
    """Read the recipe of a finished comparison.

    Raises:
        ReidaugError: It is not finished, or files of it are missing or damaged.
    """
    check_written(run)
    if not (run / REPORT).is_file():
        raise ReidaugError(f"{run}: `reidaug compare` has not finished it; run it with --resume")
    values = {key: value for key, value in stored_recipe(run).items() if key != "command"}
    return resolve(values, Compare, where=f"{run}/recipe.yaml")


def compared_estimators(
    recipe: Compare, run: Path, names: Collection[str] = ()
) -> dict[str, FlowEstimator]:
    """Load estimators of a comparison; of rows with several seeds, the first one's.

    Args:
        recipe: The comparison.
        run: Its run folder.
        names: Names of rows, closed forms among them; by default the rows of the recipe, the one
            that others are compared with first.

    Raises:
        UsageError: There is no such row.
        ReidaugError: A checkpoint is missing or damaged.
    """
    named = {name: copies[0] for name, copies in seeds_of(recipe).items()}
    known = [*named, *CLOSED_FORMS]
    if lost := [name for name in names if name not in known]:
        raise UsageError(f"{run}: {unknown(f'row {lost[0]!r}', lost[0], known, kind='rows')}")
    reference = recipe.reference or next(iter(named))
    rows = plan_rows(recipe, run)
    asked = names or dict.fromkeys((reference, *named))
    return {
        name: (CLOSED_FORMS[name]() if name in CLOSED_FORMS else rows[named[name]].load()).eval()
        for name in asked
    }


def compared_pairs(recipe: Compare) -> PairList:
    """Read the pairs that a comparison scores: test pairs, or those of held-out people.

    Raises:
        ReidaugError: They are missing or damaged.
    """
    if recipe.evaluate_on == "test":
        check_written(recipe.pairs)
        return subsample(read_split(recipe, "test"), recipe.test_pairs)
    return read_splits(recipe).testing
