"""The refinement network R: the target's image from warped features.

The paper trains W through R; with exact flows or the affine task W trains without it.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from reidaug.flow.components import Presets
from reidaug.flow.estimator import Images, Motion
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.layers import Down, Residual, Up
from reidaug.geometry.flow import size_of
from reidaug.geometry.warp import warp

CELL = 4  # pixels per feature cell: the encoder halves twice


class Refinement(ImageGenerator):
    """R: encode the source, warp its features with the flow, decode them to an image.

    Encoder: two convolutions, each followed by batch norm, ReLU and average pooling. Decoder:
    residual blocks, two up-samplings each followed by a convolution with batch norm, a 7x7
    convolution and a sigmoid. Without ``skip`` all of the source passes through the flow, so that
    missing regions have to come through it.

    Args:
        width: Channels of the warped features, a multiple of 4.
        blocks: Residual blocks of the decoder.
        skip: Whether the decoder's first layer, then a 1x1 convolution, also gets the unwarped
            features.
        encoder_rate: Learning rate of the encoder, as a multiple of the decoder's.

    Raises:
        ValueError: A keyword is out of range.

    Source:
        UnWarpME Sec. 4.2, 5.5 and, for ``skip``, the negative result of Sec. 5.8. Kernels, the
        content of the blocks and the last layer are FOMM's. ``encoder_rate`` is our reading of the
        "counter learning rate" of the paper's conclusion: a lower rate for the encoder, so that the
        flow and not the encoder absorbs misalignment; 1 is the plain alternative.
    """

    PRESETS: ClassVar[Presets] = {
        "paper": {"width": 256, "blocks": 6},
        "small": {"width": 64, "blocks": 6},
    }
    """``paper``: 256 channels at a quarter of the image; ``small``: 64, minutes on a CPU."""

    def __init__(
        self,
        *,
        width: int = 256,
        blocks: int = 6,
        skip: bool = False,
        encoder_rate: float = 0.1,
    ) -> None:
        if width < CELL or width % CELL:
            raise ValueError(f"width must be a multiple of {CELL}, got {width}")
        if blocks < 1:
            raise ValueError(f"blocks must be at least 1, got {blocks}")
        if not encoder_rate >= 0:
            raise ValueError(f"encoder_rate must not be negative, got {encoder_rate}")
        super().__init__()
        self.skip, self.encoder_rate = skip, encoder_rate
        self.encoder = nn.Sequential(Down(3, width // 2), Down(width // 2, width))
        join = [nn.Conv2d(2 * width, width, 1)] if skip else []
        self.decoder = nn.Sequential(
            *join,
            *(Residual(width) for _ in range(blocks)),
            Up(width, width // 2),
            Up(width // 2, width // 4),
            nn.Conv2d(width // 4, 3, 7, padding=3),
        )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return encoder and decoder, each with its multiple of the base ``rate``."""
        return [
            {"params": list(self.encoder.parameters()), "rate": self.encoder_rate},
            {"params": list(self.decoder.parameters()), "rate": 1.0},
        ]

    def forward(self, source: Images, motion: Motion) -> Images:
        """Generate y_o; H and W are multiples of 4, occlusion is not used."""
        height, width = size_of(source)
        if height % CELL or width % CELL:
            raise ValueError(f"image sides must be multiples of {CELL}, got {height} x {width}")
        features = self.encoder(source)
        warped = warp(features, motion.flow)
        if self.skip:
            warped = torch.cat((features, warped), 1)
        output: Tensor = self.decoder(warped)
        return torch.sigmoid(output.float())
