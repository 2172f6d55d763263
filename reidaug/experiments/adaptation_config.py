"""The recipe of `reidaug finetune-eval` under the protocol ``uda``, and the crops it asks for."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from reidaug.data.market1501 import TRAIN, Person, read_market1501
from reidaug.errors import UsageError
from reidaug.experiments.arms import Material, gather, origin
from reidaug.experiments.finetune_config import Arm, Side
from reidaug.recipes import Count, Positive, merged
from reidaug.reid.crop_transforms import CropTransforms
from reidaug.reid.dgnet.adaptation import Clustering
from reidaug.reid.dgnet.networks import Preset, preset
from reidaug.reid.dgnet.phases import DGNetOptions

START, WARMUP = "start", "warmup"  # cells before all arms
TEACHER = "teacher"  # what the start learns first
CHANGEABLE = ("ratio", "weights", "warp_smoothing")


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


class AdaptationRecipe(DGNetOptions):
    """What decides the numbers of an experiment in unsupervised adaptation.

    The source is labelled. The target's training crops are not: their people's names are read by
    nothing that learns. Warps of target crops inherit the cluster of the crop they were made of;
    those of outliers are left out, and no warp is ever clustered. The flow that made them must not
    have seen the names either: the one inside the package has seen rendered people alone.

    Attributes:
        protocol: ``uda``.
        source: Market-1501-format root of the source, of which the training crops are read.
        dataset: Root of the target.
        arms: Name to what comes on top in the rounds, as under ``supervised``; ``changes`` knows
            the keys of `CHANGEABLE`. ``ratio: 0`` is DG-Net++ itself.
        method: The arm in question.
        baseline: The arm without augmentation.
        controls: Arms that could explain a gain away.
        evaluate_on: The target's test people, or training people of it held out (for tuning).
        held_out: Share of the target's training people that is then held out.
        split_seed: Decides who.
        min_quality: Warps of less quality by their manifest are not used.
        seeds: One cell an arm for each; every seed has its own start and warm-up.
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
        precision: Of the networks' numbers; auto: bfloat16 where it is faster.
        fine_similarity: Weight of the second head in retrieval and clustering.
        cache_mb: Bound on the decoded crops kept by a process.
        memory_mb: Bound on the distances held at a time.
        save_every: Steps from one state to go on from to the next.
    """

    protocol: Literal["uda"]
    source: Path
    dataset: Path
    arms: dict[str, Arm] = Field(min_length=1)
    method: str = "warps_grey"
    baseline: str = "dgnetpp"
    controls: tuple[str, ...] = ("dgnetpp", "real_only", "identity_grey", "affine_grey")
    evaluate_on: Literal["test", "held_out"] = "test"
    held_out: float = Field(0.2, gt=0, lt=1)
    split_seed: int = Field(0, ge=0)
    min_quality: float = Field(0.0, ge=0, le=1)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 1, 2), min_length=1)
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
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    fine_similarity: float = Field(0.5, ge=0)
    cache_mb: int = Field(2048, ge=0)
    memory_mb: int = Field(256, ge=1)
    save_every: int = Field(1000, ge=1)

    @model_validator(mode="after")
    def _names(self) -> "AdaptationRecipe":
        taken = (START, WARMUP, TEACHER)
        if set(taken) & set(self.arms) or any(not n or "/" in n for n in self.arms):
            raise ValueError(f"an arm's name is no path and none of {', '.join(taken)}")
        if self.cluster.eps >= 1 - self.cluster.original:
            raise ValueError(
                "cluster.eps is less than 1 - cluster.original, or all crops are neighbours"
            )
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds differ")
        if any(arm.only for arm in self.arms.values()):
            raise ValueError("'only' is for supervised arms: clusters are made of real crops")
        if self.transforms.erase:
            raise ValueError(
                "transforms.erase: here 'erase' says it, since drawn crops lose nothing"
            )
        for name in self.arms:
            self.of_arm(name)
        return self

    def networks(self) -> Preset:
        """Give the size of the networks."""
        named = preset(self.preset)
        return replace(named, size=self.size or named.size, batch=self.batch or named.batch)

    def of_arm(self, name: str) -> "AdaptationRecipe":
        """Give the experiment as one arm sees it.

        Args:
            name: The arm; a name that is none sees what is common to all.

        Returns:
            The experiment with the arm's changes.

        Raises:
            ValueError: A change has a wrong key or value.
        """
        changes = self.arms[name].changes if name in self.arms else {}
        if wrong := sorted(set(changes) - set(CHANGEABLE)):
            raise ValueError(f"arm {name} cannot change {wrong[0]}; {', '.join(CHANGEABLE)} it can")
        if not changes:
            return self
        values = self.model_dump()
        values["arms"] = {key: arm | {"changes": {}} for key, arm in values["arms"].items()}
        return AdaptationRecipe.model_validate(merged(values, changes))


class Domains(NamedTuple):
    """The crops of an adaptation.

    Attributes:
        source: Training crops of the source.
        target: Crops of the target; the names in its training crops are for nobody who learns.
    """

    source: tuple[Person, ...]
    target: Material

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
            kept = [k for k, person in enumerate(crops) if origin(person.path) in left]
            extra[arm] = tuple(crops[k] for k in kept)
            if arm in whole.roots:
                roots[arm] = tuple(whole.roots[arm][k] for k in kept)
        target = Material(
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
            place = places.get(origin(person.path))
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
    target = gather(
        recipe.dataset,
        {name: arm.crops for name, arm in recipe.arms.items()},
        held_out=recipe.held_out if recipe.evaluate_on == "held_out" else None,
        split_seed=recipe.split_seed,
        min_quality=recipe.min_quality,
        fill=False,
    )
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
