"""Gaussian filters, and anti-aliased downsampling by them."""

import torch
from jaxtyping import Float
from torch import Tensor


def downsample(image: Float[Tensor, "b c H W"], scale: float) -> Float[Tensor, "b c h w"]:
    """Shrink images (B, C, H, W) after a Gaussian blur against aliasing.

    Args:
        image: The images, taken as 0 outside.
        scale: 1, 1/2, 1/4, ...; keeps every (1 / scale)-th pixel; sigma is (1 / scale - 1) / 2.

    Source:
        The pyramid of FOMM's perceptual loss.
    """
    step = round(1 / scale)
    if step == 1:
        return image
    sigma = (step - 1) / 2
    radius = round(4 * sigma)
    kernel = gaussian_kernel(sigma, radius, image)
    return separable_filter(image, kernel, padding=radius)[..., ::step, ::step]


def gaussian_kernel(sigma: float, radius: int, like: Tensor) -> Float[Tensor, " n"]:
    """Build a Gaussian kernel (2 radius + 1,) of sum 1, with the dtype and device of ``like``."""
    offsets = torch.arange(-radius, radius + 1, dtype=like.dtype, device=like.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    return kernel / kernel.sum()


def separable_filter(
    image: Float[Tensor, "b c H W"], kernel: Float[Tensor, " n"], *, padding: int
) -> Float[Tensor, "b c h w"]:
    """Filter rows and columns of images (B, C, H, W) with one odd kernel (N,).

    ``padding`` zeros are added on each side: H + 2 padding - N + 1 rows, and columns likewise.
    """
    # As two banded matrices: a convolution of one channel is what processors are slowest at.
    down = _band(image.shape[-2], kernel, padding)
    across = _band(image.shape[-1], kernel, padding)
    return down @ image @ across.T


def _band(length: int, kernel: Tensor, padding: int) -> Tensor:
    """Build the matrix of a convolution over zero-padded numbers."""
    rows = length + 2 * padding - len(kernel) + 1
    columns = torch.arange(length, device=kernel.device)
    tap = columns - torch.arange(-padding, rows - padding, device=kernel.device)[:, None]
    inside = (tap >= 0) & (tap < len(kernel))
    return torch.where(inside, kernel[tap.clamp(0, len(kernel) - 1)], 0.0)
