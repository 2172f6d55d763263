"""Test-time averaging: crops are searched by their own features and those of their warps."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reidaug.augment.augmented_dataset import augment_dataset
from reidaug.augment.options import AugmentOptions
from reidaug.augment.warp_manifest import MANIFEST
from reidaug.data.manifest import read_manifest
from reidaug.data.market1501 import TRAIN, Person
from reidaug.errors import require_extra
from reidaug.flow.builtin import OWN_POSE, SHIPPED, named_flow
from reidaug.recipes import resolve
from reidaug.reid.evaluation.averaging import average_features

Embed = Callable[[Sequence[Person]], Float[Tensor, "n d"]]
"""Computes the features of crops, those of `reidaug.reid.features.embed`."""


class Averaging(NamedTuple):
    """How crops are averaged with their warps."""

    poses: int  # target poses a crop, of the rendered people in the package
    weight: float = 0.5  # of the mean warp, beside 1 for the crop itself
    flow: str = SHIPPED  # see `reidaug.flow.builtin`; ``identity``: the own pose on grey, once

    def as_dict(self) -> dict[str, Any]:
        """Convert to JSON values, with the passes of the network a crop."""
        return {**self._asdict(), "passes": self.passes}

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Averaging":
        """Convert from JSON values."""
        return cls(**{name: values[name] for name in cls._fields})

    def check(self) -> None:
        """Check before the work that crops can be averaged like this.

        Raises:
            UsageError: The flow does not exist, there are not as many poses, or poses or masks
                cannot be estimated.
        """
        require_extra("pose", "ai_edge_litert")
        named_flow(self.flow).estimator()
        if self.flow != OWN_POSE:
            self.augmentation()

    def options(self) -> str:
        """Write the options of the command line."""
        count = f"--average-poses {self.poses} --average-weight {self.weight:g}"
        return f"{count} --average-flow {self.flow}"

    def text(self) -> str:
        """Describe it in a line, with its cost."""
        what = "in its own pose" if self.flow == OWN_POSE else f"in {self.poses} poses"
        return (
            f"averaged: {self.weight:g} x the mean of each crop {what} on grey ({self.flow}); "
            f"{self.passes} passes of the network a crop"
        )

    def augmentation(self) -> AugmentOptions:
        """Give the options of the warps: rendered people's poses, none for crops without a pose.

        Raises:
            UsageError: There are not as many poses.
        """
        keys: dict[str, Any] = {"missing": "skip"}
        if self.flow != OWN_POSE:
            keys |= {"poses": self.poses, "poses_from": "shipped"}
        return resolve(keys, AugmentOptions, where="--average-poses")

    @property
    def passes(self) -> int:
        """Count the passes of the network a crop."""
        return 2 if self.flow == OWN_POSE else 1 + self.poses


def average_with_warps(
    people: Sequence[Person],
    features: Float[Tensor, "n d"],
    embed: Embed,
    averaging: Averaging,
    folder: Path,
    *,
    workers: int | None = None,
) -> Float[Tensor, "n d"]:
    """Warp crops into poses of others on grey, and average their features with the warps'.

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
    out, flow = folder / "warps", named_flow(averaging.flow)
    augment_dataset(crops, out, flow, averaging.augmentation(), workers=workers)
    views = warped_views(out)
    features_of_warps = embed([Person(path, 0, 0) for path in views.paths])
    return average_features(
        features, features_of_warps, views.crop, weight=averaging.weight, quality=views.quality
    )


class WarpedViews(NamedTuple):
    """The M warps of linked crops."""

    paths: list[Path]
    crop: Int[Tensor, "m"]  # number of the crop each is of, see `link_crops`
    quality: Float[Tensor, "m"]  # see `reidaug.augment.quality`


def warped_views(root: Path) -> WarpedViews:
    """List the warps of `link_crops`' crops in an augmented dataset, those of a crop together."""
    rows = [row for row in read_manifest(root / MANIFEST) if row["kept"]]
    return WarpedViews(
        [root / TRAIN / row["file"] for row in rows],
        torch.tensor([int(Path(row["source"]).stem) for row in rows]),
        torch.tensor([row["quality"] for row in rows], dtype=torch.float64),
    )


def link_crops(people: Sequence[Person], folder: Path) -> Path:
    """Link crops into a folder under their numbers: names of two folders may be the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, person in enumerate(people):
        link = folder / f"{number:08d}{person.path.suffix}"
        if not link.is_symlink():
            link.symlink_to(person.path.resolve())
    return folder
