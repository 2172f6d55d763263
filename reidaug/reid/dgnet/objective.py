"""Which losses a step asks for, computed for the pairs they are asked of.

Every function gives unweighted losses by the names of `Weights`; what weighs 0, or is asked of
nobody, is left out and not computed. Sums run over the batches or drawn crops of `Roles`.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reidaug.reid.backbones import Embedding
from reidaug.reid.batches import Batch
from reidaug.reid.crop_transforms import erased_rectangles
from reidaug.reid.dgnet.loss_weights import Roles, Weights
from reidaug.reid.dgnet.losses import (
    domain_loss,
    fine_grained_loss,
    generated_identity_loss,
    image_generator_loss,
    reconstruction_loss,
    structure_loss,
    teacher_loss,
)
from reidaug.reid.dgnet.networks import DGNet
from reidaug.reid.dgnet.swapping import Crossing, recoded_structure, see_drawn
from reidaug.reid.dgnet.teacher import Teacher
from reidaug.reid.losses import identity_loss
from reidaug.reid.network_modes import frozen_call, frozen_statistics

Losses = dict[str, Float[Tensor, ""]]


def drawing_losses(network: DGNet, crossing: Crossing, who: Roles, weights: Weights) -> Losses:
    """Ask the generators for crops that are right, look real and show the right person.

    Args:
        network: DG-Net in train mode.
        crossing: The batches and the crops drawn of them.
        who: Of whom each loss is asked.
        weights: Of the step.

    Returns:
        ``self_reconstruction``, ``positive_reconstruction``, ``adversarial``,
        ``generated_identity``.
    """
    sides, looks = crossing.sides, crossing.looks
    losses: Losses = {}
    if weights.self_reconstruction:
        losses["self_reconstruction"] = added(
            reconstruction_loss(_decoded(network, crossing, i, looks[i].code), sides[i].images)
            for i in (0, 1)
        )
    if weights.positive_reconstruction and who.positive_reconstruction:
        codes = {i: _code(network, sides[i].positives) for i in who.positive_reconstruction}
        losses["positive_reconstruction"] = added(
            reconstruction_loss(_decoded(network, crossing, i, code), sides[i].images)
            for i, code in codes.items()
        )
    if weights.adversarial:
        losses["adversarial"] = added(
            image_generator_loss(frozen_call(network.image_discriminator, drawn))
            for drawn in crossing.drawn
        )
    if weights.generated_identity and who.generated_identity:
        losses["generated_identity"] = added(
            generated_identity_loss(network.encoder, crossing.drawn[i], sides[i].labels)
            for i in who.generated_identity
        )
    return losses


def recoding_losses(
    network: DGNet,
    crossing: Crossing,
    weights: Weights,
    seen: tuple[Embedding | None, Embedding | None],
    *,
    teach_encoder: bool,
) -> Losses:
    """Ask that drawn crops can be taken apart into the codes they were drawn with.

    Args:
        network: DG-Net in train mode.
        crossing: The batches and the crops drawn of them.
        weights: Of the step.
        seen: What the encoder sees in the drawn crops.
        teach_encoder: See `recoded_structure`; it holds for all losses of the step.

    Returns:
        ``structure_code``, ``cycle``, and, where the cycle is on, ``appearance_code``, which is to
        be looked at and has no gradient.

    Source:
        DG-Net. Its appearance code loss has a detached code on both sides.
    """
    losses: Losses = {}
    if not (weights.structure_code or weights.cycle):
        return losses
    recoded = [recoded_structure(network, crossing, i, teach_encoder=teach_encoder) for i in (0, 1)]
    sides, looks = crossing.sides, crossing.looks
    if weights.structure_code:
        losses["structure_code"] = added(
            structure_loss(recoded[i], looks[i].structure) for i in (0, 1)
        )
    if weights.cycle:
        codes = [network.code(one) for one in seen if one is not None]
        losses["cycle"] = added(
            reconstruction_loss(
                network.generator(sides[i].domain).decode(recoded[i], codes[i]), sides[i].images
            )
            for i in (0, 1)
        )
        losses["appearance_code"] = added(
            (codes[i] - looks[i].code).abs().float().mean() for i in (0, 1)
        )
    return losses


def seen_in_drawn(
    network: DGNet, crossing: Crossing, who: Roles, weights: Weights
) -> tuple[Embedding | None, Embedding | None]:
    """Look at the drawn crops as far as any loss needs it, with gradients where one teaches.

    Args:
        network: DG-Net in train mode.
        crossing: The drawn crops.
        who: Of whom each loss is asked.
        weights: Of the step.

    Returns:
        What the encoder sees in x_ba and x_ab; None where nobody asks.
    """
    taught = {
        *(who.teacher if weights.teacher else ()),
        *(who.fine_grained if weights.fine_grained else ()),
    }
    first, second = (
        see_drawn(network, drawn, taught=i in taught) if i in taught or weights.cycle else None
        for i, drawn in enumerate(crossing.drawn)
    )
    return first, second


def lesson_losses(
    crossing: Crossing,
    who: Roles,
    weights: Weights,
    seen: tuple[Embedding | None, Embedding | None],
    teacher: Teacher | None,
) -> Losses:
    """Ask the encoder to learn from drawn crops.

    Args:
        crossing: The batches and the crops drawn of them.
        who: Of whom each loss is asked.
        weights: Of the step.
        seen: What the encoder sees in the drawn crops.
        teacher: Labels them.

    Returns:
        ``teacher`` (first head) and ``fine_grained`` (second head).
    """
    sides = crossing.sides
    losses: Losses = {}
    scores = [one.logits if one is not None else () for one in seen]
    if weights.teacher and who.teacher and teacher is not None:
        losses["teacher"] = added(
            teacher_loss(
                scores[i][0],
                teacher(
                    crossing.drawn[i].detach(),
                    classes=scores[i][0].shape[1],
                    appearance=sides[i].labels,
                    structure=sides[1 - i].labels if i in who.fine_grained else None,
                ),
            )
            for i in who.teacher
        )
    if weights.fine_grained and who.fine_grained:
        losses["fine_grained"] = added(
            fine_grained_loss(scores[i][1], sides[1 - i].labels) for i in who.fine_grained
        )
    return losses


def naming_losses(
    network: DGNet,
    crossing: Crossing,
    who: Roles,
    weights: Weights,
    *,
    erase: float,
    chance: torch.Generator,
) -> Losses:
    """Ask the encoder who is on real crops, rectangles erased, and to hide the domain.

    Args:
        network: DG-Net in train mode.
        crossing: The batches.
        who: Of whom each loss is asked.
        weights: Of the step.
        erase: Share of the crops that lose a rectangle.
        chance: Which and where, on the CPU.

    Returns:
        ``identity`` (first head), ``fine_identity`` (second head), ``positive_identity`` (first
        head) and ``domain``, the mean over the batches that are pushed.
    """
    sides = crossing.sides
    losses: Losses = {}
    if who.identity and (weights.identity or weights.fine_identity):
        scores = {
            i: network.encoder(erased(sides[i].images, erase, chance)).logits for i in who.identity
        }
        labels = {i: sides[i].labels for i in who.identity}
        losses |= _by_head(scores, labels, weights)
    if who.positive_identity and weights.positive_identity:
        losses["positive_identity"] = added(
            named(
                network.encoder(erased(sides[i].positives, erase, chance)).logits[0],
                sides[i].labels,
            )
            for i in who.positive_identity
        )
    if who.domain and weights.domain and network.domain_discriminator is not None:
        judge = network.domain_discriminator
        pushed = [domain_loss(frozen_call(judge, crossing.looks[i].pooled)) for i in who.domain]
        losses["domain"] = added(pushed) / len(pushed)
    return losses


def warp_losses(
    network: DGNet,
    warps: Batch,
    weights: Weights,
    *,
    erase: float,
    smoothing: float,
    chance: torch.Generator,
) -> Losses:
    """Ask the encoder who is on extra crops; the running statistics do not hear of them.

    Args:
        network: DG-Net in train mode.
        warps: Crops and labels.
        weights: Of the step.
        erase: Share of the crops that lose a rectangle.
        smoothing: Share of a label's weight spread over all identities.
        chance: Which and where, on the CPU.

    Returns:
        ``warp_identity`` (first head) and ``warp_fine_identity`` (second head).
    """
    if not weights.warps or not (weights.identity or weights.fine_identity):
        return {}
    with frozen_statistics(network.encoder):
        scores = network.encoder(erased(warps.images, erase, chance)).logits
    losses = _by_head({0: scores}, {0: warps.labels}, weights, smoothing=smoothing)
    return {f"warp_{name}": loss for name, loss in losses.items()}


def erased(
    images: Float[Tensor, "b 3 H W"], probability: float, chance: torch.Generator
) -> Float[Tensor, "b 3 H W"]:
    """Erase a rectangle of some crops.

    Args:
        images: Normalised crops (B, 3, H, W); they stay as they are.
        probability: Share of the crops that lose one.
        chance: Which and where, on the CPU.

    Returns:
        Crops with 0, ImageNet's mean colour, inside the rectangles.
    """
    mask = erased_rectangles(images, chance, probability=probability)
    return images.masked_fill(mask[:, None].to(images.device), 0.0)


def named(
    scores: Float[Tensor, "b c"], labels: Int[Tensor, "b"], *, smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """Cross-entropy of one head; see `identity_loss`."""
    return identity_loss((scores,), labels, smoothing=smoothing)


def added(losses: Iterable[Tensor]) -> Float[Tensor, ""]:
    """Add losses up.

    Args:
        losses: One at least.

    Returns:
        Their sum.
    """
    return torch.stack(list(losses)).sum()


def _by_head(
    scores: dict[int, tuple[Tensor, ...]],
    labels: dict[int, Tensor],
    weights: Weights,
    *,
    smoothing: float = 0.0,
) -> Losses:
    heads = (("identity", weights.identity), ("fine_identity", weights.fine_identity))
    return {
        name: added(named(scores[i][head], labels[i], smoothing=smoothing) for i in scores)
        for head, (name, weight) in enumerate(heads)
        if weight
    }


def _decoded(
    network: DGNet, crossing: Crossing, place: int, code: Float[Tensor, "b k"]
) -> Float[Tensor, "b 3 H W"]:
    decode = network.generator(crossing.sides[place].domain).decode
    return decode(crossing.looks[place].structure, code)


def _code(network: DGNet, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b k"]:
    with torch.no_grad():
        return network.code(network.encoder(images))
