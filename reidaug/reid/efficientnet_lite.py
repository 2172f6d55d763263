"""EfficientNet-Lite0 with a batch-normalised neck."""

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from reidaug.reid.backbones import Renormalise
from reidaug.reid.mixed_precision import MixedPrecisionConv2d
from reidaug.reid.neck import TrunkAndNeck

CHANNELS = 1280
# Blocks, size of the depthwise kernel, stride, expansion and channels of the stages; the stride of
# the last stage that has one is an option.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STRIDED = 5
STEM = 32
# Published statistics of the input, as shares of white: 127 and 128 of 255.
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3
# TensorFlow's batch norm of the EfficientNets: its momentum .99 is the share that is kept.
EPS, MOMENTUM = 1e-3, 0.01


class PersonEfficientNetLite0(TrunkAndNeck):
    """EfficientNet-Lite0 with a batch-normalised neck; without dropout and stochastic depth.

    Args:
        people: Number of identities.
        last_stride: Stride of the last stage that has one; image classifiers have 2.
        pooling: As in `TrunkAndNeck`.
        embedding: As in `TrunkAndNeck`.
        generator: Generator of the initial weights; the global one when None.

    Source:
        Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
        Table 1; Lite0 has no squeeze-and-excitation, and ReLU6 in place of swish.
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
            EfficientNetLite0Trunk(last_stride),
            CHANNELS,
            people,
            pooling=pooling,
            embedding=embedding,
            generator=generator,
        )

    def own_names(self, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `ReIDModel.own_names`: every part of a name begins with an underscore."""
        return {
            ".".join(part.removeprefix("_") for part in key.split(".")): value
            for key, value in stored.items()
        }


class EfficientNetLite0Trunk(nn.Module):
    """Stem, seven stages and the last pointwise convolution, each with batch norm.

    Args:
        last_stride: Stride of the last stage that has one.
    """

    def __init__(self, last_stride: int) -> None:
        super().__init__()
        self.renormalise = Renormalise(MEAN, STD)
        self.conv_stem = SameConv2d(3, STEM, 3, stride=2)
        self.bn0 = _norm(STEM)
        self.blocks = nn.Sequential(*_blocks(last_stride))
        self.conv_head = nn.Conv2d(STAGES[-1][-1], CHANNELS, 1, bias=False)
        self.bn1 = _norm(CHANNELS)
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Compute the last layer's map (B, 1280, h, w) of normalised crops (B, 3, H, W)."""
        maps = self.relu(self.bn0(self.conv_stem(self.renormalise(images))))
        return self.relu(self.bn1(self.conv_head(self.blocks(maps))))


class InvertedResidual(nn.Module):
    """Pointwise expansion, depthwise convolution, linear projection; a shortcut where sizes agree.

    Args:
        channels: Input channels.
        out: Output channels.
        expansion: Factor of the channels in between; 1 for no expansion.
        kernel: Size of the depthwise kernel.
        stride: Stride of the depthwise convolution.
    """

    def __init__(self, channels: int, out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.expands, self.shortcut = expansion > 1, stride == 1 and channels == out
        if self.expands:
            self.expand_conv = nn.Conv2d(channels, wide, 1, bias=False)
            self.bn0 = _norm(wide)
        self.depthwise_conv = SameConv2d(wide, wide, kernel, stride=stride, groups=wide)
        self.bn1 = _norm(wide)
        self.project_conv = nn.Conv2d(wide, out, 1, bias=False)
        self.bn2 = _norm(out)
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        """Transform a map (B, C, h, w)."""
        wide = self.relu(self.bn0(self.expand_conv(maps))) if self.expands else maps
        out = self.bn2(self.project_conv(self.relu(self.bn1(self.depthwise_conv(wide)))))
        return maps + out if self.shortcut else out


class SameConv2d(MixedPrecisionConv2d):
    """A convolution without bias, padded as TensorFlow's ``SAME``.

    Its output has ceil(size / stride) places. Where the padding does not divide by two, the right
    and the bottom get one pixel more: on a side of even length, kernels with stride 2 lie a pixel
    further than with symmetric padding, and pre-trained weights expect them there.
    """

    def __init__(
        self, channels: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(channels, out, kernel, stride=stride, groups=groups, bias=False)
        if stride == 1:
            self.padding = (kernel // 2, kernel // 2)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        """Convolve a map (B, C, h, w)."""
        if self.stride[0] == 1:
            return super().forward(maps)
        left, right = _same_padding(maps.shape[3], self.kernel_size[0], self.stride[0])
        top, bottom = _same_padding(maps.shape[2], self.kernel_size[0], self.stride[0])
        return super().forward(pad(maps, (left, right, top, bottom)))


def _blocks(last_stride: int) -> Iterator[InvertedResidual]:
    channels = STEM
    for number, (count, kernel, stride, expansion, out) in enumerate(STAGES):
        first = last_stride if number == STRIDED else stride
        for block in range(count):
            yield InvertedResidual(channels, out, expansion, kernel, 1 if block else first)
            channels = out


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPS, momentum=MOMENTUM)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after a side of so many pixels."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
