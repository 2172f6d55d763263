"""What a re-ID model is trained to do: name the person, and keep people apart."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, relu, softplus


def identity_loss(
    logits: Sequence[Float[Tensor, "b c"]],
    labels: Int[Tensor, "b"],
    *,
    smoothing: float = 0.1,
    fine_weight: float = 0.4,
) -> Float[Tensor, ""]:
    """Cross-entropy of every head with smoothed labels.

    Args:
        logits: Identity scores (B, C) of each head.
        labels: Identities (B,) in [0, C).
        smoothing: Share of a label's weight that is spread evenly over all C identities.
        fine_weight: Weight of every head after the first.

    Returns:
        The first head's mean loss plus `fine_weight` times the sum of the others'.

    Source:
        DG-Net weighs its second, fine-grained head 0.4 on real images.
    """
    losses = [cross_entropy(scores.float(), labels, label_smoothing=smoothing) for scores in logits]
    return losses[0] + fine_weight * sum(losses[1:], losses[0].new_zeros(()))


def soft_identity_loss(
    logits: Sequence[Float[Tensor, "b c"]], said: Float[Tensor, "b c"], *, fine_weight: float = 0.4
) -> Float[Tensor, ""]:
    """Cross-entropy of every head with the probabilities a teacher gives.

    Args:
        logits: Identity scores (B, C) of each head.
        said: The teacher's scores (B, C).
        fine_weight: Weight of every head after the first.

    Returns:
        The first head's mean loss plus `fine_weight` times the sum of the others'. Its gradient is
        that of the Kullback-Leibler divergence from the teacher to the head.
    """
    target = said.softmax(1)
    losses = [cross_entropy(scores.float(), target) for scores in logits]
    return losses[0] + fine_weight * sum(losses[1:], losses[0].new_zeros(()))


def batch_hard_triplet(
    features: Float[Tensor, "b d"], labels: Int[Tensor, "b"], *, margin: float | None = 0.3
) -> Float[Tensor, ""]:
    """Triplet loss of every crop with its farthest own and nearest other crop of the batch.

    Args:
        features: Features (B, D), compared by Euclidean distance.
        labels: Identities (B,).
        margin: By how much the nearest other shall be farther; None for the soft margin
            log(1 + exp(own - other)).

    Returns:
        The mean over crops that have both another crop of their own person and one of somebody
        else; 0 when there are none.

    Source:
        Hermans et al., "In defense of the triplet loss", batch hard.
    """
    features = features.float()
    squares = features.square().sum(1)
    squared = squares[:, None] + squares[None] - 2 * features @ features.T
    distances = squared.clamp_min(1e-12).sqrt()
    same = labels[:, None] == labels[None]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    own = distances.masked_fill(~same | itself, -torch.inf).amax(1)
    other = distances.masked_fill(same, torch.inf).amin(1)
    counted = own.isfinite() & other.isfinite()
    if not bool(counted.any()):
        return features.sum() * 0
    gap = own[counted] - other[counted]
    return softplus(gap).mean() if margin is None else relu(gap + margin).mean()
