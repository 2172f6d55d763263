"""Ideal flows: what rendered people's true surface maps say that a flow should be."""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from reidaug.flow.surface.training.nearest_places import match_maps, shown_places


def ideal_flow(
    seen: Float[Tensor, "4 h w"], surface: Float[Tensor, "4 h w"], outline: Bool[Tensor, "H W"]
) -> tuple[Float[Tensor, "2 h w"], UInt8[Tensor, "h w"]]:
    """Match the true surface maps of a crop and a target: flow and origin.

    The flow is NaN off the person, and everywhere if either shows nobody.
    """
    person, on = (part.isfinite().all(0) for part in (seen, surface))
    flow = torch.full((2, *on.shape), torch.nan)
    if not (person.any() and on.any()):
        return flow, torch.zeros(on.shape, dtype=torch.uint8)
    found, origin = match_maps(shown_places(seen, person), surface.nan_to_num(), outline)
    return torch.where(on, found, flow), origin


def ideal_flows(
    seen: Float[Tensor, "m 4 h w"],
    surface: Float[Tensor, "m 4 h w"],
    outline: Bool[Tensor, "m H W"],
) -> tuple[Float[Tensor, "m 2 h w"], UInt8[Tensor, "m h w"]]:
    """Compute several ideal flows, in half precision; see `ideal_flow`."""
    pairs = [ideal_flow(*maps) for maps in zip(seen.float(), surface.float(), outline, strict=True)]
    flow, origin = (torch.stack(part) for part in zip(*pairs, strict=True))
    return flow.half(), origin
