"""Networks of a flow training, built from the recipe."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache, partial
from typing import NamedTuple

import torch

from reidaug.errors import UsageError
from reidaug.flow.builtin import load_flow
from reidaug.flow.checkpoint import build_estimator
from reidaug.flow.components import build_component
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.perceptual_networks import FeatureNetwork, ShiftTolerantLPIPS, Vgg19
from reidaug.flow.perceptual_weights import shift_tolerant_weights
from reidaug.flow.training.joint_model import Autocast, EstimatorWithGenerator
from reidaug.flow.training.recipe import TrainFlow
from reidaug.flow.unwarpme.discriminator import Discriminator


class Networks(NamedTuple):
    """Networks of a flow training."""

    model: EstimatorWithGenerator  # estimator and image generator
    discriminator: Discriminator | None  # of generated images, if there is one
    features: Callable[[], FeatureNetwork]  # loads the frozen network of the perceptual losses


def build_networks(recipe: TrainFlow, device: torch.device) -> Networks:
    """Build the networks of a training, seeded by the recipe; the model is still on the CPU.

    Args:
        recipe: The training.
        device: Where it runs.

    Raises:
        UsageError: A class, preset or keyword is wrong, the estimator has no parameters, or the
            weights to start from are of another architecture.
        ReidaugError: Weights of a frozen network cannot be fetched.
    """
    features = cache(partial(feature_network, recipe, device))
    # Modules initialise from torch's global generator: seed it for this block alone.
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(recipe.seed)
        model = EstimatorWithGenerator(
            build_estimator(recipe.estimator),
            _image_generator(recipe),
            _autocast(recipe.precision, device),
        )
        # Channels last: a fifth faster in bfloat16 on CPUs, and the native layout of GPUs.
        model.to(memory_format=torch.channels_last)
        discriminator = _discriminator(recipe, features, device)
    if not list(model.estimator.parameters()):
        raise UsageError(f"estimator {recipe.estimator['class']} has nothing to train")
    if recipe.start is not None:
        _start_from(model.estimator, recipe.start)
    return Networks(model, discriminator, features)


def feature_network(recipe: TrainFlow, device: torch.device) -> FeatureNetwork:
    """Load the perceptual network: VGG-19 if the recipe names weights, else ST-LPIPS's VGG-16.

    Raises:
        ReidaugError: The weights cannot be fetched or read.
    """
    network: FeatureNetwork
    if recipe.vgg19 is not None:
        network = Vgg19.load(recipe.vgg19)
    else:
        network = ShiftTolerantLPIPS.load("vgg", shift_tolerant_weights("vgg"))
    return network.to(device).to(memory_format=torch.channels_last)


def _autocast(precision: str, device: torch.device) -> Autocast:
    # Not Accelerate's: it fixes one precision for the whole process, which may train several times.
    if precision == "float32":
        return nullcontext
    return partial(torch.autocast, device.type, dtype=getattr(torch, precision))


def _image_generator(recipe: TrainFlow) -> ImageGenerator | None:
    if recipe.generator is None:
        return None
    kind = ImageGenerator
    return build_component(recipe.generator, kind, key="generator")  # type: ignore[type-abstract]


def _discriminator(
    recipe: TrainFlow, features: Callable[[], FeatureNetwork], device: torch.device
) -> Discriminator | None:
    if recipe.discriminator is None:
        return None
    kind, spec = Discriminator, recipe.discriminator
    built = build_component(spec, kind, key="discriminator", network=features)  # type: ignore[type-abstract]
    return built.to(device)


def _start_from(estimator: FlowEstimator, start: str) -> None:
    try:
        estimator.load_state_dict(load_flow(start).state_dict())
    except RuntimeError:
        raise UsageError(f"start {start}: another architecture than 'estimator'") from None
