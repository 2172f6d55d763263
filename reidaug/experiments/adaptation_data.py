"""Crops of an adaptation: labelled source, unlabelled target, extra crops of every arm."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from reidaug.augment.output_folder import origin_stem, warp_stem
from reidaug.checksums import check_written
from reidaug.data.loose_crops import read_people
from reidaug.data.market1501 import Person
from reidaug.errors import UsageError
from reidaug.experiments.adaptation_config import WARMUP, AdaptationRecipe
from reidaug.experiments.cluster_views import ClusterViews, TargetViews, read_cluster_views
from reidaug.experiments.experiment_data import (
    ExperimentData,
    read_experiment_data,
)
from reidaug.runs import notice
from reidaug.verbosity import progress_line


class AdaptationData(NamedTuple):
    """The crops of an adaptation.

    Attributes:
        source: Training crops of the source.
        target: Crops of the target; identities of its training crops are not used.
        views: Views of the target's training crops for clustering, by arm, and by `WARMUP`.
    """

    source: tuple[Person, ...]
    target: ExperimentData
    views: Mapping[str, TargetViews] = {}

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
        views = {name: views.subset(count) for name, views in self.views.items()}
        return self._replace(target=parts, views=views)

    def view_crops(self) -> tuple[Person, ...]:
        """List all views, each once."""
        return tuple(dict.fromkeys(chain.from_iterable(v.people for v in self.views.values())))

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
        UsageError: There are fewer people or crops than a batch needs, an extra crop was warped
            from no crop of the target, or no crop of it has a view for clustering.
    """
    source = read_people(
        recipe.source,
        pattern=recipe.source_pattern,
        layout=recipe.source_layout,
        allow_left_out=recipe.allow_left_out,
    )
    check_written(source.root)
    target = read_experiment_data(recipe, fill=False)
    views = _read_views(recipe, target)
    unusable = dict.fromkeys(chain.from_iterable(one.left_out for one in views.values()))
    target = target._replace(left_out=(*source.left_out, *target.left_out, *unusable))
    data = AdaptationData(source.train, target, views)
    if target.left_out:
        notice(target.summary_of_left_out())
    if len(data.pids) < recipe.teacher.people:
        raise UsageError(
            f"teacher.people: {recipe.teacher.people} a batch, but {recipe.source} has "
            f"{len(data.pids)} training people"
        )
    _check_batch(recipe.source, data.source, recipe)
    _check_batch(recipe.dataset, data.target.train, recipe)
    if {person.path.resolve() for person in data.source} & {p.path.resolve() for p in target.train}:
        notice(
            f"{recipe.source}: its labelled crops are those of the target {recipe.dataset} too: "
            f"what is learnt of them is no adaptation"
        )
    if recipe.cluster.min_samples > (count := len(data.target.train)):
        raise UsageError(
            f"cluster.min_samples: no cluster of {recipe.cluster.min_samples} crops is among the "
            f"{count} of {recipe.dataset}"
        )
    for name in recipe.arms:
        data.origins(name)
    return data


def _check_batch(root: Path, crops: Sequence[Person], recipe: AdaptationRecipe) -> None:
    if len(crops) < (batch := recipe.networks().batch):
        raise UsageError(f"{root}: {len(crops)} training crops are no batch of {batch}")


def _read_views(recipe: AdaptationRecipe, target: ExperimentData) -> dict[str, TargetViews]:
    """Read the views for clustering of the warm-up and the arms, and tell how many there are."""
    held_out = target.query if recipe.evaluate_on == "held_out" else ()
    known: dict[ClusterViews, TargetViews] = {}
    views = {}
    for name in (WARMUP, *recipe.arms):
        chosen = recipe.of_arm(name).cluster_views
        if not chosen.roots:
            continue
        if chosen not in known:
            found = read_cluster_views(chosen, recipe, target.train, held_out, name=name)
            progress_line(f"cluster_views of {name}: {found.counts(len(target.train)).text()}")
            known[chosen] = found
        views[name] = known[chosen]
    return views
