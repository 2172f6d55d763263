"""Recipe of `reidaug finetune-eval` under the protocol ``uda``."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from reidaug.experiments.arms import ExperimentOptions, LayoutName, Side
from reidaug.experiments.cluster_views import ClusterViews
from reidaug.recipes import LARGEST_BATCH, Count, Positive, Rate, Steps
from reidaug.reid.crop_transforms import CropTransforms
from reidaug.reid.dgnet.adaptation import Clustering
from reidaug.reid.dgnet.networks import Preset, preset
from reidaug.reid.dgnet.phases import DGNetOptions
from reidaug.reid.dgnet.teacher import Style
from reidaug.reid.losses import ReIDLosses
from reidaug.reid.training_options import TrainingOptions

# Names of what is trained before all arms: the teacher and DG-Net (one cell), the warm-up.
TEACHER, START, WARMUP = "teacher", "start", "warmup"


@dataclass(frozen=True)
class TeacherTraining:
    """Training of the teacher, a plain re-ID model of the source, and what it is asked for.

    Attributes:
        steps: Optimiser steps.
        people: People per batch.
        images: Crops of each.
        rate: Learning rate of the trunk, by SGD.
        head_rate: Factor of the learning rate for the head.
        style: How it then labels generated images, see `reidaug.reid.dgnet.teacher.Teacher`.
    """

    steps: Count = 24_000
    people: Annotated[int, Field(ge=2, le=4096)] = 8
    images: Annotated[int, Field(ge=1, le=1024)] = 4
    rate: Rate = 5e-3
    head_rate: Positive = 10.0
    style: Style = "soft"

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error

    def options(self, transforms: CropTransforms) -> TrainingOptions:
        """Options of the training, with an identity loss alone."""
        return TrainingOptions(
            people=self.people,
            images=self.images,
            ratio=0.0,
            transforms=transforms,
            objective=ReIDLosses(smoothing=0.0, triplet_weight=0.0),
            optimiser="sgd",
            learning_rate=self.rate,
            head_rate=self.head_rate,
            warmup=0.0,
            recalibrate_norm=False,
        )


class AdaptationRecipe(ExperimentOptions, DGNetOptions):
    """Experiment in unsupervised domain adaptation by DG-Net++.

    The source is labelled, the target is not: identities of its training crops are used in no
    training. Warps of target crops inherit the cluster of the crop they were warped from; those of
    outliers are left out, and no warp is clustered; but features of crops can be averaged with
    those of their warps before they are. The flow estimator of the warps must not be
    trained on the target's identities either; the built-in one is trained on rendered people.

    Attributes:
        protocol: ``uda``.
        source: Market-1501-format root of the source, of which the training crops are used.
        source_pattern: As ``pattern``, for the names of the source.
        source_layout: As ``layout``, for the source.
        dataset: Root of the target.
        preset: Sizes of crops, batches and networks, see `reidaug.reid.dgnet.networks.preset`.
        size: (height, width) of the crops, where not the preset's.
        batch: Crops in each of the two batches of a step, where not the preset's.
        pretrained: Weight file of the trunks of encoder and teacher: ImageNet's.
        trunk_from_teacher: Whether the encoder's trunk starts from the teacher's, where there are
            no weights of ImageNet.
        teacher: Training of the teacher.
        start: Run folder of an earlier adaptation, whose networks all arms go on from; then there
            is no training on the source and no warm-up.
        start_arm: The arm of that run.
        source_steps: Steps of DG-Net on the source.
        warmup_steps: Steps of the warm-up of DG-Net++.
        rounds: Rounds of self-training.
        round_steps: Steps of each.
        ratio: Extra crops, as a share of a target batch; 0 is DG-Net++ itself.
        cluster: Clustering of the target.
        cluster_views: Views whose features are averaged with those of the crops for that; here for
            all arms and the warm-up, in an arm's ``changes`` for its rounds.
        transforms: Augmentation of all crops, without random erasing.
        save_every: Steps between two states for resuming.
    """

    CHANGEABLE: ClassVar[tuple[str, ...]] = (
        "cluster_views", "extra_smoothing", "margin", "ratio", "weights",
    )  # fmt: skip
    STAGES: ClassVar[tuple[str, ...]] = (START, WARMUP, TEACHER)

    protocol: Literal["uda"]
    source: Path
    source_pattern: str | None = None
    source_layout: LayoutName | None = None
    baseline: str = "dgnetpp"
    controls: tuple[str, ...] = ("dgnetpp", "real_only", "identity_grey", "affine_grey")
    preset: Literal["paper", "small"] = "paper"
    size: tuple[Side, Side] | None = None
    batch: int | None = Field(None, ge=2, le=4096)
    pretrained: Path | None = None
    trunk_from_teacher: bool = False
    teacher: TeacherTraining = TeacherTraining()
    start: Path | None = None
    start_arm: str = "dgnetpp"
    source_steps: Count = 100_000
    warmup_steps: Steps = 70_000
    rounds: Count = 30
    round_steps: Count = 6_000
    ratio: float = Field(0.5, ge=0, le=16)
    cluster: Clustering = Clustering()
    cluster_views: ClusterViews = ClusterViews()
    transforms: CropTransforms = CropTransforms(erase=0.0)
    save_every: Count = 1000

    @model_validator(mode="after")
    def _check_adaptation(self) -> "AdaptationRecipe":
        if self.source_pattern is not None and self.source_layout is not None:
            raise ValueError("source_layout and source_pattern exclude each other")
        if self.cluster.eps >= 1 - self.cluster.original:
            raise ValueError(
                "cluster.eps is less than 1 - cluster.original, or all crops are neighbours"
            )
        networks = self.networks()
        crops = round((2 + self.ratio) * networks.batch)
        crops = max(crops, self.teacher.people * self.teacher.images)
        if crops * networks.size[0] * networks.size[1] > LARGEST_BATCH:
            raise ValueError(
                f"batch, ratio, teacher, size: {crops} crops of {networks.size} pixels a step are "
                f"more than {LARGEST_BATCH} pixels"
            )
        if any(arm.only for arm in self.arms.values()):
            raise ValueError("'only' is for supervised arms: clusters are made of real crops")
        if self.transforms.erase:
            raise ValueError(
                "transforms.erase: use 'erase' here: only crops of identity losses are erased"
            )
        return self

    @model_validator(mode="after")
    def _check_positives(self) -> "AdaptationRecipe":
        for name, arm in self.arms.items():
            own, changed = self.of_arm(name), arm.changes.get("weights")
            asked = isinstance(changed, dict) and changed.get("positive_triplet")
            if asked and not own.extra_per_batch():
                raise ValueError(
                    f"arm {name}: weights.positive_triplet is about extra crops, and ratio "
                    f"{own.ratio:g} of a batch of {own.networks().batch} has none"
                )
        return self

    def networks(self) -> Preset:
        """Sizes of crops, batches and networks."""
        named = preset(self.preset)
        return replace(named, size=self.size or named.size, batch=self.batch or named.batch)

    def extra_per_batch(self) -> int:
        """Extra crops for each target batch."""
        return round(self.ratio * self.networks().batch)

    def steps(self, name: str) -> int:
        """Optimiser steps of a cell: `START`, `WARMUP` or an arm."""
        if self.start is not None and name in (START, WARMUP):
            return 0
        if name == START:
            return self.teacher.steps + self.source_steps
        return self.warmup_steps if name == WARMUP else self.rounds * self.round_steps
