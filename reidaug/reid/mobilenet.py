"""MobileNetV2 with a batch-normalised neck, on torchvision's implementation."""

import re
from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.mobilenetv2 import MobileNetV2
from torchvision.ops import Conv2dNormActivation

from reidaug.reid.mixed_precision import MixedPrecisionConv2d
from reidaug.reid.neck import TrunkAndNeck

CHANNELS = 1280
# Expansion, channels, blocks and stride of the stages, up to the one whose stride is an option.
STAGES = ([1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1])

# Layers of a block by their place in one flat sequence, activations included, as files from before
# torchvision have them; and torchvision's names of the same layers.
FLAT = re.compile(r"(features\.(\d+)\.conv)\.(\d+)\.(?=\w+$)")
EXPANDING = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}
FIRST = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}
FIRST_BLOCK = "1"  # which does not expand
FLAT_ALONE = "features.2.conv.7.weight"  # a name that torchvision does not have


class PersonMobileNetV2(TrunkAndNeck):
    """MobileNetV2 of width 1 with a batch-normalised neck.

    Args:
        people: Number of identities.
        last_stride: Stride of the last stage that has one; image classifiers have 2.
        pooling: As in `TrunkAndNeck`.
        embedding: As in `TrunkAndNeck`.
        generator: Generator of the initial weights; the global one when None.

    Source:
        Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", Table 2.
    """

    def __init__(
        self,
        people: int,
        *,
        last_stride: int = 1,
        pooling: Literal["avg", "gem", "gem_learnt"] = "avg",
        embedding: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            MobileNetV2Trunk(last_stride),
            CHANNELS,
            people,
            pooling=pooling,
            embedding=embedding,
            generator=generator,
        )

    def own_names(self, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `ReIDModel.own_names`: blocks as one flat sequence of layers."""
        if not any(key.endswith(FLAT_ALONE) for key in stored):
            return dict(stored)
        return {FLAT.sub(_nested, key): value for key, value in stored.items()}


class MobileNetV2Trunk(nn.Module):
    """torchvision's ``features``, with its names, and the given stride of the last stage.

    Its depthwise convolutions are those of `MixedPrecisionConv2d`.
    """

    def __init__(self, last_stride: int) -> None:
        super().__init__()
        stages = [*STAGES, [6, 160, 3, last_stride], [6, 320, 1, 1]]
        self.features = MobileNetV2(inverted_residual_setting=stages, num_classes=1).features
        for layer in self.features.modules():
            if isinstance(layer, Conv2dNormActivation) and layer[0].groups > 1:
                layer[0] = _mixed_precision(layer[0])

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Compute the last layer's map (B, 1280, h, w) of normalised crops (B, 3, H, W)."""
        return self.features(images)


def _mixed_precision(conv: nn.Conv2d) -> MixedPrecisionConv2d:
    channels = conv.in_channels
    return MixedPrecisionConv2d(
        channels, channels, 3, conv.stride[0], padding=1, groups=channels, bias=False
    )


def _nested(name: re.Match[str]) -> str:
    block, number, layer = name.groups()
    layers = FIRST if number == FIRST_BLOCK else EXPANDING
    return f"{block}.{layers.get(layer, layer)}."
