"""FOMM's and MRAA's image generator."""

from typing import ClassVar

from torch import Tensor, nn

from reidaug.flow.components import Presets
from reidaug.flow.estimator import Images, Motion
from reidaug.flow.layers import Residual, Up, check_halving
from reidaug.flow.rivals.warped_features import PyramidGenerator, occlusion_at, warp_visible
from reidaug.geometry.flow import size_of
from reidaug.geometry.warp import warp


class Generator(PyramidGenerator):
    """Encodes the source, warps its coarsest features along the flow, and decodes the visible ones.

    Convention: see `reidaug.geometry.flow`.

    Args:
        expansion: Channels after the first convolution; every halving doubles them.
        downs: Number of halvings; H and W are multiples of 2 to its power.
        limit: Most channels.
        residuals: Residual blocks at the lowest resolution.
        skips: MRAA's: at every resolution of the decoder the source's warped features replace its
            own where they are visible, and in the end the warped source itself does.

    Source:
        FOMM's generator; with ``skips`` MRAA's.
    """

    PRESETS: ClassVar[Presets] = {"paper": {}, "small": {"expansion": 16}}
    """``paper``: FOMM's widths, for 256x256; ``small``: a quarter of them, for 128x64."""

    def __init__(
        self,
        *,
        expansion: int = 64,
        downs: int = 2,
        limit: int = 512,
        residuals: int = 6,
        skips: bool = False,
    ) -> None:
        super().__init__(expansion=expansion, downs=downs, limit=limit)
        widths = self.widths
        self.skips = skips
        self.bottleneck = nn.Sequential(*(Residual(widths[-1]) for _ in range(residuals)))
        self.ups = nn.ModuleList(Up(widths[i + 1], widths[i]) for i in reversed(range(downs)))
        self.last = nn.Conv2d(widths[0], 3, 7, padding=3)

    def forward(self, source: Images, motion: Motion) -> Images:
        """Generate the target's image; see `ImageGenerator.forward`."""
        check_halving(source, len(self.downs))
        features = self.encode(source)
        out = warp_visible(features[-1], motion)
        out = self._skip(self.bottleneck(out), features.pop(), motion)
        for up in self.ups:
            out = self._skip(up(out), features.pop(), motion)
        image: Tensor = self.last(out).float().sigmoid()
        return self._skip(image, source, motion)

    def _skip(self, out: Tensor, original: Tensor, motion: Motion) -> Tensor:
        if not self.skips:
            return out
        visible = occlusion_at(motion, size_of(out)).to(out.dtype)
        return visible * warp(original, motion.flow) + (1 - visible) * out
