"""Two batches that exchange their clothes."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reidaug.reid.backbones import Embedding
from reidaug.reid.dgnet.loss_weights import Places
from reidaug.reid.dgnet.networks import DGNet
from reidaug.reid.network_modes import frozen_call, frozen_statistics


class Side(NamedTuple):
    """One of a step's two batches.

    Attributes:
        images: Normalised crops (B, 3, H, W), nothing erased.
        positives: For each another crop of the same person (B, 3, H, W).
        labels: Identities (B,); never looked at where the phase does not know them.
        domain: 0 source, 1 target.
    """

    images: Float[Tensor, "b 3 H W"]
    positives: Float[Tensor, "b 3 H W"]
    labels: Int[Tensor, "b"]
    domain: int


class Look(NamedTuple):
    """What the encoders see in a batch.

    Attributes:
        structure: E_s of the crops (B, C, h, w), by their domain's generator.
        code: f of the crops (B, K), without gradient.
        pooled: v of the crops (B, D).
    """

    structure: Float[Tensor, "b c h w"]
    code: Float[Tensor, "b k"]
    pooled: Float[Tensor, "b d"]


class Crossing(NamedTuple):
    """Two batches and the crops drawn of both.

    Attributes:
        sides: a and b.
        looks: What the encoders see in them.
        drawn: x_ba and x_ab: each in the clothes of the batch at its own place, on the body of the
            other, drawn by the generator of the body's domain.
    """

    sides: tuple[Side, Side]
    looks: tuple[Look, Look]
    drawn: tuple[Float[Tensor, "b 3 H W"], Float[Tensor, "b 3 H W"]]


def cross(network: DGNet, first: Side, second: Side, *, pushed: Places = ()) -> Crossing:
    """Draw each batch in the other's clothes.

    Args:
        network: DG-Net in train mode.
        first: a.
        second: b.
        pushed: Places of the batches whose pooled features get a gradient.

    Returns:
        The batches, their codes and the drawn crops.

    Raises:
        ValueError: The batches differ in shape, hold single crops, or their size does not suit the
            networks.

    Source:
        DG-Net; the generator of the structure's domain is DG-Net++'s.
    """
    if first.images.shape != second.images.shape or len(first.images) < 2:
        raise ValueError(
            "the two batches must be alike and hold two crops at least, got "
            f"{tuple(first.images.shape)} and {tuple(second.images.shape)}"
        )
    sides = (first, second)
    look_a, look_b = (_look(network, side, i in pushed) for i, side in enumerate(sides))
    return Crossing(
        sides,
        (look_a, look_b),
        (
            network.generator(second.domain).decode(look_b.structure, look_a.code),
            network.generator(first.domain).decode(look_a.structure, look_b.code),
        ),
    )


def see_drawn(network: DGNet, drawn: Float[Tensor, "b 3 H W"], *, taught: bool) -> Embedding:
    """Look at drawn crops, which get no gradient.

    Args:
        network: DG-Net in train mode; the running statistics of its encoder stay as they are.
        drawn: Crops (B, 3, H, W).
        taught: Whether the encoder gets gradients.

    Returns:
        What the encoder sees.
    """
    with torch.set_grad_enabled(taught), frozen_statistics(network.encoder):
        return network.encoder(drawn.detach())


def recoded_structure(
    network: DGNet, crossing: Crossing, place: int, *, teach_encoder: bool
) -> Float[Tensor, "b c h w"]:
    """Encode the structure of the crops drawn on a batch's body.

    Args:
        network: DG-Net.
        crossing: The drawn crops.
        place: Of the batch that gave the body.
        teach_encoder: Whether the encoder gets gradients and the crops none; otherwise the crops
            do and the encoder's weights do not.

    Returns:
        Structure code (B, C, h, w).

    Source:
        DG-Net: either, each with probability 0.5. For its frozen copy of the encoder we take
        detached weights.
    """
    drawn = crossing.drawn[1 - place]
    encode = network.generator(crossing.sides[place].domain).encode
    return encode(drawn.detach()) if teach_encoder else frozen_call(encode, drawn)


def _look(network: DGNet, side: Side, pushed: bool) -> Look:
    with torch.set_grad_enabled(pushed):
        seen = network.encoder(side.images)
    structure = network.generator(side.domain).encode(side.images)
    return Look(structure, network.code(seen), seen.pooled)
