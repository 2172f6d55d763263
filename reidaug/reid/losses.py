"""Re-ID losses: identity classification, distillation, consistency, batch-hard triplet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy, relu, softplus

from reidaug.recipes import Share, Weight
from reidaug.reid.backbones import Embedding


def identity_loss(
    logits: Sequence[Float[Tensor, "b c"]],
    labels: Int[Tensor, "b"],
    *,
    smoothing: float = 0.1,
    fine_weight: float = 0.4,
    weights: Float[Tensor, "b"] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy with smoothed labels: the first head's mean + `fine_weight` x the others' sum.

    Args:
        logits: Identity scores (B, C) of each head.
        labels: Identities (B,) in [0, C).
        smoothing: Share of a label's weight that is spread evenly over all C identities.
        fine_weight: Weight of every head after the first.
        weights: Factor of each crop's loss before the mean; None: 1.

    Source:
        DG-Net weighs its second, fine-grained head 0.4 on real images.
    """
    losses = [
        _mean(
            cross_entropy(scores.float(), labels, label_smoothing=smoothing, reduction="none"),
            weights,
        )
        for scores in logits
    ]
    return losses[0] + fine_weight * sum(losses[1:], losses[0].new_zeros(()))


def soft_identity_loss(
    logits: Sequence[Float[Tensor, "b c"]],
    teacher: Float[Tensor, "b c"],
    *,
    fine_weight: float = 0.4,
    weights: Float[Tensor, "b"] | None = None,
) -> Float[Tensor, ""]:
    """Distillation: cross-entropy with a teacher's probabilities; sum as in `identity_loss`.

    Its gradient is that of the Kullback-Leibler divergence from the teacher to the head.

    Args:
        logits: Identity scores (B, C) of each head.
        teacher: The teacher's scores (B, C).
        fine_weight: Weight of every head after the first.
        weights: As for `identity_loss`.
    """
    target = teacher.softmax(1)
    losses = [
        _mean(cross_entropy(scores.float(), target, reduction="none"), weights) for scores in logits
    ]
    return losses[0] + fine_weight * sum(losses[1:], losses[0].new_zeros(()))


def consistency_loss(
    features: Float[Tensor, "b d"],
    originals: Float[Tensor, "b d"],
    *,
    weights: Float[Tensor, "b"] | None = None,
) -> Float[Tensor, ""]:
    """Mean cosine distance of views from what a teacher sees in the crops they are of.

    Args:
        features: Features (B, D) of the views.
        originals: The teacher's features (B, D) of their crops.
        weights: As for `identity_loss`.

    Source:
        BYOL (Grill et al., 2020) for the form: cosine, a teacher without gradient. Views there are
        two augmentations of one image; here one is a warp and its crop the other.
    """
    return _mean(1 - cosine_similarity(features.float(), originals.float()), weights)


def _mean(values: Float[Tensor, "b"], weights: Float[Tensor, "b"] | None) -> Float[Tensor, ""]:
    return values.mean() if weights is None else (values * weights).mean()


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


class Knowledge(NamedTuple):
    """What is known of T extra crops beside their labels."""

    scores: Float[Tensor, "t c"] | None = None  # a teacher's identity scores of them
    originals: Float[Tensor, "t e"] | None = None  # its features of the crops they are of
    quality: Float[Tensor, "t"] | None = None  # in [0, 1]


NOTHING = Knowledge()


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
    # Weight of the cosine distance between a view's features and the teacher's of its crop.
    extra_consistency: Weight = 0.0
    # Extra crops weigh their quality to this power; 0: all the same.
    extra_quality: Weight = 0.0
    # Whether extra crops count only where the teacher recognises their person.
    extra_recognised: bool = False
    # ``start``: the model before the first step; ``average``: the moving average of the weights.
    teacher: Literal["start", "average"] = "start"

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error

    @property
    def needs_scores(self) -> bool:
        """Whether a teacher's identity scores of extra crops are needed."""
        return bool(self.extra_teacher) or self.extra_recognised

    @property
    def needs_teacher(self) -> bool:
        """Whether a teacher is needed."""
        return self.needs_scores or bool(self.extra_consistency)

    def losses(
        self,
        real: Embedding,
        labels: Int[Tensor, "b"],
        extra: Embedding | None,
        extra_labels: Int[Tensor, "t"],
        known: Knowledge = NOTHING,
    ) -> dict[str, Float[Tensor, ""]]:
        """Compute ``loss`` and, where used, its parts.

        They are ``identity``, ``extra_identity``, ``consistency`` and ``triplet``, unweighted.

        Args:
            real: The model's output for the main crops.
            labels: Identities (B,) of the main crops.
            extra: Its output for the extra crops, if there are any.
            extra_labels: Identities (T,) of the extra crops.
            known: What else is known of the extra crops, as far as the losses need it.

        Source:
            Teacher's probabilities in place of the label are DG-Net's answer to whether a generated
            image still shows the person. Here they are a share of it, and the teacher is the model
            that all arms start from, or the average of the weights so far.
        """
        parts = {"identity": self._identity(real, labels, self.smoothing)}
        loss = parts["identity"]
        weights = self._weights(extra_labels, known)
        if extra is not None and self.extra_weight:
            identity = self._identity(extra, extra_labels, self.extra_smoothing, weights)
            if self.extra_teacher and known.scores is not None:
                distilled = soft_identity_loss(
                    extra.logits, known.scores, fine_weight=self.fine_weight, weights=weights
                )
                identity = identity.lerp(distilled, self.extra_teacher)
            parts["extra_identity"] = identity
            loss = loss + self.extra_weight * identity
        if extra is not None and self.extra_consistency and known.originals is not None:
            parts["consistency"] = consistency_loss(
                extra.heads[0], known.originals, weights=weights
            )
            loss = loss + self.extra_consistency * parts["consistency"]
        if self.triplet_weight:
            features = real.pooled
            if extra is not None and self.extra_in_triplet:
                counted = slice(None) if weights is None else weights > 0
                features = torch.cat((features, extra.pooled[counted]))
                labels = torch.cat((labels, extra_labels[counted]))
            parts["triplet"] = batch_hard_triplet(features, labels, margin=self.margin)
            loss = loss + self.triplet_weight * parts["triplet"]
        return {"loss": loss, **parts}

    def _weights(self, labels: Int[Tensor, "t"], known: Knowledge) -> Float[Tensor, "t"] | None:
        """Weigh extra crops by their quality, and by whether the teacher recognises them."""
        weights = None
        if self.extra_quality and known.quality is not None:
            weights = known.quality**self.extra_quality
        if self.extra_recognised and known.scores is not None:
            right = (known.scores.argmax(1) == labels).float()
            weights = right if weights is None else weights * right
        return weights

    def _identity(
        self,
        output: Embedding,
        labels: Int[Tensor, "n"],
        smoothing: float,
        weights: Float[Tensor, "n"] | None = None,
    ) -> Float[Tensor, ""]:
        return identity_loss(
            output.logits,
            labels,
            smoothing=smoothing,
            fine_weight=self.fine_weight,
            weights=weights,
        )
