"""Views of target crops for clustering: a crop's feature is averaged with those of its warps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reidaug.augment.output_folder import origin_stem, warp_stem
from reidaug.data.market1501 import Person
from reidaug.errors import UsageError
from reidaug.experiments.arms import ExperimentOptions
from reidaug.experiments.experiment_data import read_extra_crops
from reidaug.experiments.warp_quality import qualities
from reidaug.recipes import Count, Weight


@dataclass(frozen=True)
class ClusterViews:
    """Which further views of target crops are averaged with them before clustering.

    Attributes:
        roots: Roots of views, made by `reidaug augment` of the target; none: crops alone.
        weight: Of the mean of a crop's views, weighed by quality, beside 1 for the crop itself.
        each: Views of a crop at most, those of highest quality; None: all. As many passes of the
            network compare one kind of view with another.
    """

    roots: tuple[Path, ...] = ()
    weight: Weight = 0.5
    each: Count | None = None

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error


@dataclass(frozen=True)
class ViewCounts:
    """Views of the target's N training crops.

    Attributes:
        views: M, in all.
        crops: Crops that have some.
        without: Crops that have none, and are clustered by their own feature.
        passes: Passes of the network a crop, its own included: 1 + M / N.
    """

    views: int
    crops: int
    without: int
    passes: float

    def text(self) -> str:
        """Write the counts as part of a line."""
        total = self.crops + self.without
        line = f"{self.crops} of {total} target crops have views, {self.views} in all"
        line += f" ({self.passes:.1f} passes of the network a crop)"
        return (
            f"{line}; {self.without} are clustered by their own feature" if self.without else line
        )


class TargetViews(NamedTuple):
    """The M views of a target's N training crops."""

    people: tuple[Person, ...]
    crop: Int[Tensor, "m"]  # number of the training crop each is of
    quality: Float[Tensor, "m"]  # in [0, 1], see `reidaug.augment.quality`; 1 without a manifest
    left_out: tuple[str, ...] = ()  # one line for every image that cannot be used

    def subset(self, count: int) -> "TargetViews":
        """Keep the views of the first training crops."""
        kept = self.crop < count
        people = tuple(self.people[i] for i in kept.nonzero()[:, 0].tolist())
        return TargetViews(people, self.crop[kept], self.quality[kept], self.left_out)

    def counts(self, crops: int) -> ViewCounts:
        """Count them.

        Args:
            crops: N.
        """
        seen = len(self.crop.unique())
        passes = 1 + len(self.crop) / max(1, crops)
        return ViewCounts(len(self.crop), seen, crops - seen, round(passes, 2))


def read_cluster_views(
    chosen: ClusterViews,
    options: ExperimentOptions,
    train: Sequence[Person],
    held_out: Sequence[Person] = (),
    *,
    name: str,
) -> TargetViews:
    """Find the views of a target's training crops.

    Args:
        chosen: Their roots.
        options: The experiment.
        train: The target's training crops.
        held_out: Other crops that there may be views of, which are left out.
        name: Arm or stage, for messages.

    Raises:
        ReidaugError: A root cannot be read, or holds views of other crops.
        UsageError: No training crop has a view.
    """
    own = {warp_stem(person): i for i, person in enumerate(train)}
    everyone = (*train, *held_out)
    known = {person.pid for person in everyone}
    found: list[tuple[int, float, Person]] = []
    left_out: list[str] = []
    for root in chosen.roots:
        views = read_extra_crops(root, f"{name}, cluster_views", known, everyone, options)
        left_out += views.left_out
        quality = qualities(views.train, [root], needed=False)
        for person, value in zip(views.train, quality, strict=True):
            if (crop := own.get(origin_stem(person))) is not None:
                found.append((crop, value, person))
    if not found:
        roots = ", ".join(str(root) for root in chosen.roots)
        raise UsageError(
            f"{name}: cluster_views: {roots}: no training crop of {options.dataset} has a view "
            f"there; make them by reidaug augment {options.dataset}"
        )
    # Those of a crop in a row, the best first; the order of the roots decides between equals.
    found.sort(key=lambda view: (view[0], -view[1]))
    if chosen.each is not None:
        found = _first(found, chosen.each)
    return TargetViews(
        tuple(person for *_, person in found),
        torch.tensor([crop for crop, *_ in found]),
        torch.tensor([quality for _, quality, _ in found], dtype=torch.float64),
        tuple(left_out),
    )


def _first(views: list[tuple[int, float, Person]], each: int) -> list[tuple[int, float, Person]]:
    kept, counts = [], dict[int, int]()
    for view in views:
        counts[view[0]] = counts.get(view[0], 0) + 1
        if counts[view[0]] <= each:
            kept.append(view)
    return kept
