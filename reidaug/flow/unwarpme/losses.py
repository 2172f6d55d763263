"""Losses of task 2, `generation` in recipes, and the sum of all losses: Eqs. 6, 7 and 9."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.flow.gaussian_filter import downsample
from reidaug.flow.loss_weights import LossWeights
from reidaug.flow.perceptual_networks import FeatureNetwork

PYRAMID = (1.0, 0.5, 0.25, 0.125)
LAYER_WEIGHT = 10.0
SMALLEST = 1e-6  # mean size of features that are as good as none


def perceptual_loss(
    image: Float[Tensor, "b 3 H W"],
    target: Float[Tensor, "b 3 H W"],
    network: FeatureNetwork,
    *,
    scales: Sequence[float] = PYRAMID,
    depths: int | None = None,
) -> Float[Tensor, ""]:
    """Compare images by the features of a frozen network, at several resolutions.

    Args:
        image: Images y_o (B, 3, H, W) in [0, 1]; they alone get a gradient.
        target: Target images I_t (B, 3, H, W).
        network: Frozen network that gives the features phi_i.
        scales: Resolutions, as shares of the image's own.
        depths: Number of layers that count, shallow ones first; by default the network's
            ``counted``, which for VGG-19 is all.

    Returns:
        The sum over scales and layers of 10 times the mean absolute difference of features; of a
        network that is ``relative``, as a share of the mean size of the target's.

    Source:
        UnWarpME Eq. 6, with FOMM's four scales and weights. The paper compares the output of its
        refinement network; without one, ``image`` is the warped source. Shares of a layer's size
        and fewer layers are ours, for the stand-in of VGG-19, see `ShiftTolerantLPIPS`.
    """
    total = image.new_zeros(())
    depths = depths or network.counted
    for scale in scales:
        with torch.no_grad():
            targets = network.features(downsample(target, scale), depths=depths)
        found = network.features(downsample(image, scale), depths=depths)
        for mine, wanted in zip(found, targets, strict=True):
            difference = (mine.float() - wanted.float()).abs().mean()
            if network.relative:
                difference = difference / wanted.float().abs().mean().clamp_min(SMALLEST)
            total = total + LAYER_WEIGHT * difference
    return total


def discriminator_loss(
    real: Float[Tensor, "*patches"], fake: Float[Tensor, "*patches"]
) -> Float[Tensor, ""]:
    """Loss that trains a discriminator to score real patches 1 and generated ones 0.

    Args:
        real: Scores D(I_t, p_t) of real images, any shape.
        fake: Scores D(y_o, p_t) of generated images, of the same shape.

    Returns:
        Mean squared distance from 1 plus mean squared distance from 0.

    Source:
        UnWarpME Eq. 7, E[1 - D(fake)] + E[D(real)], which names neither who minimises it nor who
        maximises it. We read min over G, max over D: a D that separates perfectly makes it largest,
        and its slopes in the scores have the opposite signs of this loss's. The squares are FOMM's
        (LSGAN, Mao et al. 2017): the printed sum itself has no bound.
    """
    return (1 - real.float()).square().mean() + fake.float().square().mean()


def generator_loss(fake: Float[Tensor, "*patches"]) -> Float[Tensor, ""]:
    """Loss that trains a generator towards scores D(y_o, p_t) of 1: mean squared distance from 1.

    Source:
        UnWarpME Eq. 7, the part that depends on G, squared as in FOMM: see `discriminator_loss`.
    """
    return (1 - fake.float()).square().mean()


def matching_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Compare a discriminator's features of generated and real images.

    Args:
        real: Features of real images, one tensor (B, C, h, w) a block; they get no gradient.
        fake: Features of generated images, of the same shapes.

    Returns:
        Mean absolute difference a block, summed over blocks.

    Raises:
        ValueError: There is no block, or the two have different numbers of them.

    Source:
        FOMM's feature matching, without its weight 10. Not in UnWarpME.
    """
    if not real or len(real) != len(fake):
        raise ValueError(f"{len(real)} blocks of real images but {len(fake)} of generated ones")
    differences = [
        (theirs.detach().float() - ours.float()).abs().mean()
        for theirs, ours in zip(real, fake, strict=True)
    ]
    return torch.stack(differences).sum()


def total_loss(losses: Mapping[str, Tensor], weights: LossWeights) -> Float[Tensor, ""]:
    """Sum the losses of one step, by the names of `LossWeights`, with their weights.

    Raises:
        ValueError: There is no loss.

    Source:
        UnWarpME Eq. 9, which sums what the text alternates; here, the losses of one step.
    """
    if not losses:
        raise ValueError("no loss counts in this task: see 'weights'")
    weighted = [getattr(weights, name) * loss for name, loss in losses.items()]
    total: Tensor = sum(weighted[1:], start=weighted[0])
    return total
