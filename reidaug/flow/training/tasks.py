"""Training tasks: the losses of a batch of pairs, one class a task.

The task ``affine`` makes its own pairs; all others share one prediction for the pairs of the batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.loss_weights import LossWeights
from reidaug.flow.perceptual_networks import FeatureNetwork
from reidaug.flow.rivals.gfla_losses import SamplingLosses
from reidaug.flow.training.joint_model import Autocast, Prediction
from reidaug.flow.training.networks import Networks
from reidaug.flow.training.pair_augmentation import PairAugmentation
from reidaug.flow.training.recipe import TASKS, TrainFlow
from reidaug.flow.training.warp_losses import exact_flow_loss, structural_loss
from reidaug.flow.unwarpme.affine_task import (
    affine_preserving_loss,
    known_flow,
    move_pose,
    random_upright_affine,
)
from reidaug.flow.unwarpme.discriminator import Discriminator
from reidaug.flow.unwarpme.losses import perceptual_loss
from reidaug.geometry.warp import warp

Losses = dict[str, Tensor]
"""Unweighted losses by the names of `LossWeights`."""


class Task(ABC):
    """One task on real pairs."""

    @abstractmethod
    def losses(self, prediction: Prediction, batch: PosePair) -> Losses:
        """Compute the losses of a batch.

        Args:
            prediction: Outputs of the model for the batch.
            batch: The pairs.

        Returns:
            Losses by name.

        Raises:
            ValueError: The pairs lack what the task needs.
        """


class Exact(Task):
    """The flow should be the exact one of rendered pairs. Ours."""

    def __init__(self, weights: LossWeights) -> None:
        self.weights = weights

    def losses(self, prediction: Prediction, batch: PosePair) -> Losses:
        """Compute ``exact``, and ``hidden`` if it has a weight."""
        if batch.flow is None or batch.visible is None:
            raise ValueError("the task 'exact' needs rendered pairs with their exact flow")
        flow = prediction.motion.flow
        losses = {"exact": exact_flow_loss(flow, batch.flow, batch.visible)}
        if self.weights.hidden:
            hidden = ~batch.visible & batch.flow.isfinite().all(1)
            losses["hidden"] = exact_flow_loss(flow, batch.flow, hidden)
        return losses


class Reconstruction(Task):
    """The warped source should be the target, pixel by pixel, without refinement. Ours."""

    def __init__(self, weights: LossWeights) -> None:
        self.weights = weights

    def losses(self, prediction: Prediction, batch: PosePair) -> Losses:
        """Compute those of ``l1`` and ``structure`` that have a weight."""
        warped, losses = warp(batch.source, prediction.motion.flow), {}
        if self.weights.l1:
            losses["l1"] = (warped - batch.target).abs().mean()
        if self.weights.structure:
            losses["structure"] = structural_loss(warped, batch.target)
        return losses


class FeatureComparison:
    """The perceptual loss (Eq. 6) with its network and scales.

    Args:
        network: Frozen network.
        scales: Resolutions, as fractions of the images' own.
        autocast: Of the network.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        scales: Sequence[float],
        autocast: Autocast,
    ) -> None:
        self.network, self.scales, self.autocast = network, scales, autocast

    def __call__(self, image: Float[Tensor, "b 3 H W"], target: Float[Tensor, "b 3 H W"]) -> Losses:
        """Compute ``perceptual`` of images and their targets (B, 3, H, W) in [0, 1]."""
        with self.autocast():
            loss = perceptual_loss(image, target, self.network, scales=self.scales)
        return {"perceptual": loss}


class Perceptual(Task):
    """The warped source should look like the target: the paper's ablation without R (Table 3)."""

    def __init__(self, comparison: FeatureComparison | None) -> None:
        self.comparison = comparison

    def losses(self, prediction: Prediction, batch: PosePair) -> Losses:
        """Compute ``perceptual``; nothing if it has no weight."""
        if self.comparison is None:
            return {}
        return self.comparison(warp(batch.source, prediction.motion.flow), batch.target)


class Generation(Task):
    """The generated image should look like the target, also to the discriminator (Sec. 4.2)."""

    def __init__(
        self,
        comparison: FeatureComparison | None,
        discriminator: Discriminator | None,
        autocast: Autocast,
    ) -> None:
        self.comparison, self.discriminator, self.autocast = comparison, discriminator, autocast

    def losses(self, prediction: Prediction, batch: PosePair) -> Losses:
        """Compute ``perceptual`` if it has a weight, and the discriminator's losses."""
        losses: Losses = {}
        if prediction.image is None:
            return losses
        if self.comparison is not None:
            losses |= self.comparison(prediction.image, batch.target)
        if self.discriminator is not None:
            with self.autocast():
                losses |= self.discriminator.generator_losses(
                    batch.target, prediction.image, batch.target_pose
                )
        return losses


class Sampling(Task):
    """GFLA's two losses on all flows of the estimator."""

    def __init__(self, losses: SamplingLosses) -> None:
        self.sampling_losses = losses

    def losses(self, prediction: Prediction, batch: PosePair) -> Losses:
        """Compute ``correctness`` and ``regularity``."""
        return self.sampling_losses(prediction.flows, batch)


def make_tasks(recipe: TrainFlow, networks: Networks) -> dict[str, Task]:
    """Make the tasks of a training's cycle, all but ``affine``.

    Args:
        recipe: The training.
        networks: Its networks; the frozen one is loaded if a loss needs it.

    Returns:
        Tasks by name, in the order of `TASKS`.

    Raises:
        ReidaugError: Weights of the frozen network cannot be fetched.
    """
    weights, autocast = recipe.weights, networks.model.autocast
    comparison = None
    if weights.perceptual and {"perceptual", "generation"} & set(recipe.tasks):
        comparison = FeatureComparison(networks.features(), recipe.scales, autocast)
    makers: dict[str, Callable[[], Task]] = {
        "exact": lambda: Exact(weights),
        "reconstruction": lambda: Reconstruction(weights),
        "perceptual": lambda: Perceptual(comparison),
        "generation": lambda: Generation(comparison, networks.discriminator, autocast),
        "sampling": lambda: Sampling(
            SamplingLosses(networks.features(), windows=recipe.windows, autocast=autocast)
        ),
    }
    return {name: makers[name]() for name in TASKS if name in recipe.tasks and name in makers}


def affine_losses(
    model: nn.Module, batch: PosePair, augmentation: PairAugmentation, random: torch.Generator
) -> Losses:
    """Compute the loss of the task ``affine``: recover a known affine map between two poses.

    The source pose is the target pose moved by a random affine map, with joints dropped.

    Args:
        model: An `EstimatorWithGenerator`.
        batch: Pairs, of which the targets are used.
        augmentation: Drops joints of the moved poses.
        random: Generator on the CPU.

    Returns:
        ``affine``.

    Source:
        UnWarpME Sec. 4.1.2.
    """
    size = (batch.target.shape[-2], batch.target.shape[-1])
    drawn = random_upright_affine(batch.target.shape[0], random)
    matrix, offset = (part.to(batch.target.device) for part in drawn)
    moved = move_pose(batch.target_pose, matrix, offset, size)
    moved = augmentation.drop(moved, random)
    synthetic = PosePair(batch.target, batch.target, moved, batch.target_pose)
    flow = model(synthetic, ("affine",)).motion.flow
    known = known_flow(matrix, offset, (flow.shape[-2], flow.shape[-1]))
    return {"affine": affine_preserving_loss(flow, known)}
