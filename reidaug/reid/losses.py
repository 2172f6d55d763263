"""Re-ID losses: identity classification, distillation, batch-hard triplet."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, relu, softplus

from reidaug.recipes import Share, Weight
from reidaug.reid.backbones import Embedding


def identity_loss(
    logits: Sequence[Float[Tensor, "b c"]],
    labels: Int[Tensor, "b"],
    *,
    smoothing: float = 0.1,
    fine_weight: float = 0.4,
) -> Float[Tensor, ""]:
    """Cross-entropy with smoothed labels: the first head's mean + `fine_weight` x the others' sum.

    Args:
        logits: Identity scores (B, C) of each head.
        labels: Identities (B,) in [0, C).
        smoothing: Share of a label's weight that is spread evenly over all C identities.
        fine_weight: Weight of every head after the first.

    Source:
        DG-Net weighs its second, fine-grained head 0.4 on real images.
    """
    losses = [cross_entropy(scores.float(), labels, label_smoothing=smoothing) for scores in logits]
    return losses[0] + fine_weight * sum(losses[1:], losses[0].new_zeros(()))


def soft_identity_loss(
    logits: Sequence[Float[Tensor, "b c"]],
    teacher: Float[Tensor, "b c"],
    *,
    fine_weight: float = 0.4,
) -> Float[Tensor, ""]:
    """Distillation: cross-entropy with a teacher's probabilities; sum as in `identity_loss`.

    Its gradient is that of the Kullback-Leibler divergence from the teacher to the head.

    Args:
        logits: Identity scores (B, C) of each head.
        teacher: The teacher's scores (B, C).
        fine_weight: Weight of every head after the first.
    """
    target = teacher.softmax(1)
    losses = [cross_entropy(scores.float(), target) for scores in logits]
    return losses[0] + fine_weight * sum(losses[1:], losses[0].new_zeros(()))


def batch_hard_triplet(
    features: Float[Tensor, "b d"], labels: Int[Tensor, "b"], *, margin: float | None = 0.3
) -> Float[Tensor, ""]:
    """Triplet loss of every crop with its farthest own and nearest other crop of the batch.

    The mean is over crops that have both another crop of their own person and one of somebody
    else; 0 when there are none.

    Args:
        features: Features (B, D), compared by Euclidean distance.
        labels: Identities (B,).
        margin: By how much the nearest other shall be farther; None for the soft margin
            log(1 + exp(own - other)).

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


@dataclass(frozen=True)
class ReIDLosses:
    """The loss of one training step."""

    smoothing: Share = 0.1  # label smoothing on main crops
    fine_weight: Weight = 0.4  # weight of every head's identity loss after the first
    triplet_weight: Weight = 1.0  # weight of the batch-hard triplet loss
    margin: float | None = 0.3  # its margin; None for the soft one
    extra_weight: Weight = 0.5  # weight of the identity loss on extra crops
    extra_smoothing: Share = 0.1  # label smoothing on extra crops
    # Share of the label's weight there that a teacher's probabilities take.
    extra_teacher: Share = 0.0
    extra_in_triplet: bool = True  # whether extra crops enter the triplet loss

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error

    def losses(
        self,
        real: Embedding,
        labels: Int[Tensor, "b"],
        extra: Embedding | None,
        extra_labels: Int[Tensor, "t"],
        teacher: Float[Tensor, "t c"] | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """Compute ``loss`` and, where used, ``identity``, ``extra_identity`` and ``triplet``.

        Args:
            real: The model's output for the main crops.
            labels: Identities (B,) of the main crops.
            extra: Its output for the extra crops, if there are any.
            extra_labels: Identities (T,) of the extra crops.
            teacher: The teacher's scores (T, C) of the extra crops, for distillation.

        Source:
            Teacher's probabilities in place of the label are DG-Net's answer to whether a generated
            image still shows the person. Here they are a share of it, and the teacher is the model
            that all arms start from.
        """
        parts = {"identity": self._identity(real, labels, self.smoothing)}
        loss = parts["identity"]
        if extra is not None:
            identity = self._identity(extra, extra_labels, self.extra_smoothing)
            if teacher is not None:
                distilled = soft_identity_loss(extra.logits, teacher, fine_weight=self.fine_weight)
                identity = identity.lerp(distilled, self.extra_teacher)
            parts["extra_identity"] = identity
            loss = loss + self.extra_weight * identity
        if self.triplet_weight:
            features = real.pooled
            if extra is not None and self.extra_in_triplet:
                features = torch.cat((features, extra.pooled))
                labels = torch.cat((labels, extra_labels))
            parts["triplet"] = batch_hard_triplet(features, labels, margin=self.margin)
            loss = loss + self.triplet_weight * parts["triplet"]
        return {"loss": loss, **parts}

    def _identity(
        self, output: Embedding, labels: Int[Tensor, "_"], smoothing: float
    ) -> Float[Tensor, ""]:
        return identity_loss(
            output.logits, labels, smoothing=smoothing, fine_weight=self.fine_weight
        )
