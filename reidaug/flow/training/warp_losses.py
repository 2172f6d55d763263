"""Losses beyond the paper, on the flow or on the image it warps: exact flow, smoothness, SSIM."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from reidaug.flow.gaussian_filter import gaussian_kernel, separable_filter
from reidaug.geometry.flow import resize


def exact_flow_loss(
    flow: Float[Tensor, "b 2 h w"],
    exact: Float[Tensor, "b 2 H W"],
    visible: Bool[Tensor, "b H W"],
) -> Float[Tensor, ""]:
    """Compare flow (B, 2, h, w), resized, with rendered pairs' exact flow (B, 2, H, W).

    Returns:
        Mean absolute difference over the ``visible`` cells (B, H, W), in normalised units; 0
        without any. Elsewhere the exact flow may be NaN.
    """
    # Hidden cells are replaced before they are used: NaN times 0 would still be NaN.
    exact = torch.where(visible[:, None], exact, torch.zeros_like(exact))
    difference = (resize(flow, (exact.shape[-2], exact.shape[-1])) - exact).abs().mean(1)
    return (difference * visible).sum() / visible.sum().clamp_min(1)


def smoothness_loss(flow: Float[Tensor, "b 2 h w"]) -> Float[Tensor, ""]:
    """Penalise flows (B, 2, h, w) of at least 3 by 3 cells that bend; affine ones do not.

    Returns:
        Mean absolute second difference along rows and columns, in units of a cell.
    """
    height, width = flow.shape[-2:]
    cells = torch.tensor((width - 1, height - 1), device=flow.device)[:, None, None] / 2
    steps = flow * cells
    across = steps[..., 2:] - 2 * steps[..., 1:-1] + steps[..., :-2]
    down = steps[..., 2:, :] - 2 * steps[..., 1:-1, :] + steps[..., :-2, :]
    return across.abs().mean() + down.abs().mean()


def structural_loss(
    image: Float[Tensor, "b 3 H W"], target: Float[Tensor, "b 3 H W"]
) -> Float[Tensor, ""]:
    """Compare the local structure of images (B, 3, H, W) in [0, 1]: 1 - SSIM.

    Equal to torchmetrics' SSIM, which defines it here, at a fraction of its time on a CPU.

    Returns:
        One minus the mean SSIM with a Gaussian window of sigma 1.5 over 11 pixels; images, of at
        least 6 by 6 pixels, are mirrored at their borders.
    """
    # A variance is a small difference of large numbers: never in half precision.
    with torch.autocast(image.device.type, enabled=False):
        kernel = gaussian_kernel(1.5, 5, image)
        image, target = (pad(picture, (5, 5, 5, 5), mode="reflect") for picture in (image, target))
        stacked = torch.cat((image, target, image.square(), target.square(), image * target))
        means = separable_filter(stacked, kernel, padding=0).chunk(5)
    mean_x, mean_y, square_x, square_y, product = means
    variance = square_x + square_y - mean_x.square() - mean_y.square()
    covariance = product - mean_x * mean_y
    brightness = (2 * mean_x * mean_y + 1e-4) / (mean_x.square() + mean_y.square() + 1e-4)
    return 1 - (brightness * (2 * covariance + 9e-4) / (variance + 9e-4)).mean()
