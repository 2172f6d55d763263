"""TPSMM's image generator, an inpainting network."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.components import Presets
from reidaug.flow.estimator import Images, Motion
from reidaug.flow.layers import Residual, Up, check_halving
from reidaug.flow.rivals.warped_features import PyramidGenerator, occlusion_at, warp_visible
from reidaug.geometry.flow import size_of
from reidaug.geometry.warp import warp


class Inpainting(PyramidGenerator):
    """Encodes the source, warps the features of every resolution, and inpaints what is hidden.

    Convention: see `reidaug.geometry.flow`.

    Args:
        expansion: Channels after the first convolution; every halving doubles them.
        downs: Number of halvings, positive; H and W are multiples of 2 to its power.
        limit: Most channels.

    Raises:
        ValueError: ``downs`` is not positive.

    Source:
        TPSMM's inpainting network. That warped features are concatenated to the decoder's follows
        from the size of the network.
    """

    PRESETS: ClassVar[Presets] = {"paper": {}, "small": {"expansion": 16, "downs": 2}}
    """``paper``: 256x256, TPSMM's widths, 3 halvings; ``small``: 128x64, widths / 4, 2 halvings."""

    def __init__(self, *, expansion: int = 64, downs: int = 3, limit: int = 512) -> None:
        if downs < 1:
            raise ValueError(f"downs must be positive, got {downs}")
        super().__init__(expansion=expansion, downs=downs, limit=limit, norm="instance")
        widths = self.widths
        entering = [2 * width for width in widths[:-1]] + [widths[-1]]
        self.ups = nn.ModuleList(
            nn.Sequential(
                Residual(entering[i + 1], norm="instance"),
                Residual(entering[i + 1], norm="instance"),
                Up(entering[i + 1], widths[i], norm="instance"),
            )
            for i in reversed(range(downs))
        )
        self.last = nn.Conv2d(widths[0], 3, 7, padding=3)

    def forward(self, source: Images, motion: Motion) -> Images:
        """Generate the target's image; see `ImageGenerator.forward`."""
        check_halving(source, len(self.downs))
        warped = [warp_visible(features, motion) for features in self.encode(source)]
        out = warped.pop()
        for up in self.ups[:-1]:
            out = torch.cat((up(out), warped.pop()), dim=1)
        hidden = 1 - occlusion_at(motion, size_of(source))
        out = self.ups[-1](out)
        out = out * hidden.to(out.dtype) + warped.pop()
        return self.last(out).float().sigmoid() * hidden + warp_visible(source, motion)

    def own_losses(self, batch: PosePair, motion: Motion) -> dict[str, Tensor]:
        """Compute ``features``: the source's warped features against the target's.

        Mean absolute difference times occlusion, summed over resolutions; the flow alone gets a
        gradient.

        Source:
            TPSMM's warp loss: neither the encoder nor the occlusion learns from it.
        """
        with torch.no_grad():
            targets, sources = self.encode(batch.target), self.encode(batch.source)
        fixed = motion._replace(occlusion=tuple(part.detach() for part in motion.occlusion))
        total = motion.flow.new_zeros(())
        for target, source in zip(targets, sources, strict=True):
            visible = occlusion_at(fixed, size_of(target))
            apart = target.float() - warp(source.float(), motion.flow)
            total = total + (apart * visible).abs().mean()
        return {"features": total}
