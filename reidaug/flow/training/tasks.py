"""Training tasks: the losses of a step, one function a task.

``affine`` makes its own pairs; all others use one prediction for the pairs of the batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.loss_weights import LossWeights
from reidaug.flow.rivals.gfla_losses import SamplingLosses
from reidaug.flow.training.joint_model import Autocast, Prediction
from reidaug.flow.training.networks import Networks
from reidaug.flow.training.pair_augmentation import PairAugmentation
from reidaug.flow.training.recipe import TrainFlow
from reidaug.flow.training.warp_losses import exact_flow_loss, smoothness_loss, structural_loss
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


@dataclass(frozen=True)
class Criteria:
    """What predictions are compared by."""

    weights: LossWeights  # a loss of weight 0 is not computed where that saves time
    # of images and targets; None without weight
    perceptual: Callable[[Tensor, Tensor], Tensor] | None
    discriminator: Discriminator | None  # of generated images, if there is one
    sampling: SamplingLosses | None  # GFLA's losses, for the task ``sampling``
    autocast: Autocast  # context of frozen networks and the discriminator

    @classmethod
    def make(cls, recipe: TrainFlow, networks: Networks) -> "Criteria":
        """Make what a recipe's tasks need; `ReidaugError` if weights cannot be fetched."""
        autocast, tasks = networks.model.autocast, set(recipe.tasks)
        perceptual = sampling = None
        if recipe.weights.perceptual and {"perceptual", "generation"} & tasks:
            perceptual = partial(
                perceptual_loss,
                network=networks.features(),
                scales=recipe.scales,
                depths=recipe.depths,
            )
        if "sampling" in tasks:
            sampling = SamplingLosses(
                networks.features(), windows=recipe.windows, autocast=autocast
            )
        return cls(recipe.weights, perceptual, networks.discriminator, sampling, autocast)

    def compare_features(self, image: Tensor, target: Tensor) -> Losses:
        """Compute ``perceptual`` (Eq. 6) of images and targets (B, 3, H, W), if it has a weight."""
        if self.perceptual is None:
            return {}
        with self.autocast():
            return {"perceptual": self.perceptual(image, target)}


def affine_losses(
    model: nn.Module, batch: PosePair, augmentation: PairAugmentation, random: torch.Generator
) -> Losses:
    """Task ``affine``: recover a known affine map between two poses.

    The source pose is the target pose moved by a random affine map, with joints dropped.

    Args:
        model: An `EstimatorWithGenerator`.
        batch: Pairs, of which the targets are used.
        augmentation: Drops joints of the moved poses.
        random: Generator on the CPU.

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


def exact_losses(prediction: Prediction, batch: PosePair, criteria: Criteria) -> Losses:
    """Task ``exact``: the flow should be the exact one of rendered pairs. Ours.

    Returns ``exact``, and ``hidden`` if it has a weight.

    Raises:
        ValueError: The pairs have no exact flow.
    """
    if batch.flow is None or batch.visible is None:
        raise ValueError("the task 'exact' needs rendered pairs with their exact flow")
    flow = prediction.motion.flow
    losses = {"exact": exact_flow_loss(flow, batch.flow, batch.visible)}
    if criteria.weights.hidden:
        hidden = ~batch.visible & batch.flow.isfinite().all(1)
        losses["hidden"] = exact_flow_loss(flow, batch.flow, hidden)
    return losses


def reconstruction_losses(prediction: Prediction, batch: PosePair, criteria: Criteria) -> Losses:
    """Task ``reconstruction``: the warped source should be the target, pixel by pixel. Ours.

    Returns those of ``l1`` and ``structure`` that have a weight.
    """
    warped, losses = warp(batch.source, prediction.motion.flow), {}
    if criteria.weights.l1:
        losses["l1"] = (warped - batch.target).abs().mean()
    if criteria.weights.structure:
        losses["structure"] = structural_loss(warped, batch.target)
    return losses


def perceptual_losses(prediction: Prediction, batch: PosePair, criteria: Criteria) -> Losses:
    """Task ``perceptual``: warped source like target; the paper's ablation without R (Table 3)."""
    return criteria.compare_features(warp(batch.source, prediction.motion.flow), batch.target)


def generation_losses(prediction: Prediction, batch: PosePair, criteria: Criteria) -> Losses:
    """Task ``generation``: the image should look like the target, also to D (UnWarpME Sec. 4.2).

    Returns ``perceptual`` if it has a weight, and the discriminator's losses if there is one.
    """
    if prediction.image is None:
        return {}
    losses = criteria.compare_features(prediction.image, batch.target)
    if criteria.discriminator is not None:
        with criteria.autocast():
            losses |= criteria.discriminator.generator_losses(
                batch.target, prediction.image, batch.target_pose
            )
    return losses


def sampling_losses(prediction: Prediction, batch: PosePair, criteria: Criteria) -> Losses:
    """Task ``sampling``: GFLA's ``correctness`` and ``regularity`` of all flows."""
    assert criteria.sampling is not None
    return criteria.sampling(prediction.flows, batch)


PAIR_TASKS: dict[str, Callable[[Prediction, PosePair, Criteria], Losses]] = {
    "exact": exact_losses,
    "reconstruction": reconstruction_losses,
    "perceptual": perceptual_losses,
    "generation": generation_losses,
    "sampling": sampling_losses,
}
"""All tasks but ``affine``, in the order in which losses are summed."""


def pair_losses(
    tasks: list[str], prediction: Prediction, batch: PosePair, criteria: Criteria
) -> Losses:
    """Compute the losses of all tasks of a step but ``affine``, with the model's own losses."""
    losses: Losses = {}
    if criteria.weights.smoothness:
        losses["smoothness"] = smoothness_loss(prediction.motion.flow)
    losses |= prediction.own_losses
    for name, task in PAIR_TASKS.items():
        if name in tasks:
            losses |= task(prediction, batch, criteria)
    return losses
