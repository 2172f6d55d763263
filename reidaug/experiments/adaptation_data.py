"""Crops of an adaptation: labelled source, unlabelled target, extra crops of every arm."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.augment.output_folder import origin_stem, warp_stem
from reidaug.data.loose_crops import read_people
from reidaug.data.market1501 import Person
from reidaug.errors import UsageError
from reidaug.experiments.adaptation_config import AdaptationRecipe
from reidaug.experiments.experiment_data import (
    ExperimentData,
    read_experiment_data,
)
from reidaug.runs import notice


class AdaptationData(NamedTuple):
    """The crops of an adaptation.

    Attributes:
        source: Training crops of the source.
        target: Crops of the target; identities of its training crops are not used.
    """

    source: tuple[Person, ...]
    target: ExperimentData

    @property
    def pids(self) -> tuple[int, ...]:
        """The source's people; their indices are the labels."""
        return tuple(sorted({person.pid for person in self.source}))

    def source_labels(self) -> list[int]:
        """Label the source's crops."""
        labels = {pid: label for label, pid in enumerate(self.pids)}
        return [labels[person.pid] for person in self.source]

    def subset(self, count: int) -> "AdaptationData":
        """Keep the first crops of the target, for a dry run.

        Args:
            count: Training crops, queries and gallery crops, each.

        Returns:
            The crops, with the extra crops that were warped from what is kept.
        """
        train, query, gallery, *_ = (part[:count] for part in self.target[:3])
        stems = {warp_stem(person) for person in train}
        extra, extra_roots = {}, {}
        for arm, crops in self.target.extra.items():
            kept = [i for i, person in enumerate(crops) if origin_stem(person) in stems]
            extra[arm] = tuple(crops[i] for i in kept)
            if roots := self.target.extra_roots.get(arm):
                extra_roots[arm] = tuple(roots[i] for i in kept)
        parts = ExperimentData(train, query, gallery, extra, extra_roots, self.target.left_out)
        return self._replace(target=parts)

    def origins(self, arm: str) -> list[int]:
        """Find the target crop that each extra crop of an arm was warped from.

        Args:
            arm: The arm.

        Returns:
            Indices of the target's training crops.

        Raises:
            UsageError: A crop was warped from none of them.
        """
        indices = {warp_stem(person): i for i, person in enumerate(self.target.train)}
        origins = []
        for person in self.target.extra[arm]:
            origin = indices.get(origin_stem(person))
            if origin is None:
                raise UsageError(
                    f"{person.path}: arm {arm}: not named after a training crop of the target, "
                    f"whose label it should inherit"
                )
            origins.append(origin)
        return origins


def read_adaptation_data(recipe: AdaptationRecipe) -> AdaptationData:
    """Read the crops of an adaptation.

    Args:
        recipe: The experiment.

    Returns:
        The crops of both domains and of all arms.

    Raises:
        ReidaugError: A root cannot be read or does not fit the others.
        UsageError: There are fewer people or crops than a batch needs, or an extra crop was warped
            from no crop of the target.
    """
    source = read_people(
        recipe.source, pattern=recipe.source_pattern, allow_left_out=recipe.allow_left_out
    )
    target = read_experiment_data(recipe, fill=False)
    target = target._replace(left_out=(*source.left_out, *target.left_out))
    data = AdaptationData(source.train, target)
    if target.left_out:
        notice(target.summary_of_left_out())
    if len(data.pids) < recipe.teacher.people:
        raise UsageError(
            f"teacher.people: {recipe.teacher.people} a batch, but {recipe.source} has "
            f"{len(data.pids)} training people"
        )
    _check_batch(recipe.source, data.source, recipe)
    _check_batch(recipe.dataset, data.target.train, recipe)
    for name in recipe.arms:
        data.origins(name)
    return data


def _check_batch(root: Path, crops: Sequence[Person], recipe: AdaptationRecipe) -> None:
    if len(crops) < (batch := recipe.networks().batch):
        raise UsageError(f"{root}: {len(crops)} training crops are no batch of {batch}")
