"""The recipe of `reidaug finetune-eval`, and what it asks for: crops and a network."""

from pathlib import Path
from typing import Annotated, Any, Literal

import click
import torch
from accelerate import PartialState
from pydantic import Field, model_validator

from reidaug.errors import UsageError
from reidaug.experiments.arms import LowData, Material, gather
from reidaug.jobs import torch_generator
from reidaug.recipes import Recipe, merged
from reidaug.reid.backbones import PersonResNet, ReIDModel
from reidaug.reid.crop_transforms import CropTransforms
from reidaug.reid.fastreid_resnets import BagOfTricks
from reidaug.reid.losses import Objective
from reidaug.reid.model_contract import check_model, check_weights
from reidaug.reid.model_factory import build
from reidaug.reid.network_modes import seeded
from reidaug.reid.weights import LoadedWeights, load_weights

START = "start"  # the cell before all arms: what they are fine-tuned from
Side = Annotated[int, Field(ge=16)]  # pixels; a ResNet's last map is a sixteenth of it


CHANGEABLE = (
    "average_share", "learning_rate", "objective", "ratio", "real_only_share", "recalibrate_norm",
    "separate_norm", "transforms", "extra_transforms",
)  # fmt: skip


class Arm(Recipe):
    """What one arm learns from, and what it does otherwise than the others.

    Attributes:
        crops: Roots whose training crops come on top, several for a mix; null for the real ones.
        only: Whether they also take the place of the real crops: nothing else is learnt from.
        changes: Keys of the experiment that differ for this arm, see `CHANGEABLE`; keys of
            ``objective``, ``transforms`` and ``extra_transforms`` that are not named keep the value
            that all arms have.
    """

    crops: tuple[Path | None, ...] = Field((None,), min_length=1)
    only: bool = False
    changes: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """Take a root, a list of roots or null for the crops alone."""
        if isinstance(value, dict):
            crops = value.get("crops", [None])
            return value | {"crops": crops if isinstance(crops, list | tuple) else [crops]}
        if isinstance(value, list | tuple):
            return {"crops": value}
        return {"crops": [value]} if value is None or isinstance(value, str | Path) else value


class FinetuneEval(Recipe):
    """What decides the numbers of an experiment.

    Attributes:
        protocol: ``supervised``: trained and tried on one dataset; ``cross_domain``: trained on
            ``dataset`` and tried, without adaptation, on the people of ``test_dataset``. Results of
            different protocols do not belong into one table.
        dataset: Market-1501-format root with the real crops.
        test_dataset: Root with query and gallery of another domain, for ``cross_domain``.
        arms: Name to a root whose training crops come on top of the real ones, to null for the real
            crops once more, or to the keys of `Arm`.
        method: The arm in question.
        baseline: The arm without augmentation.
        controls: Arms that could explain a gain away.
        ceiling: The arm that no warp can beat.
        evaluate_on: The test set, or training people held out (for tuning).
        held_out: Share of the training people that is then held out.
        split_seed: Decides who, and what is left of little data.
        people_share: Share of the training people that is learnt from.
        images_each: Crops of a training person that are learnt from; null for all.
        min_quality: Warps of less quality by their manifest are not used.
        seeds: One cell an arm for each.
        start_per_seed: Whether every seed trains a start of its own; otherwise the first seed's
            serves all, and the spread over seeds is that of the fine-tuning.
        backbone: ``resnet18``, ``resnet34``, ``resnet50``, ``fastreid:NAME``, ``timm:NAME``,
            ``torchreid:NAME`` or ``package.module:Class``, see `reidaug.reid.model_factory.build`.
        backbone_options: Its keywords, such as those of `reidaug.reid.backbones.PersonResNet`.
        weights: Weight file the first stage starts from; none: from scratch.
        checkpoint: Weight file of a finished re-ID model: takes the place of the first stage. It
            has to hold all that the model's features depend on.
        size: (height, width) of the crops.
        precision: Of the network's numbers; auto: bfloat16 where it is faster.
        pretrain_steps: Optimiser steps of the first stage, on the real crops alone.
        steps: Optimiser steps of every arm.
        people: People a batch.
        images: Real crops a person.
        ratio: Extra crops, as a share of the real ones of a batch.
        real_only_share: Share of the steps, the last ones, whose extra crops are real.
        separate_norm: Whether the extra crops have batch statistics of their own.
        average_share: Share of the steps, the last ones, over which the weights are averaged; 0
            for the last weights alone.
        recalibrate_norm: Whether batch norm's statistics are measured on real crops in the end.
        optimiser: ``adam`` or ``sgd``.
        pretrain_learning_rate: Largest learning rate of the first stage.
        learning_rate: Largest learning rate of the arms.
        head_rate: How many times as large it is for the heads.
        weight_decay: Of all parameters.
        warmup: Share of the steps over which the learning rate rises.
        objective: The losses and their weights, see `reidaug.reid.losses.Objective`.
        transforms: Transforms of the real crops, see `reidaug.reid.crop_transforms.CropTransforms`.
        extra_transforms: Transforms of the extra crops.
        fine_similarity: Weight of every head after the first in retrieval.
        mirror: Whether retrieval adds the features of a crop's mirror image, as DG-Net does and
            torchreid and fast-reid by default do not.
        cache_mb: Bound on the decoded crops kept by a process.
        memory_mb: Bound on the distances held at a time.
        keep_checkpoints: Whether every cell leaves its model behind.
    """

    protocol: Literal["supervised", "cross_domain"] = "supervised"
    dataset: Path
    test_dataset: Path | None = None
    arms: dict[str, Arm] = Field({"real_only": Arm(crops=(None,))}, min_length=1)
    method: str = "warps_grey"
    baseline: str = "real_only"
    controls: tuple[str, ...] = ("real_only", "identity_grey", "affine_grey")
    ceiling: str = "true_views_grey"
    evaluate_on: Literal["test", "held_out"] = "test"
    held_out: float = Field(0.2, gt=0, lt=1)
    split_seed: int = Field(0, ge=0)
    people_share: float = Field(1.0, gt=0, le=1)
    images_each: int | None = Field(None, ge=1)
    min_quality: float = Field(0.0, ge=0, le=1)
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    start_per_seed: bool = False
    backbone: str = "resnet50"
    backbone_options: dict[str, Any] = Field(default_factory=dict)
    weights: Path | None = None
    checkpoint: Path | None = None
    size: tuple[Side, Side] = (256, 128)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    pretrain_steps: int = Field(12000, ge=1)
    steps: int = Field(4000, ge=1)
    people: int = Field(16, ge=2)
    images: int = Field(4, ge=1)
    ratio: float = Field(1 / 3, ge=0)
    real_only_share: float = Field(0.1, ge=0, le=1)
    separate_norm: bool = False
    average_share: float = Field(0.0, ge=0, le=1)
    recalibrate_norm: bool = True
    optimiser: Literal["adam", "sgd"] = "adam"
    pretrain_learning_rate: float = Field(3.5e-4, gt=0)
    learning_rate: float = Field(1e-4, gt=0)
    head_rate: float = Field(1.0, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    objective: Objective = Objective()
    transforms: CropTransforms = CropTransforms()
    extra_transforms: CropTransforms = CropTransforms()
    fine_similarity: float = Field(0.5, ge=0)
    mirror: bool = True
    cache_mb: int = Field(2048, ge=0)
    memory_mb: int = Field(256, ge=1)
    keep_checkpoints: bool = False

    @model_validator(mode="after")
    def _names(self) -> "FinetuneEval":
        if START in self.arms or any(not name or "/" in name for name in self.arms):
            raise ValueError(f"an arm's name is no path and not '{START}'")
        if len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("seeds differ and are not negative")
        across = self.protocol == "cross_domain"
        if across != (self.test_dataset is not None):
            raise ValueError("test_dataset belongs to the protocol cross_domain, and that needs it")
        if across and self.evaluate_on == "held_out":
            raise ValueError(
                "held-out people are of dataset's domain; tune with protocol: supervised"
            )
        for name in self.arms:
            self.of_arm(name)
        return self

    def of_arm(self, name: str) -> "FinetuneEval":
        """Give the experiment as one arm sees it.

        Args:
            name: The arm; a name that is none sees what is common to all.

        Returns:
            The experiment with the arm's changes, the arm alone in it.

        Raises:
            ValueError: A change has a wrong key or value.
        """
        if name not in self.arms or not self.arms[name].changes:
            return self
        changes = self.arms[name].changes
        if wrong := sorted(set(changes) - set(CHANGEABLE)):
            raise ValueError(f"arm {name} cannot change {wrong[0]}; {', '.join(CHANGEABLE)} it can")
        return FinetuneEval.model_validate(merged(self.model_dump(exclude={"arms"}), changes))


def resolved(recipe: FinetuneEval, command: str) -> dict[str, Any]:
    """Write a recipe down for a run folder.

    Args:
        recipe: The experiment.
        command: What is done with it.

    Returns:
        YAML values.
    """
    return {"command": command, **recipe.model_dump(mode="json")}


def read_material(recipe: FinetuneEval) -> Material:
    """Read the crops of an experiment.

    Args:
        recipe: The experiment.

    Returns:
        The crops of all arms.

    Raises:
        ReidaugError: A root cannot be read or does not fit the others.
        UsageError: There is something to train, and a batch needs more people than there are.
    """
    material = gather(
        recipe.dataset,
        {name: arm.crops for name, arm in recipe.arms.items()},
        low=LowData(recipe.people_share, recipe.images_each),
        test=recipe.test_dataset,
        held_out=recipe.held_out if recipe.evaluate_on == "held_out" else None,
        split_seed=recipe.split_seed,
        min_quality=recipe.min_quality,
    )
    if recipe.arms and len(material.pids) < recipe.people:
        raise UsageError(
            f"people: {recipe.people} a batch, but {recipe.dataset} has {len(material.pids)} "
            f"training people"
        )
    return material


def build_network(recipe: FinetuneEval, people: int, seed: int, weights: Path | None) -> ReIDModel:
    """Build the network of an experiment.

    Args:
        recipe: The experiment.
        people: Training people.
        seed: Source of its first weights.
        weights: Weight file that takes their place where it fits.

    Returns:
        The network, on the device it will run on.

    Raises:
        ReidaugError: The weight file cannot be read or does not fit.
        UsageError: There is no such network, or it has no such option.
    """
    return _loaded(recipe, people, seed, weights)[0]


def ready_network(recipe: FinetuneEval, people: int, *, training: bool) -> ReIDModel:
    """Build the network an experiment begins with, and see that it can do what it will be asked.

    Done before anything is written: a wrong name or file costs no folder. What became of the
    weight file is told in a line.

    Args:
        recipe: The experiment.
        people: Training people.
        training: Whether the network will be trained.

    Returns:
        The network, on the device it will run on.

    Raises:
        ReidaugError: The weight file cannot be read, does not fit, or lacks what counts.
        UsageError: There is no such network, or it does not keep to `reidaug.reid.model_contract`.
    """
    weights = recipe.checkpoint or recipe.weights
    with seeded(0):
        model, loaded = _loaded(recipe, people, 0, weights)
    triplet = recipe.objective.triplet_weight > 0
    name, size = recipe.backbone, recipe.size
    asked = training and any(recipe.of_arm(arm).objective.extra_teacher for arm in recipe.arms)
    check_model(
        model,
        name=name,
        people=people,
        size=size,
        training=training,
        triplet=triplet,
        teacher=asked,
    )
    if weights is not None and loaded is not None:
        if recipe.checkpoint is not None:
            check_weights(model, loaded, weights, name=name, size=size)
        click.echo(f"{weights}: {loaded.words}", err=True)
    return model


def _loaded(
    recipe: FinetuneEval, people: int, seed: int, weights: Path | None
) -> tuple[ReIDModel, LoadedWeights | None]:
    model = build(
        recipe.backbone, people, generator=torch_generator(seed, 5), **recipe.backbone_options
    )
    loaded = None if weights is None else load_weights(model, weights)
    if isinstance(model, PersonResNet | BagOfTricks):
        # Faster; networks of other people need not be able to.
        model = model.to(memory_format=torch.channels_last)
    return model.to(PartialState().device), loaded
