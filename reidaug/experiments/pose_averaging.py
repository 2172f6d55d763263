"""Test-time averaging: crops are searched by their own features and those of their warps."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reidaug.augment.augmented_dataset import augment_dataset
from reidaug.augment.estimated_poses import KEYPOINTS, MASKS, PoseFiles
from reidaug.augment.options import AugmentOptions
from reidaug.augment.warp_manifest import MANIFEST
from reidaug.data.manifest import read_manifest
from reidaug.data.market1501 import TRAIN, Person
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.flow.builtin import OWN_POSE, SHIPPED, named_flow
from reidaug.recipes import resolve
from reidaug.reid.evaluation.averaging import average_features
from reidaug.reid.evaluation.ranking import Metric

Embed = Callable[[Sequence[Person]], Float[Tensor, "n d"]]
"""Computes the features of crops, those of `reidaug.reid.features.embed`."""
COLUMNS = {"file": str, "source": str, "quality": float, "kept": bool}
"""Columns of a manifest that tell the warps and what they are of."""


GROUNDS = {"grey": "on grey", "other": "on grounds of other crops"}
"""Backgrounds of the warps, in words. Who is on other crops is not known when people are searched
for: a ground may be of another crop of the same person."""


class Averaging(NamedTuple):
    """How crops are averaged with their warps."""

    poses: int  # target poses a crop, of the rendered people in the package
    weight: float = 0.5  # of the mean warp, beside 1 for the crop itself
    # See `reidaug.flow.builtin`; ``identity``: the own pose, once on grey or on so many grounds.
    flow: str = SHIPPED
    background: str = "grey"  # of `GROUNDS`

    def as_dict(self) -> dict[str, Any]:
        """Convert to JSON values, with the passes of the network a crop."""
        return {**self._asdict(), "passes": self.passes}

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Averaging":
        """Convert from JSON values."""
        return cls(**{name: values[name] for name in cls._fields if name in values})

    def check(self, metric: Metric = "cosine") -> None:
        """Check before the work that crops can be averaged like this, and compared by a metric.

        Raises:
            UsageError: The flow does not exist, there are not as many poses, poses or masks cannot
                be estimated, or the metric is another than that of directions.
        """
        require_extra("pose", "ai_edge_litert")
        if metric != "cosine":
            raise UsageError(
                f"metric: {metric} does not go with --average-poses, which averages the "
                "directions of features: leave one of them out"
            )
        named_flow(self.flow).estimator()
        self.augmentations()

    def options(self) -> str:
        """Write the options of the command line."""
        count = f"--average-poses {self.poses} --average-weight {self.weight:g}"
        ground = f" --average-background {self.background}" * (self.background != "grey")
        return f"{count} --average-flow {self.flow}{ground}"

    def text(self) -> str:
        """Describe it in a line, with its cost."""
        own = self.flow == OWN_POSE
        what = "in its own pose" if own else f"in {self.poses} poses"
        many = f" {self.poses}" if own and self.passes > 2 else ""
        ground = GROUNDS[self.background].replace("on ", f"on{many} ", 1)
        return (
            f"averaged: {self.weight:g} x the mean of each crop {what} {ground} ({self.flow}); "
            f"{self.passes} passes of the network a crop"
        )

    def augmentations(self) -> list[AugmentOptions]:
        """Give the options of the warps: rendered people's poses, none for crops without a pose.

        It is one run of `reidaug augment`, or one a ground where the flow keeps the pose.

        Raises:
            UsageError: There are not as many poses.
        """
        # Poor warps count by their quality.
        keys: dict[str, Any] = {
            "missing": "skip", "background": self.background, "min_quality": 0.0,
        }  # fmt: skip
        if self.flow != OWN_POSE:
            keys |= {"poses": self.poses, "poses_from": "shipped"}
        runs = range(self.passes - 1 if self.flow == OWN_POSE else 1)
        return [resolve({**keys, "seed": k}, AugmentOptions, where="--average-poses") for k in runs]

    @property
    def passes(self) -> int:
        """Count the passes of the network a crop."""
        return 2 if self.flow == OWN_POSE and self.background == "grey" else 1 + self.poses


def average_with_warps(
    people: Sequence[Person],
    features: Float[Tensor, "n d"],
    embed: Embed,
    averaging: Averaging,
    folder: Path,
    *,
    workers: int | None = None,
) -> Float[Tensor, "n d"]:
    """Warp crops into poses of others, and average their features with the warps'.

    Joints and masks are estimated. A crop without a pose keeps its own feature.

    Args:
        people: The crops.
        features: Of the crops (N, D).
        embed: Computes features of the same kind.
        averaging: How.
        folder: Gets the warps; an unfinished run is continued.
        workers: Processes; by default one per core.

    Raises:
        ReidaugError: A file cannot be read or written, or no crop can be warped.
    """
    crops = link_crops(people, folder / "crops")
    views = make_views(crops, folder / "warps", averaging, workers=workers)
    features_of_warps = embed([Person(path, 0, 0) for path in views.paths])
    return average_features(
        features, features_of_warps, views.crop, weight=averaging.weight, quality=views.quality
    )


class WarpedViews(NamedTuple):
    """The M warps of linked crops."""

    paths: list[Path]
    crop: Int[Tensor, "m"]  # number of the crop each is of, see `link_crops`
    quality: Float[Tensor, "m"]  # see `reidaug.augment.quality`


def make_views(
    crops: Path,
    out: Path,
    averaging: Averaging,
    *,
    poses: PoseFiles | None = None,
    workers: int | None = None,
) -> WarpedViews:
    """Warp `link_crops`' crops for averaging, those of a crop together in the order of their poses.

    Args:
        crops: Their folder.
        out: The augmented dataset to make, or a folder of several; an unfinished run is continued.
        averaging: How.
        poses: Joints and masks of the crops; by default they are estimated, into ``pose`` of the
            first dataset.
        workers: Processes; by default one per core.

    Raises:
        ReidaugError: A file cannot be read or written, or no crop can be warped.
    """
    runs, rows = averaging.augmentations(), list[tuple[int, Path, float]]()
    for k, options in enumerate(runs):
        root = out if len(runs) == 1 else out / f"ground_{k:02d}"
        given = options.model_copy(update=poses._asdict()) if poses else options
        augment_dataset(crops, root, named_flow(averaging.flow), given, workers=workers)
        poses = poses or PoseFiles(root.resolve() / KEYPOINTS, root.resolve() / MASKS)
        rows += [
            (int(Path(row["source"]).stem), root / TRAIN / row["file"], row["quality"])
            for row in read_manifest(root / MANIFEST, COLUMNS)
            if row["kept"]
        ]
    rows.sort(key=lambda row: row[0])
    return WarpedViews(
        [path for _, path, _ in rows],
        torch.tensor([crop for crop, _, _ in rows]),
        torch.tensor([quality for _, _, quality in rows], dtype=torch.float64),
    )


def link_crops(people: Sequence[Person], folder: Path) -> Path:
    """Link crops into a folder under their numbers: names of two folders may be the same.

    Links to what is no crop any more are removed.

    Raises:
        ReidaugError: Something else is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    links = {f"{k:08d}{p.path.suffix}": p.path.resolve() for k, p in enumerate(people)}
    for link in folder.iterdir():
        if link.is_symlink() and link.readlink() != links.get(link.name):
            link.unlink()
        elif not link.is_symlink():
            raise ReidaugError(
                f"{link}: is no link to a crop, as all in this folder are; remove it"
            )
    for name, path in links.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(path)
    return folder
