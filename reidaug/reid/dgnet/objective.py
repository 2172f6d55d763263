"""Objective of one step: losses of the generators and the encoder on two batches.

All losses are unweighted. They have the names of `DGNetLossWeights`, except ``appearance_code``,
which has no weight, and ``extra_NAME``, the loss NAME on extra crops. Those of weight 0, and those
that are active for neither batch, are left out and not computed. A loss that is active for both
batches is the sum over them; ``domain`` alone is their mean.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from reidaug.reid.backbones import Embedding
from reidaug.reid.batches import Batch
from reidaug.reid.crop_transforms import erased_rectangles
from reidaug.reid.dgnet.losses import (
    domain_adversarial_loss,
    fine_grained_loss,
    generated_identity_loss,
    image_generator_loss,
    positive_triplet_loss,
    reconstruction_loss,
    sum_losses,
    teacher_loss,
)
from reidaug.reid.dgnet.networks import DGNet
from reidaug.reid.dgnet.phases import ActiveLosses, DGNetLossWeights
from reidaug.reid.dgnet.sampling import TARGET
from reidaug.reid.dgnet.swapping import CrossIdentity, embed_generated, recode_structure
from reidaug.reid.dgnet.teacher import Teacher
from reidaug.reid.network_modes import frozen_call, frozen_statistics

Losses = dict[str, Float[Tensor, ""]]


class DGNetObjective:
    """Losses of one step of the generators and the encoder.

    Args:
        network: DG-Net in train mode.
        cross: The two batches and the images generated from them.
        active: The batches each loss is computed for.
        weights: Loss weights of the step.

    Attributes:
        embeddings: Outputs of the encoder for x_ba and x_ab, with gradients to the encoder where a
            loss trains it; None where no loss needs them.
        real: Outputs of the encoder for erased real crops by batch, once `identities` has them.
    """

    def __init__(
        self, network: DGNet, cross: CrossIdentity, active: ActiveLosses, weights: DGNetLossWeights
    ) -> None:
        self.network, self.cross, self.active, self.weights = network, cross, active, weights
        self.real: dict[int, Embedding] = {}
        trained = {
            *(active.teacher if weights.teacher else ()),
            *(active.fine_grained if weights.fine_grained else ()),
        }
        self.embeddings: list[Embedding | None] = [
            embed_generated(network, images, train_encoder=i in trained)
            if i in trained or weights.cycle
            else None
            for i, images in enumerate(cross.generated)
        ]

    def generation(self) -> Losses:
        """Compute the losses of self- and cross-identity generation, for the generators.

        Returns:
            ``self_reconstruction``, ``positive_reconstruction``, ``adversarial`` and
            ``generated_identity``.
        """
        network, active, weights = self.network, self.active, self.weights
        batches, generated = self.cross.batches, self.cross.generated
        losses: Losses = {}
        if weights.self_reconstruction:
            losses["self_reconstruction"] = sum_losses(
                self._reconstruction(i, self.cross.codes[i].appearance) for i in (0, 1)
            )
        if weights.positive_reconstruction and active.positive_reconstruction:
            codes = {i: self._code(batches[i].positives) for i in active.positive_reconstruction}
            losses["positive_reconstruction"] = sum_losses(
                self._reconstruction(i, code) for i, code in codes.items()
            )
        if weights.adversarial:
            losses["adversarial"] = sum_losses(
                image_generator_loss(frozen_call(network.image_discriminator, images))
                for images in generated
            )
        if weights.generated_identity and active.generated_identity:
            losses["generated_identity"] = sum_losses(
                generated_identity_loss(network.encoder, generated[i], batches[i].labels)
                for i in active.generated_identity
            )
        return losses

    def code_reconstruction(self, *, train_encoder: bool) -> Losses:
        """Compute the losses on the codes of generated images, for the generators.

        Args:
            train_encoder: See `recode_structure`; the same for all losses of the step.

        Returns:
            ``structure_code``, ``cycle``, and with the cycle ``appearance_code``, a diagnostic
            without gradient.

        Source:
            DG-Net. Its appearance code loss has a detached code on both sides, so it has no
            gradient; it is only reported.
        """
        network, batches, codes = self.network, self.cross.batches, self.cross.codes
        losses: Losses = {}
        if not (self.weights.structure_code or self.weights.cycle):
            return losses
        structures = [
            recode_structure(network, self.cross, i, train_encoder=train_encoder) for i in (0, 1)
        ]
        if self.weights.structure_code:
            losses["structure_code"] = sum_losses(
                reconstruction_loss(structures[i], codes[i].structure) for i in (0, 1)
            )
        if self.weights.cycle:
            appearances = [
                network.appearance_code(one) for one in self.embeddings if one is not None
            ]
            losses["cycle"] = sum_losses(
                reconstruction_loss(
                    network.generator(batches[i].domain).decode(structures[i], appearances[i]),
                    batches[i].images,
                )
                for i in (0, 1)
            )
            losses["appearance_code"] = sum_losses(
                (appearances[i] - codes[i].appearance).abs().float().mean() for i in (0, 1)
            )
        return losses

    def generated_features(self, teacher: Teacher | None) -> Losses:
        """Compute the losses of the encoder on generated images.

        Args:
            teacher: Labels the images.

        Returns:
            ``teacher`` (primary feature learning) and ``fine_grained`` (fine-grained feature
            mining).
        """
        active, batches = self.active, self.cross.batches
        losses: Losses = {}
        scores = [one.logits if one is not None else () for one in self.embeddings]
        if self.weights.teacher and active.teacher and teacher is not None:
            losses["teacher"] = sum_losses(
                teacher_loss(
                    scores[i][0],
                    teacher(
                        self.cross.generated[i].detach(),
                        classes=scores[i][0].shape[1],
                        appearance=batches[i].labels,
                        structure=batches[1 - i].labels if i in active.fine_grained else None,
                    ),
                )
                for i in active.teacher
            )
        if self.weights.fine_grained and active.fine_grained:
            losses["fine_grained"] = sum_losses(
                fine_grained_loss(scores[i][1], batches[1 - i].labels) for i in active.fine_grained
            )
        return losses

    def identities(self, erase: float, generator: torch.Generator) -> Losses:
        """Compute the identity losses of the encoder on real crops.

        Args:
            erase: Share of the crops that lose a rectangle.
            generator: Random generator on the CPU.

        Returns:
            ``identity`` (first head), ``fine_identity`` (second head) and ``positive_identity``
            (first head).
        """
        batches, encoder, active = self.cross.batches, self.network.encoder, self.active
        losses: Losses = {}
        weights = (self.weights.identity, self.weights.fine_identity, self.weights.positive_triplet)
        if active.identity and any(weights):
            self.real = {
                i: encoder(erase_rectangles(batches[i].images, erase, generator))
                for i in active.identity
            }
            losses |= self._by_head((one.logits, batches[i].labels) for i, one in self.real.items())
        if active.positive_identity and self.weights.positive_identity:
            losses["positive_identity"] = sum_losses(
                cross_entropy(
                    encoder(erase_rectangles(batches[i].positives, erase, generator))
                    .logits[0]
                    .float(),
                    batches[i].labels,
                )
                for i in active.positive_identity
            )
        return losses

    def domain_confusion(self) -> Losses:
        """Compute ``domain``, the encoder's adversarial loss: the mean over active batches."""
        discriminator = self.network.domain_discriminator
        if not (self.active.domain and self.weights.domain) or discriminator is None:
            return {}
        losses = [
            domain_adversarial_loss(frozen_call(discriminator, self.cross.codes[i].pooled))
            for i in self.active.domain
        ]
        return {"domain": sum_losses(losses) / len(losses)}

    def extra_crops(
        self,
        extra: Batch,
        erase: float,
        smoothing: float,
        generator: torch.Generator,
        *,
        margin: float | None = 0.3,
    ) -> Losses:
        """Compute the losses of extra crops; running statistics are not updated.

        Args:
            extra: Extra crops and their labels.
            erase: Share of the crops that lose a rectangle.
            smoothing: Label smoothing.
            generator: Random generator on the CPU.
            margin: See `positive_triplet_loss`, which takes the target crops of `identities`.

        Returns:
            ``extra_identity`` (first head), ``extra_fine_identity`` (second head) and
            ``positive_triplet``.
        """
        weights = self.weights
        labelled = weights.extra and (weights.identity or weights.fine_identity)
        anchors = [i for i in self.real if self.cross.batches[i].domain == TARGET]
        triplet = weights.positive_triplet and anchors
        if not (labelled or triplet):
            return {}
        with frozen_statistics(self.network.encoder):
            found = self.network.encoder(erase_rectangles(extra.images, erase, generator))
        losses: Losses = {}
        if labelled:
            by_head = self._by_head([(found.logits, extra.labels)], smoothing=smoothing)
            losses |= {f"extra_{name}": loss for name, loss in by_head.items()}
        if triplet:
            losses["positive_triplet"] = positive_triplet_loss(
                torch.cat([self.real[i].pooled for i in anchors]),
                torch.cat([self.cross.batches[i].labels for i in anchors]),
                found.pooled,
                extra.labels,
                margin=margin,
            )
        return losses

    def _reconstruction(self, i: int, code: Float[Tensor, "b k"]) -> Float[Tensor, ""]:
        batch = self.cross.batches[i]
        decode = self.network.generator(batch.domain).decode
        return reconstruction_loss(decode(self.cross.codes[i].structure, code), batch.images)

    def _code(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b k"]:
        with torch.no_grad():
            return self.network.appearance_code(self.network.encoder(images))

    def _by_head(
        self, outputs: Iterable[tuple[tuple[Tensor, ...], Tensor]], *, smoothing: float = 0.0
    ) -> Losses:
        """Cross-entropy of both heads, summed over batches of (logits, labels)."""
        batches = list(outputs)
        weights = {"identity": self.weights.identity, "fine_identity": self.weights.fine_identity}
        return {
            name: sum_losses(
                cross_entropy(logits[head].float(), labels, label_smoothing=smoothing)
                for logits, labels in batches
            )
            for head, (name, weight) in enumerate(weights.items())
            if weight
        }


def erase_rectangles(
    images: Float[Tensor, "b 3 H W"], probability: float, generator: torch.Generator
) -> Float[Tensor, "b 3 H W"]:
    """Random erasing: copy crops, a share of them with a rectangle of 0, ImageNet's mean."""
    mask = erased_rectangles(images, generator, probability=probability)
    return images.masked_fill(mask[:, None].to(images.device), 0.0)
