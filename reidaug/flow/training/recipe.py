"""What a flow training is told, and the learner that is made of it."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from accelerate import Accelerator
from pydantic import Field

from reidaug.errors import UsageError
from reidaug.flow.builtin import load_flow
from reidaug.flow.checkpoint import build_estimator
from reidaug.flow.components import build_component, without_preset
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.loss_weights import LossWeights
from reidaug.flow.perceptual_networks import FeatureNetwork, ShiftTolerantLPIPS, Vgg19
from reidaug.flow.perceptual_weights import shift_tolerant_weights
from reidaug.flow.rivals.gfla_losses import SamplingLosses
from reidaug.flow.training.joint_model import Method
from reidaug.flow.training.objective import Objective
from reidaug.flow.training.pair_augmentation import PairAugmentation
from reidaug.flow.training.trainer import Descent, FlowTrainer, Opponent, Schedule
from reidaug.flow.unwarpme.discriminator import Discriminator
from reidaug.flow.unwarpme.losses import PYRAMID
from reidaug.recipes import Recipe

Side = Annotated[int, Field(ge=8)]  # pixels
PARTS = ("estimator", "generator", "discriminator")


class TrainFlow(Recipe):
    """What `reidaug train-flow` may be told.

    Attributes:
        pairs: Root of pairs in DeepFashion form, see `reidaug.data.deepfashion`.
        size: (height, width) everything is brought to; null keeps what the files have.
        annotated_size: (height, width) the joints are measured in, if not the images' own.
        more_keypoints: More keypoint files of the training images, such as `reidaug pose` writes:
            every pair is trained on with each combination of its images' annotations.
        background: ``grey``: people are cut out and stand on grey in training, where every image
            has a mask, so that no flow has to explain a background; ``image``: as they are.
        estimator: ``class``, perhaps ``preset``, and keywords.
        start: Flow whose weights the estimator begins with: a checkpoint folder or ``market``, the
            one inside the package. It must be of the estimator's form.
        generator: Likewise, a network that draws the target from the source and its motion, for the
            task ``generation``; it is thrown away in the end.
        discriminator: Likewise, a discriminator of what is drawn.
        row: Name of its row in the table of scores.
        cycle: Tasks in turn, see `reidaug.flow.training.trainer.FlowTrainer`; ``+`` joins
            two in one step.
        weights: What each loss counts.
        scales: Resolutions the perceptual loss looks at, as parts of the images' own.
        windows: Sides of the windows of GFLA's affine loss, coarse to fine.
        pair_augmentation: How batches are varied.
        schedule: Steps and learning rate.
        batch: Pairs a step, over all processes.
        clip: Longest gradient; null leaves all as they are.
        betas: Of Adam.
        weight_decay: Of all parameters, as a loss on them.
        precision: Of the networks in training; bfloat16 is fast on recent CPUs and GPUs.
        half_precision_weights: Store the checkpoint's weights in 16 bits.
        vgg19: torchvision's VGG-19 weights for the perceptual loss; null takes the VGG-16 of
            ST-LPIPS.
        seed: Of everything random.
        workers: Processes that read pairs; 0 reads them in between.
        log_every: Steps from one round of log lines to the next, one line a task of the cycle.
        save_every: Steps from one state to go on from to the next.
        evaluate_on: ``test``: the test people; ``held_out``: some of the training people, which
            are then not trained on. Make choices on these.
        held_out: Part of the training people to hold out for that.
        test_pairs: How many pairs to score, evenly over the list; 0 for all.
        stlpips: Networks of ST-LPIPS to score with.
    """

    pairs: Path
    size: tuple[Side, Side] | None = (128, 64)
    annotated_size: tuple[Side, Side] | None = None
    more_keypoints: tuple[Path, ...] = ()
    background: Literal["grey", "image"] = "grey"
    estimator: dict[str, Any]
    start: str | None = None
    generator: dict[str, Any] | None = None
    discriminator: dict[str, Any] | None = None
    row: str = "unwarpme"
    cycle: tuple[str, ...] = ("affine", "reconstruction")
    weights: LossWeights = LossWeights()
    scales: tuple[float, ...] = Field(PYRAMID, min_length=1)
    windows: tuple[int, ...] = (3, 5)
    pair_augmentation: PairAugmentation = PairAugmentation()
    schedule: Schedule
    batch: int = Field(16, ge=1)
    clip: float | None = Field(1.0, gt=0)
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = Field(0.0, ge=0)
    precision: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    half_precision_weights: bool = False
    vgg19: Path | None = None
    seed: int = Field(0, ge=0)
    workers: int = Field(0, ge=0)
    log_every: int = Field(10, ge=1)
    save_every: int = Field(500, ge=1)
    evaluate_on: Literal["test", "held_out"] = "test"
    held_out: float = Field(0.2, gt=0, lt=1)
    test_pairs: int = Field(200, ge=0)
    stlpips: tuple[Literal["alex", "vgg"], ...] = ("alex",)


def resolved(recipe: TrainFlow) -> dict[str, Any]:
    """Write a training down as plain values, presets replaced by what they stand for.

    Args:
        recipe: The training.

    Returns:
        The values of ``recipe.yaml``.

    Raises:
        UsageError: There is no such class or preset.
    """
    values = {"command": "train-flow", **recipe.model_dump(mode="json")}
    parts = {key: values[key] for key in PARTS if values[key] is not None}
    return values | {key: without_preset(part, key=key) for key, part in parts.items()}


def build_trainer(recipe: TrainFlow, accelerator: Accelerator) -> FlowTrainer:
    """Make what trains: networks, optimisers, losses.

    Args:
        recipe: The training.
        accelerator: Runs it; what it has to save for going on is registered with it.

    Returns:
        The learner.

    Raises:
        UsageError: The recipe asks for what there is not.
        ReidaugError: Weights of a frozen network cannot be had.
    """
    frozen = cache(partial(_network, recipe, accelerator))
    # Modules draw their first weights from torch's own generator: it is seeded for just as long.
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(recipe.seed)
        method = Method(build_estimator(recipe.estimator), _drawing(recipe))
        # Channels last: a fifth faster in bfloat16 on processors, and what GPUs like best.
        method.to(memory_format=torch.channels_last)
        opponent = _opponent(recipe, accelerator, frozen)
    if not list(method.estimator.parameters()):
        raise UsageError(f"estimator {recipe.estimator['class']} has nothing to train")
    if recipe.start is not None:
        _begin_with(method.estimator, recipe.start)
    model, optimizer = accelerator.prepare(method, _adam(recipe, method.parameter_groups()))
    descent = Descent(
        optimizer, accelerator=accelerator, schedule=recipe.schedule, clip=recipe.clip
    )
    try:
        learner = FlowTrainer(
            model,
            descent,
            objective=_objective(recipe, accelerator, frozen),
            cycle=recipe.cycle,
            pair_augmentation=recipe.pair_augmentation,
            opponent=opponent,
            seed=recipe.seed,
        )
    except ValueError as error:
        raise UsageError(f"cycle: {error}") from None
    accelerator.register_for_checkpointing(learner)
    return learner


def _begin_with(estimator: FlowEstimator, start: str) -> None:
    try:
        estimator.load_state_dict(load_flow(start).state_dict())
    except RuntimeError:
        raise UsageError(
            f"start {start}: its weights are of another form than 'estimator'"
        ) from None


def _objective(
    recipe: TrainFlow, accelerator: Accelerator, frozen: Callable[[], FeatureNetwork]
) -> Objective:
    tasks, sampling = _tasks(recipe), None
    if "sampling" in tasks:
        sampling = SamplingLosses(frozen(), windows=recipe.windows, autocast=accelerator.autocast)
    looks = recipe.weights.perceptual and {"perceptual", "generation"} & set(tasks)
    return Objective(
        recipe.weights,
        frozen() if looks else None,
        scales=recipe.scales,
        sampling=sampling,
        autocast=accelerator.autocast,
    )


def _tasks(recipe: TrainFlow) -> list[str]:
    return [task for entry in recipe.cycle for task in entry.split("+")]


def _drawing(recipe: TrainFlow) -> ImageGenerator | None:
    if recipe.generator is None:
        return None
    return build_component(
        recipe.generator,
        ImageGenerator,  # type: ignore[type-abstract]
        key="generator",
    )


def _opponent(
    recipe: TrainFlow, accelerator: Accelerator, frozen: Callable[[], FeatureNetwork]
) -> Opponent | None:
    if recipe.discriminator is None:
        return None
    discriminator = build_component(
        recipe.discriminator,
        Discriminator,  # type: ignore[type-abstract]
        key="discriminator",
        network=frozen,
    ).to(accelerator.device)
    group = {"params": list(discriminator.parameters()), "rate": 1.0}
    optimizer = accelerator.prepare(_adam(recipe, [group]))
    accelerator.register_for_checkpointing(discriminator)
    descent = Descent(
        optimizer, accelerator=accelerator, schedule=recipe.schedule, clip=None, average=True
    )
    return Opponent(discriminator, descent)


def _adam(recipe: TrainFlow, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.Adam(
        groups, lr=recipe.schedule.rate, betas=recipe.betas, weight_decay=recipe.weight_decay
    )


def _network(recipe: TrainFlow, accelerator: Accelerator) -> FeatureNetwork:
    """Load the frozen network that losses look through."""
    if recipe.vgg19 is not None:
        network: FeatureNetwork = Vgg19.load(recipe.vgg19)
    else:
        network = ShiftTolerantLPIPS.load("vgg", shift_tolerant_weights("vgg"))
    # Channels last: a fifth faster in bfloat16 on processors.
    network = network.to(accelerator.device)
    return network.to(memory_format=torch.channels_last)
