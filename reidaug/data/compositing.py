"""Compositing of people and grounds: soft edges, and grounds without their people."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pad

MARGIN = 2  # pixels of an image of 128 rows: masks end before the person's edge is out of sight


def composite(
    image: Float[Tensor, "b 3 H W"],
    matte: Float[Tensor, "b 1 H W"],
    background: Float[Tensor, "*b 3 _ _"],
) -> Float[Tensor, "b 3 H W"]:
    """Composite images (B, 3, H, W) in [0, 1] over a background.

    Args:
        image: Foreground.
        matte: Its opacity (B, 1, H, W), in [0, 1].
        background: A colour (3, 1, 1), one picture (3, H, W), or one per image, in [0, 1].
    """
    return torch.lerp(background.expand_as(image), image, matte)


def inpaint_people(
    images: Float[Tensor, "b 3 H W"], masks: Bool[Tensor, "b H W"]
) -> Float[Tensor, "b 3 H W"]:
    """Inpaint people with the colours around; unchanged beyond `MARGIN` from them.

    Means of the known pixels over squares of 2, 4, 8, ... pixels fill the hole from coarse to
    fine: near its edge the picture goes on, far inside it is a mean of wide surroundings. It takes
    0.8 ms a crop of 128 x 64 (`benchmarks/warp_quality.py`). An image of nothing but the person
    becomes middle grey.

    Args:
        images: Images (B, 3, H, W) in [0, 1].
        masks: True on the person in each (B, H, W).

    Source:
        The pull-push algorithm of Gortler et al., The lumigraph, 1996, Sec. 4.3.
    """
    margin = max(1, round(MARGIN * masks.shape[1] / 128))
    hole = max_pool2d(masks[:, None].float(), 2 * margin + 1, 1, margin)
    levels = [torch.cat((images * (1 - hole), 1 - hole), 1)]
    while max(levels[-1].shape[-2:]) > 1:
        levels.append(_coarser(levels[-1]))
    filled = levels[-1][:, :3]
    for level in levels[-2::-1]:
        size = (level.shape[-2], level.shape[-1])
        below = interpolate(filled, size=size, mode="bilinear", align_corners=False)
        filled = level[:, :3] + below * (1 - level[:, 3:])
    return torch.where((hole > 0).all(-1, True).all(-2, True), 0.5, filled)


def _coarser(level: Float[Tensor, "b 4 h w"]) -> Float[Tensor, "b 4 h2 w2"]:
    """Halve colours times weight, beside their weight; a weight is full from one pixel on."""
    odd = (0, level.shape[-1] % 2, 0, level.shape[-2] % 2)
    total = 4 * avg_pool2d(pad(level, odd), 2)
    return total / total[:, 3:].clamp_min(1)


def soft_matte(mask: Bool[Tensor, "b height width"]) -> Float[Tensor, "b 1 height width"]:
    """Soften the edge of masks over one pixel on either side: the 3 x 3 binomial blur."""
    weights = pad(mask[:, None].float(), (1, 1, 1, 1), mode="replicate")
    return avg_pool2d(avg_pool2d(weights, 2, stride=1), 2, stride=1)
