"""The recipe of `reidaug finetune-eval` under the protocol ``uda``, and the crops it asks for."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from reidaug.data.market1501 import TRAIN, Person, read_market1501
from reidaug.errors import UsageError
from reidaug.experiments.arms import ExperimentOptions, Side
from reidaug.experiments.experiment_data import (
    ExperimentData,
    read_experiment_data,
    source_stem,
)
from reidaug.recipes import Count, Positive
from reidaug.reid.crop_transforms import CropTransforms
from reidaug.reid.dgnet.adaptation import Clustering
from reidaug.reid.dgnet.networks import Preset, preset
from reidaug.reid.dgnet.phases import DGNetOptions

START, WARMUP = "start", "warmup"  # cells before all arms
TEACHER = "teacher"  # what the start learns first


@dataclass(frozen=True)
class TeacherTraining:
    """How the teacher, a plain re-ID model of the source, is trained.

    Attributes:
        steps: Optimiser steps.
        people: People a batch.
        images: Crops of each.
        rate: Learning rate of the trunk, by SGD.
        head_rate: How many times as large it is for the head.
    """

    steps: Count = 24_000
    people: Annotated[int, Field(ge=2)] = 8
    images: Count = 4
    rate: Positive = 5e-3
    head_rate: Positive = 10.0

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error


class AdaptationRecipe(DGNetOptions, ExperimentOptions):
    """What decides the numbers of an experiment in unsupervised adaptation.

    The source is labelled. The target's training crops are not: their people's names are read by
    nothing that learns. Warps of target crops inherit the cluster of the crop they were made of;
    those of outliers are left out, and no warp is ever clustered. The flow that made them must not
    have seen the names either: the one inside the package has seen rendered people alone.

    Attributes:
        protocol: ``uda``.
        source: Market-1501-format root of the source, of which the training crops are read.
        dataset: Root of the target.
        preset: Size of the networks, see `reidaug.reid.dgnet.networks.preset`.
        pretrained: Weight file of the encoder's and the teacher's trunk: ImageNet's.
        trunk_from_teacher: Whether the encoder's trunk begins with the teacher's weights, where
            there are none of ImageNet.
        teacher: How the teacher is trained.
        source_steps: Steps of DG-Net on the source.
        warmup_steps: Steps of DG-Net++ before the first clusters count.
        rounds: Rounds of self-training.
        round_steps: Steps of each.
        ratio: Extra crops, as a share of a target batch.
        cluster: How target crops become people.
        transforms: Transforms of all crops, without erasing.
        save_every: Steps from one state to go on from to the next.
    """

    CHANGEABLE: ClassVar[tuple[str, ...]] = ("ratio", "weights", "warp_smoothing")
    STAGES: ClassVar[tuple[str, ...]] = (START, WARMUP, TEACHER)

    protocol: Literal["uda"]
    source: Path
    baseline: str = "dgnetpp"
    controls: tuple[str, ...] = ("dgnetpp", "real_only", "identity_grey", "affine_grey")
    preset: Literal["paper", "small"] = "paper"
    size: tuple[Side, Side] | None = None
    batch: int | None = Field(None, ge=2)
    pretrained: Path | None = None
    trunk_from_teacher: bool = False
    teacher: TeacherTraining = TeacherTraining()
    source_steps: int = Field(100_000, ge=1)
    warmup_steps: int = Field(70_000, ge=0)
    rounds: int = Field(30, ge=1)
    round_steps: int = Field(6_000, ge=1)
    ratio: float = Field(0.5, ge=0)
    cluster: Clustering = Clustering()
    transforms: CropTransforms = CropTransforms(erase=0.0)
    save_every: int = Field(1000, ge=1)

    @model_validator(mode="after")
    def _check_networks(self) -> "AdaptationRecipe":
        if self.cluster.eps >= 1 - self.cluster.original:
            raise ValueError(
                "cluster.eps is less than 1 - cluster.original, or all crops are neighbours"
            )
        if any(arm.only for arm in self.arms.values()):
            raise ValueError("'only' is for supervised arms: clusters are made of real crops")
        if self.transforms.erase:
            raise ValueError(
                "transforms.erase: here 'erase' says it, since drawn crops lose nothing"
            )
        return self

    def networks(self) -> Preset:
        """Give the size of the networks."""
        named = preset(self.preset)
        return replace(named, size=self.size or named.size, batch=self.batch or named.batch)


class Domains(NamedTuple):
    """The crops of an adaptation.

    Attributes:
        source: Training crops of the source.
        target: Crops of the target; the names in its training crops are for nobody who learns.
    """

    source: tuple[Person, ...]
    target: ExperimentData

    @property
    def pids(self) -> tuple[int, ...]:
        """The source's people; the place of one is its label."""
        return tuple(sorted({person.pid for person in self.source}))

    def source_labels(self) -> list[int]:
        """Label the source's crops."""
        places = {pid: place for place, pid in enumerate(self.pids)}
        return [places[person.pid] for person in self.source]

    def few(self, count: int) -> "Domains":
        """Leave only some crops of the target, for a dry run.

        Args:
            count: Training crops, queries and gallery crops, each.

        Returns:
            The crops, with those on top that were made of what is left.
        """
        whole = self.target
        left = {person.path.stem for person in whole.train[:count]}
        extra, roots = {}, {}
        for arm, crops in whole.extra.items():
            kept = [k for k, person in enumerate(crops) if source_stem(person.path) in left]
            extra[arm] = tuple(crops[k] for k in kept)
            if arm in whole.extra_roots:
                roots[arm] = tuple(whole.extra_roots[arm][k] for k in kept)
        target = ExperimentData(
            whole.train[:count], whole.query[:count], whole.gallery[:count], extra, roots
        )
        return self._replace(target=target)

    def origins(self, arm: str) -> list[int]:
        """Find for each crop on top of an arm the target crop it was made of.

        Args:
            arm: The arm.

        Returns:
            Places among the target's training crops.

        Raises:
            UsageError: A crop was made of none of them.
        """
        places = {person.path.stem: place for place, person in enumerate(self.target.train)}
        found = []
        for person in self.target.extra[arm]:
            place = places.get(source_stem(person.path))
            if place is None:
                raise UsageError(
                    f"{person.path}: arm {arm}: not named after a training crop of the target, "
                    f"whose label it should inherit"
                )
            found.append(place)
        return found


def read_domains(recipe: AdaptationRecipe) -> Domains:
    """Read the crops of an adaptation.

    Args:
        recipe: The experiment.

    Returns:
        The crops of both domains and of all arms.

    Raises:
        ReidaugError: A root cannot be read or does not fit the others.
        UsageError: There are fewer people or crops than a batch needs, or an extra crop belongs
            to no crop of the target.
    """
    source = read_market1501(recipe.source, splits=(TRAIN,)).train
    target = read_experiment_data(recipe, fill=False)
    domains, batch = Domains(source, target), recipe.networks().batch
    if len(domains.pids) < recipe.teacher.people:
        raise UsageError(
            f"teacher.people: {recipe.teacher.people} a batch, but {recipe.source} has "
            f"{len(domains.pids)} training people"
        )
    for root, crops in ((recipe.source, source), (recipe.dataset, target.train)):
        if len(crops) < batch:
            raise UsageError(f"{root}: {len(crops)} training crops are no batch of {batch}")
    for name in recipe.arms:
        domains.origins(name)
    return domains
