"""Losses of DG-Net and DG-Net++, unweighted.

a and b are the two batches of a step; x_ba = G(E_s(b), f(a)) has the appearance of a and the
structure of b. The original sums some losses over the batch; ours are all means over it. The
identity loss is `reidaug.reid.losses.identity_loss`.
"""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax, relu, softplus

from reidaug.reid.backbones import PersonResNet
from reidaug.reid.network_modes import frozen_call, without_dropout


def reconstruction_loss(
    found: Float[Tensor, "b c h w"], target: Float[Tensor, "b c h w"]
) -> Float[Tensor, ""]:
    """Self, positive and cycle reconstruction of images; reconstruction of structure codes.

    Args:
        found: G(E_s(x), f(x)); with the code of another crop of the person (positive); with both
            codes of generated images (cycle); or E_s of x_ab.
        target: Crops x, or E_s of a; without gradient.

    Returns:
        Mean absolute difference.

    Source:
        DG-Net.
    """
    return (found.float() - target.detach().float()).abs().mean()


def image_discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Least-squares loss of the image discriminator.

    Args:
        real: Scores of real crops by scale.
        fake: Scores of generated images, of the same shapes.

    Returns:
        mean(fake^2) + mean((real - 1)^2), summed over scales.

    Raises:
        ValueError: The two have different numbers of scales.

    Source:
        LSGAN, as in DG-Net; the penalty is `real_gradient_penalty`.
    """
    return sum_losses(
        f.float().square().mean() + (r.float() - 1).square().mean()
        for r, f in zip(real, fake, strict=True)
    )


def image_generator_loss(fake: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Least-squares adversarial loss of the generators.

    Args:
        fake: Scores of generated images by scale.

    Returns:
        2 mean((fake - 1)^2), summed over scales.

    Source:
        LSGAN, as in DG-Net, its factor 2 included.
    """
    return sum_losses(2 * (scores.float() - 1).square().mean() for scores in fake)


def real_gradient_penalty(
    scores: Sequence[Tensor], images: Float[Tensor, "b 3 H W"]
) -> Float[Tensor, ""]:
    """R1-type penalty of the image discriminator.

    Args:
        scores: Scores of these crops by scale, still attached to them.
        images: Real crops (B, 3, H, W) that require a gradient.

    Returns:
        Squared norm of the gradient of a crop's summed scores, mean over crops, summed over scales.

    Source:
        DG-Net's, without its weight 0.01. We take the gradient of every scale with respect to the
        whole image, not to the downsampled one that its network gets.
    """
    gradients = [
        torch.autograd.grad(one.sum(), images, create_graph=True, materialize_grads=True)[0]
        for one in scores
    ]
    return sum_losses(one.float().square().sum((1, 2, 3)).mean() for one in gradients)


def generated_identity_loss(
    encoder: PersonResNet, generated: Float[Tensor, "b 3 H W"], labels: Int[Tensor, "b"]
) -> Float[Tensor, ""]:
    """Identity loss of the generators: the first head recognises who gave the appearance.

    Args:
        encoder: E_a in train mode; it is not changed, and dropout is off.
        generated: x_ba (B, 3, H, W); it alone gets a gradient.
        labels: Identities of a (B,).

    Returns:
        Mean cross-entropy.

    Source:
        DG-Net, which copies the encoder at every step; ours computes with detached weights and
        copied batch norm statistics.
    """
    with without_dropout(encoder):
        embedding = frozen_call(encoder, generated)
    return cross_entropy(embedding.logits[0].float(), labels)


def teacher_loss(scores: Float[Tensor, "b c"], soft: Float[Tensor, "b c"]) -> Float[Tensor, ""]:
    """Primary feature learning: distillation of the teacher into the first head.

    Args:
        scores: Of the first head on detached x_ba (B, C).
        soft: The teacher's probabilities (B, C); they get no gradient.

    Returns:
        KL(soft || softmax(scores)), summed over identities, mean over crops.

    Source:
        DG-Net.
    """
    return kl_div(log_softmax(scores.float(), 1), soft.detach().float(), reduction="batchmean")


def fine_grained_loss(scores: Float[Tensor, "b c"], labels: Int[Tensor, "b"]) -> Float[Tensor, ""]:
    """Fine-grained feature mining: the second head recognises who gave the structure.

    Args:
        scores: Of the second head on detached x_ba (B, C).
        labels: Identities of b (B,).

    Returns:
        Mean cross-entropy.

    Source:
        DG-Net.
    """
    return cross_entropy(scores.float(), labels)


def domain_discriminator_loss(scores: Float[Tensor, "b 1"], domain: int) -> Float[Tensor, ""]:
    """Least-squares loss of the domain discriminator on a batch.

    Args:
        scores: Of pooled features (B, 1) of one domain.
        domain: 0 source, 1 target.

    Returns:
        Mean squared difference from the domain's number.

    Source:
        DG-Net++; the original sums over the batch.
    """
    return (scores.float() - domain).square().mean()


def domain_adversarial_loss(scores: Float[Tensor, "b 1"]) -> Float[Tensor, ""]:
    """Adversarial loss of the encoder: target features look like source features.

    Args:
        scores: Of pooled features (B, 1) of the target.

    Returns:
        2 mean(scores^2).

    Source:
        DG-Net++: source features get no such loss. The original sums over the batch.
    """
    return 2 * scores.float().square().mean()


def positive_triplet_loss(
    features: Float[Tensor, "b d"],
    labels: Int[Tensor, "b"],
    positives: Float[Tensor, "t d"],
    positive_labels: Int[Tensor, "t"],
    *,
    margin: float | None = 0.3,
) -> Float[Tensor, ""]:
    """Triplet loss of every crop with its farthest positive and the nearest crop of another label.

    Positives are views of other kinds, such as warps: they are no anchors and no negatives. The
    mean is over crops that have a positive and a crop of another label; 0 where there are none.

    Args:
        features: Pooled features of crops (B, D), compared by Euclidean distance.
        labels: Labels of the crops (B,).
        positives: Pooled features of positives (T, D).
        positive_labels: Labels of the positives (T,).
        margin: By how much the nearest other shall be farther; None for the soft margin
            log(1 + exp(own - other)).

    Source:
        The batch-hard triplet loss of `reidaug.reid.losses.batch_hard_triplet` (Hermans et al.),
        with positives of their own.
    """
    features, positives = features.float(), positives.float()
    own = distances(features, positives)
    own = own.masked_fill(labels[:, None] != positive_labels[None], -torch.inf).amax(1)
    other = distances(features, features)
    other = other.masked_fill(labels[:, None] == labels[None], torch.inf).amin(1)
    counted = own.isfinite() & other.isfinite()
    if not bool(counted.any()):
        return (features.sum() + positives.sum()) * 0
    gap = own[counted] - other[counted]
    return softplus(gap).mean() if margin is None else relu(gap + margin).mean()


def distances(one: Float[Tensor, "b d"], other: Float[Tensor, "t d"]) -> Float[Tensor, "b t"]:
    """Euclidean distances, whose gradient at 0 is 0."""
    squares = one.square().sum(1)[:, None] + other.square().sum(1)[None]
    return (squares - 2 * one @ other.T).clamp_min(1e-12).sqrt()


def sum_losses(losses: Iterable[Tensor]) -> Float[Tensor, ""]:
    """Add up losses, at least one."""
    return torch.stack(list(losses)).sum()
