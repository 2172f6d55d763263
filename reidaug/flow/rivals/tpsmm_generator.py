"""TPSMM's image generator: warped features at every resolution, filled in where they are hidden."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.components import Presets
from reidaug.flow.estimator import Motion
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.layers import Down, Residual, Same, Up, check_halving
from reidaug.flow.rivals.fomm_generator import occlusion_at, shown
from reidaug.geometry.warp import warp


class Inpainting(ImageGenerator):
    """Encodes the source, moves the features of every resolution, and fills in what is hidden.

    Convention: see `reidaug.geometry.flow`.

    Args:
        expansion: Channels after the first convolution; every halving doubles them.
        downs: How often the image is halved.
        limit: Most channels.

    Raises:
        ValueError: The image is not halved at all.

    Source:
        TPSMM's inpainting network. Warped features are appended to the decoder's, as the size of
        the network tells.
    """

    PRESETS: ClassVar[Presets] = {
        "paper": {},
        "small": {"expansion": 16, "downs": 2},
    }
    """``paper`` (TPSMM's widths and three halvings, for 256x256) or ``small`` (a quarter of the
    widths, two halvings, for 128x64)."""

    def __init__(self, *, expansion: int = 64, downs: int = 3, limit: int = 512) -> None:
        super().__init__()
        if downs < 1:
            raise ValueError(f"downs must be positive, got {downs}")
        widths = [min(limit, expansion * 2**i) for i in range(downs + 1)]
        coming = [2 * width for width in widths[:-1]] + widths[-1:]
        self.first = Same(3, widths[0], kernel=7, norm="instance")
        self.downs = nn.ModuleList(
            Down(widths[i], widths[i + 1], norm="instance") for i in range(downs)
        )
        self.ups = nn.ModuleList(
            nn.Sequential(
                Residual(coming[i + 1], norm="instance"),
                Residual(coming[i + 1], norm="instance"),
                Up(coming[i + 1], widths[i], norm="instance"),
            )
            for i in reversed(range(downs))
        )
        self.last = nn.Conv2d(widths[0], 3, 7, padding=3)

    def encode(self, image: Float[Tensor, "b 3 H W"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Give an image's features at every resolution.

        Args:
            image: Images (B, 3, H, W) in [0, 1].

        Returns:
            Features, fine to coarse.
        """
        features = [self.first(image)]
        for down in self.downs:
            features.append(down(features[-1]))
        return features

    def forward(self, source: Float[Tensor, "b 3 H W"], motion: Motion) -> Float[Tensor, "b 3 H W"]:
        """Draw the target.

        Args:
            source: Source images (B, 3, H, W) in [0, 1]; H and W are multiples of 8 (of 2 to the
                power of ``downs``).
            motion: Flow and occlusion of any size.

        Returns:
            Images (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: The image does not halve evenly.
        """
        check_halving(source, len(self.downs))
        moved = [shown(features, motion) for features in self.encode(source)]
        out = moved.pop()
        for up in self.ups[:-1]:
            out = torch.cat((up(out), moved.pop()), dim=1)
        hidden = 1 - occlusion_at(motion, (source.shape[-2], source.shape[-1]))
        out = self.ups[-1](out)
        out = out * hidden.to(out.dtype) + moved.pop()
        return self.last(out).float().sigmoid() * hidden + shown(source, motion)

    def own_losses(self, batch: PosePair, motion: Motion) -> dict[str, Tensor]:
        """Compare the source's moved features with the target's, for the flow's sake alone.

        Args:
            batch: Pairs.
            motion: What an estimator said of them; the gradient goes into its flow.

        Returns:
            ``features``: the sum over resolutions of the mean absolute difference, where the source
            shows what is there.

        Source:
            TPSMM's warp loss: neither the encoder nor the occlusion learns from it.
        """
        with torch.no_grad():
            wanted, given = self.encode(batch.target), self.encode(batch.source)
        still = motion._replace(occlusion=tuple(part.detach() for part in motion.occlusion))
        total = motion.flow.new_zeros(())
        for target, source in zip(wanted, given, strict=True):
            seen = occlusion_at(still, (target.shape[-2], target.shape[-1]))
            apart = target.float() - warp(source.float(), motion.flow)
            total = total + (apart * seen).abs().mean()
        return {"features": total}
