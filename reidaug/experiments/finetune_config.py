"""Recipe of `reidaug finetune-eval`, and the crops and the network that it names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from accelerate import PartialState
from pydantic import Field, model_validator

from reidaug.checksums import check_file
from reidaug.data.dataset_roots import find_dataset
from reidaug.data.market1501 import Person
from reidaug.errors import UsageError
from reidaug.experiments.arm_slips import tell_shapes, tell_slips
from reidaug.experiments.arms import Arm, ExperimentOptions, LayoutName, Side
from reidaug.experiments.beforehand import check_apart, check_compared, check_grounds
from reidaug.experiments.experiment_data import (
    ExperimentData,
    check_crops,
    read_experiment_data,
)
from reidaug.jobs import torch_generator
from reidaug.recipes import LARGEST_BATCH, Count, Rate
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.model_contract import check_model, check_weights
from reidaug.reid.model_factory import build
from reidaug.reid.network_modes import seeded
from reidaug.reid.pretrained import IMAGENET, check_pretrained, weight_file
from reidaug.reid.training_options import TrainingOptions
from reidaug.reid.weights import LoadedWeights, load_weights
from reidaug.runs import notice
from reidaug.verbosity import progress_line

START = "start"  # the stage before all arms, which trains the model they are fine-tuned from
INITIAL_WEIGHTS = 5  # purpose of a generator; those of `reidaug.reid.batches` are 0 to 4


class FinetuneRecipe(TrainingOptions, ExperimentOptions):
    """An experiment: a re-ID model fine-tuned with every arm."""

    CHANGEABLE: ClassVar[tuple[str, ...]] = (
        "average_share", "extra_of", "extra_transforms", "grounds", "learning_rate", "light",
        "objective", "ratio", "real_only_share", "recalibrate_norm", "separate_norm", "transforms",
    )  # fmt: skip
    STAGES: ClassVar[tuple[str, ...]] = (START,)

    # Trained and evaluated on one dataset; or trained on ``dataset`` and evaluated, without
    # adaptation, on the people of ``test_dataset``.
    protocol: Literal["supervised", "cross_domain"] = "supervised"
    test_dataset: Path | None = None  # root with query and gallery of another domain
    test_pattern: str | None = None  # as ``pattern``, of ``test_dataset``
    test_layout: LayoutName | None = None  # as ``layout``, of ``test_dataset``
    arms: dict[str, Arm] = Field({"real_only": Arm(crops=(None,))}, min_length=1)
    ceiling: str | None = "true_views_grey"
    people_share: float = Field(1.0, gt=0, le=1)  # share of the training people that is used
    # Crops of a training person that are used; null: all.
    images_each: Count | None = None
    # Cameras of a training person whose crops are used; null: all.
    cameras_each: Count | None = None
    # Folder with the mask ``<stem>.png`` of every training crop, as `reidaug pose --masks` writes
    # it; ``grounds`` needs it.
    masks: Path | None = None
    # Whether every seed trains a start of its own; otherwise the first seed's serves all, and the
    # spread over seeds is that of the fine-tuning alone. With a checkpoint it serves all anyway.
    start_per_seed: bool = True
    # ``resnet18``, ``resnet34``, ``resnet50``, ``mobilenet_v2``, ``efficientnet_lite0``,
    # ``fastreid:NAME``, ``timm:NAME``, ``torchreid:NAME`` or ``package.module:Class``, see
    # `reidaug.reid.model_factory.build`.
    backbone: str = "resnet50"
    # Keywords of the backbone, such as those of `reidaug.reid.backbones.PersonResNet`.
    backbone_options: dict[str, Any] = Field(default_factory=dict)
    # Weight file the first stage starts from; ``imagenet``: the backbone's pre-trained weights, see
    # `reidaug.reid.pretrained`; null: from scratch.
    weights: Path | None = None
    # Weight file of a finished re-ID model, in place of the first stage. It has to hold all that
    # the features depend on.
    checkpoint: Path | None = None
    size: tuple[Side, Side] = (256, 128)  # (height, width) of the crops
    # Optimiser steps of the first stage, on real crops alone.
    pretrain_steps: Count = 12000
    pretrain_learning_rate: Rate = 3.5e-4  # largest learning rate of the first stage
    steps: Count = 4000  # optimiser steps of every arm
    # Whether retrieval adds the features of the mirror image, as DG-Net does and torchreid and
    # fast-reid by default do not.
    mirror: bool = True
    keep_checkpoints: bool = False  # whether the models of the arms are kept

    @model_validator(mode="after")
    def _check_protocol(self) -> "FinetuneRecipe":
        across = self.protocol == "cross_domain"
        if across != (self.test_dataset is not None):
            raise ValueError("test_dataset belongs to the protocol cross_domain, and that needs it")
        train = self.dataset.resolve(), self.pattern, self.layout
        test = self.test_dataset and self.test_dataset.resolve()
        if (test, self.test_pattern, self.test_layout) == train:  # patterns may tell domains apart
            raise ValueError(
                "test_dataset is 'dataset' itself, and nothing crosses domains: leave out "
                "test_dataset and protocol"
            )
        if not across and self.test_pattern is not None:
            raise ValueError("test_pattern is for test_dataset; 'pattern' reads names of 'dataset'")
        if not across and self.test_layout is not None:
            raise ValueError("test_layout is for test_dataset; 'layout' is that of 'dataset'")
        if self.test_pattern is not None and self.test_layout is not None:
            raise ValueError("test_layout and test_pattern exclude each other")
        if across and self.evaluate_on == "held_out":
            raise ValueError(
                "held-out people are of dataset's domain; tune with protocol: supervised"
            )
        return self

    @model_validator(mode="after")
    def _check_weights(self) -> "FinetuneRecipe":
        if self.weights == IMAGENET:
            try:
                check_pretrained(self.backbone)
            except UsageError as error:
                raise ValueError(str(error)) from None
        return self

    @model_validator(mode="after")
    def _check_size(self) -> "FinetuneRecipe":
        height, width = self.size
        batch = round((1 + self.ratio) * self.people * self.images)
        if batch * height * width > LARGEST_BATCH:
            raise ValueError(
                f"people, images, ratio, size: {batch} crops of {height} x {width} pixels a step "
                f"are more than {LARGEST_BATCH} pixels"
            )
        return self

    @model_validator(mode="after")
    def _check_grounds(self) -> "FinetuneRecipe":
        for name in self.arms:
            if self.of_arm(name).extra_of == "crop" and self.arms[name].only:
                raise ValueError(
                    f"arm {name}: extra_of: crop is about real crops, which only: true leaves out"
                )
            if self.of_arm(name).grounds and self.arms[name].only:
                raise ValueError(f"arm {name}: grounds are exchanged behind real crops, not warps")
            if self.of_arm(name).grounds and self.masks is None:
                raise ValueError("grounds needs masks, a folder that reidaug pose --masks writes")
        return self

    def start_file(self) -> Path | None:
        """Find the weight file that the first stage starts from, or that replaces it.

        Raises:
            ReidaugError: Pre-trained weights are damaged or cannot be fetched.
        """
        return self.checkpoint or weight_file(self.backbone, self.weights)


def read_data(recipe: FinetuneRecipe) -> ExperimentData:
    """Read the crops of all arms of an experiment.

    Raises:
        ReidaugError: A root cannot be read or does not fit the others.
        UsageError: There are arms to train, and fewer people than a batch needs.
    """
    data = read_experiment_data(
        recipe,
        test=recipe.test_dataset,
        test_pattern=recipe.test_pattern,
        test_layout=recipe.test_layout,
        people_share=recipe.people_share,
        images_each=recipe.images_each,
        cameras_each=recipe.cameras_each,
    )
    if data.left_out:
        notice(data.summary_of_left_out())
    if recipe.arms and len(data.pids) < recipe.people:
        raise UsageError(
            f"people: {recipe.people} a batch, but {recipe.dataset} has {len(data.pids)} training "
            f"people"
        )
    return data


def check_recipe_crops(
    recipe: FinetuneRecipe,
    data: ExperimentData,
    *others: Sequence[Person],
    finished: Path | None = None,
    training: bool = True,
) -> None:
    """Check the crops of an experiment before its first step; errors as of `check_crops`.

    ``others`` are crops that are in no part of it. Nothing is checked where ``finished``, the run
    folder that is resumed, holds the report of this very experiment.
    """
    if finished is not None and recipe.is_finished(finished):
        return
    if training:
        check_compared(recipe)
        check_grounds(recipe)
        tell_slips(recipe)
        if recipe.test_dataset is None and recipe.evaluate_on == "test":
            place = find_dataset(recipe.dataset, pattern=recipe.pattern, layout=recipe.layout)
            test = (*data.query, *data.gallery)
            check_apart(data.train, test, root=recipe.dataset, place=place)
    tell_shapes(recipe.size, data.train if training else data.gallery, data.extra)
    check_crops(
        data,
        *others,
        root=recipe.test_dataset or recipe.dataset,
        masks=recipe.masks if any(recipe.of_arm(arm).grounds for arm in recipe.arms) else None,
        training=training,
    )


def build_network(
    recipe: FinetuneRecipe, people: int, seed: int, weights: Path | None
) -> tuple[ReIDModel, LoadedWeights | None]:
    """Build the network of an experiment, on the device it will run on.

    Args:
        recipe: The experiment.
        people: Number of training people.
        seed: Random seed of the initial weights.
        weights: Weight file that replaces them where it fits.

    Returns:
        The network, and what was read from the weight file.

    Raises:
        ReidaugError: The weight file cannot be read or does not fit.
        UsageError: There is no such network, or it has no such option.
    """
    generator = torch_generator(seed, INITIAL_WEIGHTS)
    model = build(recipe.backbone, people, generator=generator, **recipe.backbone_options)
    loaded = None if weights is None else load_weights(model, weights)
    if model.channels_last:
        model = model.to(memory_format=torch.channels_last)
    return model.to(PartialState().device), loaded


def build_checked_network(recipe: FinetuneRecipe, people: int, *, training: bool) -> ReIDModel:
    """Build the network an experiment begins with, on its device, and check that it can be used.

    Done before anything is written: a wrong name or file leaves no folder. A line is printed on
    what was read from the weight file.

    Args:
        recipe: The experiment.
        people: Number of training people.
        training: Whether the network will be trained.

    Raises:
        ReidaugError: The weight file cannot be read, does not fit, or is incomplete.
        UsageError: There is no such network, or it does not keep to `reidaug.reid.model_contract`.
    """
    weights = recipe.start_file()
    if weights is not None:
        check_file(weights)
    with seeded(0):
        model, loaded = build_network(recipe, people, 0, weights)
    objectives = [recipe.of_arm(arm).objective for arm in recipe.arms] if training else []
    check_model(
        model,
        name=recipe.backbone,
        people=people,
        size=recipe.size,
        training=training,
        triplet=any(one.triplet_weight > 0 for one in (recipe.objective, *objectives)),
        teacher=any(one.needs_scores for one in objectives),
        consistency=any(one.extra_consistency > 0 for one in objectives),
    )
    if weights is not None and loaded is not None:
        if recipe.checkpoint is not None:
            check_weights(model, loaded, weights, name=recipe.backbone, size=recipe.size)
        say = notice if loaded.doubtful else progress_line
        say(f"{weights}: {loaded.summary}")
    return model
