"""Smoothing of flows over the person: what is left of single cells' errors distorts patterns."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d

from reidaug.geometry.flow import identity, size_of

SIGMA = 1.2  # cells of the flow's grid
REACH = 4  # cells
LEAST = 0.05  # of the person around a cell; with less of it the flow stays as it is


def smooth_flow(
    flow: Float[Tensor, "b 2 h w"], person: Float[Tensor, "b h w"]
) -> Float[Tensor, "b 2 h w"]:
    """Average the shifts of neighbouring cells by a Gaussian, each by its share of the person.

    Args:
        flow: Flows.
        person: Share of the person in each cell, 0 to 1.
    """
    here = identity(*size_of(flow), device=flow.device)
    weight = person[:, None]
    total = _blurred(weight)
    mean = _blurred((flow - here) * weight) / total.clamp_min(LEAST)
    return torch.where(total > LEAST, here + mean, flow)


def _blurred(values: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    steps = torch.arange(-REACH, REACH + 1, device=values.device)
    bell = torch.exp(-(steps**2) / (2 * SIGMA**2))
    bell = bell / bell.sum()
    planes = values.flatten(0, 1)[:, None]
    across = conv2d(planes, bell[None, None, None], padding=(0, REACH))
    whole = conv2d(across, bell[None, None, :, None], padding=(REACH, 0))
    return whole[:, 0].unflatten(0, values.shape[:2])
