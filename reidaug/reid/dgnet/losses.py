"""What DG-Net and DG-Net++ are asked for: one function a loss, none weighted.

a and b are the two batches of a step; x_ba wears the clothes of a on the body of b, drawn by
G(E_s(b), f(a)). The original sums some terms over the batch; all of ours are means over it.
"""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from reidaug.reid.backbones import PersonResNet
from reidaug.reid.network_modes import frozen_call, without_dropout


def reconstruction_loss(
    drawn: Float[Tensor, "b 3 H W"], real: Float[Tensor, "b 3 H W"]
) -> Float[Tensor, ""]:
    """Ask for the real crop back.

    Args:
        drawn: G(E_s(x), f(x)); or the code of another crop of that person (positive); or both codes
            read out of crops that were drawn themselves (cycle).
        real: Crops x (B, 3, H, W); they get no gradient.

    Returns:
        Mean absolute difference.

    Source:
        DG-Net's self, positive and cycle reconstruction.
    """
    return (drawn.float() - real.detach().float()).abs().mean()


def structure_loss(
    recoded: Float[Tensor, "b c h w"], structure: Float[Tensor, "b c h w"]
) -> Float[Tensor, ""]:
    """Ask that a drawn crop has the structure it was drawn with.

    Args:
        recoded: E_s of x_ab (B, C, h, w).
        structure: E_s of a (B, C, h, w); it gets no gradient.

    Returns:
        Mean absolute difference.

    Source:
        DG-Net's structure code reconstruction.
    """
    return (recoded.float() - structure.detach().float()).abs().mean()


def image_discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Ask a discriminator to score real patches 1 and drawn ones 0.

    Args:
        real: Scores of real crops, a tensor a scale.
        fake: Scores of drawn crops, of the same shapes.

    Returns:
        mean(fake^2) + mean((real - 1)^2), summed over scales.

    Raises:
        ValueError: The two have different numbers of scales.

    Source:
        LSGAN, as in DG-Net; the penalty is `slope_penalty`.
    """
    return _sum(
        theirs.float().square().mean() + (ours.float() - 1).square().mean()
        for ours, theirs in zip(real, fake, strict=True)
    )


def image_generator_loss(fake: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Ask for crops whose patches score 1.

    Args:
        fake: Scores of drawn crops, a tensor a scale.

    Returns:
        2 mean((fake - 1)^2), summed over scales.

    Source:
        LSGAN, as in DG-Net, its factor 2 included.
    """
    return _sum(2 * (scores.float() - 1).square().mean() for scores in fake)


def slope_penalty(scores: Sequence[Tensor], images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, ""]:
    """Ask a discriminator to be flat around real crops.

    Args:
        scores: Its scores of these crops, a tensor a scale, still attached to them.
        images: Real crops (B, 3, H, W) that require a gradient.

    Returns:
        Squared length of the slope of a crop's summed scores, mean over crops, summed over scales.

    Source:
        DG-Net's R1-type penalty, without its weight 0.01. We take every scale's slope in the whole
        image, not in the smaller one that its network sees.
    """
    slopes = [
        torch.autograd.grad(one.sum(), images, create_graph=True, materialize_grads=True)[0]
        for one in scores
    ]
    return _sum(slope.float().square().sum((1, 2, 3)).mean() for slope in slopes)


def generated_identity_loss(
    encoder: PersonResNet, drawn: Float[Tensor, "b 3 H W"], labels: Int[Tensor, "b"]
) -> Float[Tensor, ""]:
    """Ask for crops in which the encoder's first head sees whose clothes they wear.

    Args:
        encoder: E_a in train mode; nothing of it changes, and dropout is off.
        drawn: x_ba (B, 3, H, W); it alone gets a gradient.
        labels: Identities of a (B,).

    Returns:
        Mean cross-entropy.

    Source:
        DG-Net's identity loss on drawn crops. Where it copies the encoder at every step, ours
        computes with detached weights and lends batch norm statistics to write on.
    """
    with without_dropout(encoder):
        seen = frozen_call(encoder, drawn)
    return cross_entropy(seen.logits[0].float(), labels)


def teacher_loss(scores: Float[Tensor, "b c"], soft: Float[Tensor, "b c"]) -> Float[Tensor, ""]:
    """Ask the first head to see in a drawn crop what the teacher sees.

    Args:
        scores: Of the first head on detached x_ba (B, C).
        soft: The teacher's probabilities (B, C); they get no gradient.

    Returns:
        KL(soft || softmax(scores)), summed over identities, mean over crops.

    Source:
        DG-Net's primary feature learning.
    """
    return kl_div(log_softmax(scores.float(), 1), soft.detach().float(), reduction="batchmean")


def fine_grained_loss(scores: Float[Tensor, "b c"], labels: Int[Tensor, "b"]) -> Float[Tensor, ""]:
    """Ask the second head to see in a drawn crop whose body it has, whatever it wears.

    Args:
        scores: Of the second head on detached x_ba (B, C).
        labels: Identities of b (B,), which gave the structure.

    Returns:
        Mean cross-entropy.

    Source:
        DG-Net's fine-grained feature mining.
    """
    return cross_entropy(scores.float(), labels)


def domain_discriminator_loss(scores: Float[Tensor, "b 1"], domain: int) -> Float[Tensor, ""]:
    """Ask the domain discriminator for a batch's domain.

    Args:
        scores: Of pooled features (B, 1) of one domain.
        domain: 0 source, 1 target.

    Returns:
        Mean squared distance from the domain's number.

    Source:
        DG-Net++'s LSGAN between domains; the original sums over the batch.
    """
    return (scores.float() - domain).square().mean()


def domain_loss(scores: Float[Tensor, "b 1"]) -> Float[Tensor, ""]:
    """Ask for target features that pass for features of the source.

    Args:
        scores: Of pooled features (B, 1) of the target.

    Returns:
        2 mean(scores^2).

    Source:
        DG-Net++: source features are not pushed. The original sums over the batch.
    """
    return 2 * scores.float().square().mean()


def _sum(terms: Iterable[Tensor]) -> Float[Tensor, ""]:
    return torch.stack(list(terms)).sum()
