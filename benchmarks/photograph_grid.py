"""The same comparison with parts of the training data: who has little, and what helps there.

Called by `photographs.py`. A setting is a share of the training people, with a number of crops and
of cameras each; in every setting extra crops are compared with real crops alone and with their own
controls. Evidence is that of all settings together, by Holm's rule.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from evidence import Array, compared, holm, mean_of, precision_of, scored
from joblib import delayed
from numpy.typing import NDArray
from photograph_arms import CONTROLS, recipe_of, trained

from reidaug.data.people_split import Part
from reidaug.experiments.finetune_config import FinetuneRecipe
from reidaug.jobs import run_tasks

SHARES, IMAGES, CAMERAS = (0.1, 0.3), (2, None), (1, None)


class Setting(NamedTuple):
    """How much of the training data there is; None for all of it."""

    people_share: float  # of the train people
    images_each: int | None  # crops of each
    cameras_each: int | None  # cameras that see each

    @property
    def name(self) -> str:
        """Name of its run folder."""
        images, cameras = self.images_each or "all", self.cameras_each or "all"
        return f"people{self.people_share:.0%}-images_{images}-cameras_{cameras}".replace("%", "")

    def keys(self) -> list[str]:
        """Changes to the recipe, as in ``--set``."""
        return [
            f"{key}={'null' if value is None else value}" for key, value in self._asdict().items()
        ]


def compare_settings(
    recipe: Path, out: Path, part: Part, each: int, *, keys: Sequence[str], workers: int
) -> list[dict[str, Any]]:
    """Compare the arms of a recipe with parts of the training data.

    Args:
        recipe: The recipe.
        out: Where `photograph_arms.make_crops` wrote the crops.
        part: The people that are evaluated.
        each: Poses that each training crop is warped into.
        keys: Changes to the recipe, as in ``--set``.
        workers: Settings trained in parallel.

    Returns:
        For each setting its sizes, and of each arm in ``rows`` mAP by seed, ``gain`` over real
        crops alone and, where it has controls, ``over_controls``.
    """
    settings = [
        Setting(share, images, cameras)
        for cameras in CAMERAS
        for share in SHARES
        for images in IMAGES
    ]
    tasks = (
        delayed(compare_arms_of)(
            recipe_of(recipe, out, part, each, [*keys, *setting.keys()]),
            out / f"{recipe.stem}-{part}" / setting.name,
        )
        for setting in settings
    )
    found = list(run_tasks(tasks, workers))
    for kind in ("gain", "over_controls"):
        holm(
            {
                f"{k}/{arm}": row[kind]
                for k, setting in enumerate(found)
                for arm, row in setting["rows"].items()
                if kind in row
            }
        )
    return [
        {**setting._asdict(), **values} for setting, values in zip(settings, found, strict=True)
    ]


def compare_arms_of(recipe: FinetuneRecipe, folder: Path) -> dict[str, Any]:
    """Train all arms of a setting, and compare them; without a verdict."""
    report, grid = trained(recipe, folder, workers=1)
    rows = {arm: precision_of(grid, arm) for arm in ("start", *recipe.arms)}
    sizes = {key: report[key] for key in ("train_people", "train_images", "seeds")}
    return {**sizes, "rows": compare_rows(rows, grid.data.query_pids)}


def compare_rows(rows: Mapping[str, Array], people: NDArray[np.int64]) -> dict[str, Any]:
    """Compare arms with real crops alone, and with the best of their `CONTROLS`.

    Args:
        rows: Average precision (S, 1, Q) in [0, 1] of the start and of every arm.
        people: Person (Q,) of every query.
    """
    extra = [arm for arm in rows if arm not in ("start", "real_only")]
    gains = {arm: compared(rows[arm], rows["real_only"], people) for arm in extra}
    against = {
        arm: max((name for name in CONTROLS[arm] if name in rows), key=lambda n: mean_of(rows[n]))
        for arm in extra
        if arm in CONTROLS
    }
    over = {arm: compared(rows[arm], rows[base], people) for arm, base in against.items()}
    return scored(rows, gains, over, against)
