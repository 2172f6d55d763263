"""Backward warping: the only module that samples images."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from reidaug.geometry.flow import Size, resize


def warp(
    image: Float[Tensor, "b c H W"],
    flow: Float[Tensor, "n 2 h w"],
    *,
    size: Size | None = None,
    mode: str = "bilinear",
) -> Float[Tensor, "b c oh ow"]:
    """Sample an image, a mask or a feature map along a flow.

    Points outside the source sample the nearest border pixel.

    Args:
        image: Images (B, C, H, W), any range.
        flow: Flow (B, 2, h, w), see `reidaug.geometry.flow`; resized to the output's size first.
        size: (height, width) of the output; the image's own by default.
        mode: ``bilinear``, ``nearest`` or ``bicubic``.

    Returns:
        Warped images (B, C, *size) of the image's dtype.

    Raises:
        ValueError: Batch sizes differ.

    Source:
        UnWarpME Sec. 5.2 and 5.6: the source is sampled directly with the map.
    """
    if image.shape[0] != flow.shape[0]:
        raise ValueError(f"{image.shape[0]} images but {flow.shape[0]} flows")
    height, width = image.shape[-2:]
    grid = resize(flow.float(), size or (height, width)).movedim(1, -1)
    sampled: Tensor = grid_sample(
        image.float(), grid, mode=mode, padding_mode="border", align_corners=True
    )
    return sampled.to(image.dtype) if image.dtype != torch.float32 else sampled
