"""Features of the source at several resolutions, warped along the flow, for image generators."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from reidaug.flow.estimator import Motion
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.layers import Down, Same
from reidaug.geometry.flow import Size, size_of
from reidaug.geometry.warp import warp


class PyramidGenerator(ImageGenerator):
    """An image generator whose encoder halves the source several times.

    Args:
        expansion: Channels after the first convolution; every halving doubles them.
        downs: Number of halvings.
        limit: Most channels.
        norm: ``batch`` or ``instance``.

    Attributes:
        widths: Channels of every resolution, fine to coarse.
    """

    def __init__(self, *, expansion: int, downs: int, limit: int, norm: str = "batch") -> None:
        super().__init__()
        self.widths = tuple(min(limit, expansion * 2**i) for i in range(downs + 1))
        self.first = Same(3, self.widths[0], kernel=7, norm=norm)
        self.downs = nn.ModuleList(
            Down(self.widths[i], self.widths[i + 1], norm=norm) for i in range(downs)
        )

    def encode(self, image: Float[Tensor, "b 3 H W"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Compute features of images (B, 3, H, W) in [0, 1] at every resolution, fine to coarse."""
        features = [self.first(image)]
        for down in self.downs:
            features.append(down(features[-1]))
        return features


def warp_visible(features: Float[Tensor, "b c H W"], motion: Motion) -> Float[Tensor, "b c H W"]:
    """Warp features (B, C, H, W), or an image, and multiply them by the occlusion.

    Flow and occlusion are of any size; hidden features are near zero.
    """
    occlusion = occlusion_at(motion, size_of(features))
    return warp(features, motion.flow) * occlusion.to(features.dtype)


def occlusion_at(motion: Motion, size: Size) -> Float[Tensor, "b 1 h w"]:
    """Return a motion's occlusion (B, 1, *size) at a resolution.

    The coarsest map that is at least as fine, or else the finest, resized; ones for a motion
    without occlusion.
    """
    if not motion.occlusion:
        return torch.ones(len(motion.flow), 1, *size, device=motion.flow.device)
    enough = [m for m in motion.occlusion if m.shape[-2] >= size[0] and m.shape[-1] >= size[1]]
    chosen = enough[0] if enough else motion.occlusion[-1]
    if size_of(chosen) == tuple(size):
        return chosen
    return interpolate(chosen, size=tuple(size), mode="bilinear", align_corners=True)
