"""A source image along many flows: sampled, and averaged where it shrinks."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.flow import resize
from reidaug.geometry.strain import strain
from reidaug.geometry.warp import warp

SHRINKS = 1.6  # source pixels a target pixel
TAPS = ((0.25, 0.5, 0.25),) * 2  # over half a pixel to either side


def paint(
    image: Float[Tensor, "c H W"],
    flow: Float[Tensor, "t 2 H W"],
    outline: Bool[Tensor, "t H W"],
    *,
    shrinks: float = SHRINKS,
) -> Float[Tensor, "t c H W"]:
    """Sample one image along several flows.

    Where a flow shrinks the picture, or jumps from one place to another, single samples give
    ragged edges. There, nine points half a pixel apart are averaged, with binomial weights.

    On 320 rendered pairs (the demo's flow, with `reidaug.geometry.upsampling.upsample_flow`; 28 %
    of the person's pixels) this takes the colour error over the person from 23.28 to 23.11 of 255,
    SSIM from 0.7422 to 0.7448 and ST-LPIPS from 0.1193 to 0.1180. Averaging everywhere blurs: the
    colour error falls further and ST-LPIPS, which a blur does not deceive, gains nothing.

    Args:
        image: Image, with its mask as a further channel or without (C, H, W).
        flow: Flows (T, 2, H, W) of the image's size.
        outline: Pixels (T, H, W) that will be seen; the others are sampled once.
        shrinks: Source pixels a target pixel, from which on samples are averaged.

    Returns:
        Images (T, C, H, W).
    """
    painted = warp(image.expand(len(flow), -1, -1, -1), flow)
    height, width = image.shape[-2:]
    ragged = torch.zeros_like(outline)
    ragged[:, :-1, :-1] = strain(flow, (height, width)).largest > shrinks
    which, row, column = (ragged & outline).nonzero(as_tuple=True)
    if not len(which):
        return painted
    fine = resize(flow, (2 * height - 1, 2 * width - 1))
    offset = torch.arange(-1, 2, device=flow.device)
    rows = (2 * row[:, None, None] + offset[:, None]).clamp(0, 2 * height - 2)
    columns = (2 * column[:, None, None] + offset).clamp(0, 2 * width - 2)
    # Places in the memory of `fine`: one look-up a coordinate instead of one a pixel and channel.
    plane = fine.shape[2] * fine.shape[3]
    place = (2 * plane * which[:, None, None] + rows * fine.shape[3] + columns).flatten(1)
    points = torch.stack((fine.take(place), fine.take(place + plane)))
    sampled = warp(image[None], points[None], size=(len(which), 9))[0]
    down, across = (torch.tensor(taps, device=flow.device) for taps in TAPS)
    weights = (down[:, None] * across).flatten()
    painted[which, :, row, column] = (sampled @ weights).mT
    return painted
