"""What a flow is asked for: one function a loss, each a mean over the batch."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from reidaug.flow.perceptual_networks import FeatureNetwork
from reidaug.geometry.flow import resize

PYRAMID = (1.0, 0.5, 0.25, 0.125)
LAYER_WEIGHT = 10.0


def affine_preserving_loss(
    flow: Float[Tensor, "b 2 h w"], affine_flow: Float[Tensor, "b 2 h w"]
) -> Float[Tensor, ""]:
    """Ask that a target pose that is an affine image of the source pose gives just that map.

    Args:
        flow: W(p_st, p_t), (B, 2, h, w).
        affine_flow: s_f, the affine map on the same grid.

    Returns:
        Mean absolute difference in normalised units; cells that s_f samples outside the source are
        left out, a pose says nothing about them.

    Source:
        UnWarpME Eq. 8. The paper names no norm; ours is the mean absolute difference.
    """
    inside = (affine_flow.abs() <= 1).all(1, keepdim=True).expand_as(flow)
    return ((flow - affine_flow).abs() * inside).sum() / inside.sum().clamp_min(1)


def exact_flow_loss(
    flow: Float[Tensor, "b 2 h w"],
    exact: Float[Tensor, "b 2 H W"],
    visible: Bool[Tensor, "b H W"],
) -> Float[Tensor, ""]:
    """Compare with the exact flow of rendered pairs, where the surface point is seen in both.

    Args:
        flow: Flow (B, 2, h, w); enlarged to the exact flow's size first.
        exact: Exact flow (B, 2, H, W).
        visible: (B, H, W); elsewhere the exact flow means nothing, be it NaN.

    Returns:
        Mean absolute difference over visible cells, in normalised units; 0 when there is none.

    Source:
        Not in the paper: only rendered people have exact flows.
    """
    # What is not visible is replaced before it is used: NaN times 0 would still be NaN.
    exact = torch.where(visible[:, None], exact, torch.zeros_like(exact))
    difference = (resize(flow, (exact.shape[-2], exact.shape[-1])) - exact).abs().mean(1)
    return (difference * visible).sum() / visible.sum().clamp_min(1)


def smoothness_loss(flow: Float[Tensor, "b 2 h w"]) -> Float[Tensor, ""]:
    """Ask that neighbouring cells sample neighbouring points, whatever affine map they follow.

    Args:
        flow: Flow (B, 2, h, w), at least 3 by 3 cells.

    Returns:
        Mean absolute second difference along rows and columns, in units of a cell; 0 for an affine
        flow.

    Source:
        Not in the paper.
    """
    height, width = flow.shape[-2:]
    cells = torch.tensor((width - 1, height - 1), device=flow.device)[:, None, None] / 2
    steps = flow * cells
    across = steps[..., 2:] - 2 * steps[..., 1:-1] + steps[..., :-2]
    down = steps[..., 2:, :] - 2 * steps[..., 1:-1, :] + steps[..., :-2, :]
    return across.abs().mean() + down.abs().mean()


def perceptual_loss(
    image: Float[Tensor, "b 3 H W"],
    target: Float[Tensor, "b 3 H W"],
    network: FeatureNetwork,
    *,
    scales: Sequence[float] = PYRAMID,
) -> Float[Tensor, ""]:
    """Compare images by the features of a frozen network, at several resolutions.

    Args:
        image: Images (B, 3, H, W) in [0, 1]; gradients flow into these.
        target: What they should look like (B, 3, H, W).
        network: Where the features come from.
        scales: Resolutions, as parts of the image's own.

    Returns:
        The sum over scales and depths of 10 times the mean absolute difference of features.

    Source:
        UnWarpME Eq. 6, with FOMM's four scales and weights. The paper compares the output of its
        refinement network; without one, ``image`` is the warped source itself.
    """
    total = image.new_zeros(())
    for scale in scales:
        with torch.no_grad():
            wanted = network.features(shrink(target, scale))
        for mine, other in zip(network.features(shrink(image, scale)), wanted, strict=True):
            total = total + LAYER_WEIGHT * (mine.float() - other.float()).abs().mean()
    return total


def shrink(image: Float[Tensor, "b c H W"], scale: float) -> Float[Tensor, "b c h w"]:
    """Make an image smaller after a Gaussian blur that keeps it from aliasing.

    Args:
        image: Images (B, C, H, W).
        scale: 1, 1/2, 1/4, ...; the blur's width is (1 / scale - 1) / 2 pixels.

    Returns:
        Every (1 / scale)-th pixel of the blurred image; outside the image is 0.

    Source:
        The pyramid of FOMM's perceptual loss.
    """
    step = round(1 / scale)
    if step == 1:
        return image
    sigma = (step - 1) / 2
    reach = round(4 * sigma)
    kernel = _gaussian(sigma, reach, image)
    return _separable(image, kernel, padding=reach)[..., ::step, ::step]


def structural_loss(
    image: Float[Tensor, "b 3 H W"], target: Float[Tensor, "b 3 H W"]
) -> Float[Tensor, ""]:
    """Compare the local structure of images: 1 - SSIM.

    Args:
        image: Images (B, 3, H, W) in [0, 1], at least 6 by 6 pixels.
        target: What they should look like (B, 3, H, W).

    Returns:
        One minus the mean SSIM with a Gaussian window of sigma 1.5 over 11 pixels; the image is
        mirrored at its edges.

    Source:
        Not in the paper, which scores by SSIM but does not train with it.
    """
    # A variance is a small difference of large numbers: never in half precision.
    with torch.autocast(image.device.type, enabled=False):
        kernel = _gaussian(1.5, 5, image)
        image, target = (pad(picture, (5, 5, 5, 5), mode="reflect") for picture in (image, target))
        stacked = torch.cat((image, target, image.square(), target.square(), image * target))
        means = _separable(stacked, kernel, padding=0).chunk(5)
    mean_x, mean_y, square_x, square_y, product = means
    variance = square_x + square_y - mean_x.square() - mean_y.square()
    covariance = product - mean_x * mean_y
    brightness = (2 * mean_x * mean_y + 1e-4) / (mean_x.square() + mean_y.square() + 1e-4)
    return 1 - (brightness * (2 * covariance + 9e-4) / (variance + 9e-4)).mean()


def _gaussian(sigma: float, reach: int, like: Tensor) -> Tensor:
    places = torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device)
    kernel = torch.exp(-(places**2) / (2 * sigma**2))
    return kernel / kernel.sum()


def _separable(image: Tensor, kernel: Tensor, *, padding: int) -> Tensor:
    # As two banded matrices: a convolution of one channel is what processors are slowest at.
    down = _band(image.shape[-2], kernel, padding)
    across = _band(image.shape[-1], kernel, padding)
    return down @ image @ across.T


def _band(length: int, kernel: Tensor, padding: int) -> Tensor:
    """Give the matrix of a convolution with a short kernel over zero-padded numbers."""
    rows = length + 2 * padding - len(kernel) + 1
    place = torch.arange(length, device=kernel.device) - torch.arange(
        -padding, rows - padding, device=kernel.device
    ).unsqueeze(1)
    inside = (place >= 0) & (place < len(kernel))
    return torch.where(inside, kernel[place.clamp(0, len(kernel) - 1)], 0.0)
