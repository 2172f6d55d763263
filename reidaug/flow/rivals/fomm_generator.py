"""The image generator of FOMM and MRAA: source image and motion to an image of the target."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from reidaug.flow.estimator import Motion
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.layers import Down, Residual, Same, Up, check_halving
from reidaug.geometry.flow import Size
from reidaug.geometry.warp import warp


class Generator(ImageGenerator):
    """Encodes the source, moves its features along the flow, and decodes what is seen there.

    Convention: see `reidaug.geometry.flow`.

    Args:
        expansion: Channels after the first convolution; every halving doubles them.
        downs: How often the image is halved.
        limit: Most channels.
        residuals: Residual blocks at the lowest resolution.
        skips: MRAA's: at every resolution of the decoder the source's warped features show where
            nothing hides them, and in the end so does the warped source itself.

    Source:
        FOMM's generator; with ``skips`` MRAA's.
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "small": {"expansion": 16}}
    """``paper`` (FOMM's widths, for 256x256) or ``small`` (a quarter of them, for 128x64)."""

    def __init__(
        self,
        *,
        expansion: int = 64,
        downs: int = 2,
        limit: int = 512,
        residuals: int = 6,
        skips: bool = False,
    ) -> None:
        super().__init__()
        widths = [min(limit, expansion * 2**i) for i in range(downs + 1)]
        self.skips = skips
        self.first = Same(3, widths[0], kernel=7)
        self.downs = nn.ModuleList(Down(widths[i], widths[i + 1]) for i in range(downs))
        self.bottleneck = nn.Sequential(*(Residual(widths[-1]) for _ in range(residuals)))
        self.ups = nn.ModuleList(Up(widths[i + 1], widths[i]) for i in reversed(range(downs)))
        self.last = nn.Conv2d(widths[0], 3, 7, padding=3)

    def forward(self, source: Float[Tensor, "b 3 H W"], motion: Motion) -> Float[Tensor, "b 3 H W"]:
        """Draw the target.

        Args:
            source: Source images (B, 3, H, W) in [0, 1]; H and W are multiples of 4 (of 2 to the
                power of ``downs``).
            motion: Flow and occlusion of any size.

        Returns:
            Images (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: The image does not halve evenly.
        """
        check_halving(source, len(self.downs))
        features = [self.first(source)]
        for down in self.downs:
            features.append(down(features[-1]))
        out = shown(features[-1], motion)
        out = self._skip(self.bottleneck(out), features.pop(), motion)
        for up in self.ups:
            out = self._skip(up(out), features.pop(), motion)
        image: Tensor = self.last(out).float().sigmoid()
        return self._skip(image, source, motion)

    def _skip(self, out: Tensor, original: Tensor, motion: Motion) -> Tensor:
        if not self.skips:
            return out
        seen = occlusion_at(motion, (out.shape[-2], out.shape[-1])).to(out.dtype)
        return seen * warp(original, motion.flow) + (1 - seen) * out


def shown(features: Float[Tensor, "b c H W"], motion: Motion) -> Float[Tensor, "b c H W"]:
    """Move features, or an image, along a flow and darken what is hidden there.

    Args:
        features: What is known of the source (B, C, H, W).
        motion: Flow and occlusion of any size.

    Returns:
        Features times occlusion, of the same shape.
    """
    size = (features.shape[-2], features.shape[-1])
    return warp(features, motion.flow) * occlusion_at(motion, size).to(features.dtype)


def occlusion_at(motion: Motion, size: Size) -> Float[Tensor, "b 1 h w"]:
    """Give what the source shows at a resolution, whatever resolutions an estimator tells.

    Args:
        motion: What an estimator said.
        size: (height, width) wanted.

    Returns:
        Occlusion (B, 1, *size): the coarsest map that is at least as fine, or else the finest,
        resized; ones where the estimator does not tell.
    """
    if not motion.occlusion:
        return torch.ones(len(motion.flow), 1, *size, device=motion.flow.device)
    enough = [m for m in motion.occlusion if m.shape[-2] >= size[0] and m.shape[-1] >= size[1]]
    chosen = enough[0] if enough else motion.occlusion[-1]
    if tuple(chosen.shape[-2:]) == tuple(size):
        return chosen
    return interpolate(chosen, size=tuple(size), mode="bilinear", align_corners=True)
