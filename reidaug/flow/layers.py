"""Convolution blocks and hourglass of FOMM, MRAA and TPSMM, which differ in the norm layer alone.

Anti-aliased shrinking, which learns nothing, is `reidaug.flow.gaussian_filter.downsample`.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reidaug.geometry.flow import size_of

NORMS = ("batch", "instance")


def norm_layer(norm: str, channels: int) -> nn.Module:
    """Build a norm with scale and shift a channel: ``batch`` (FOMM, MRAA) or ``instance`` (TPSMM).

    Raises:
        ValueError: There is no such norm.
    """
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {NORMS}, got {norm!r}")
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels, affine=True)


def check_halving(image: Float[Tensor, "b c h w"], times: int) -> None:
    """Raise `ValueError` for a grid that is pooled away or odd before all halvings are done."""
    height, width = size_of(image)
    cell = 2**times
    if height % cell or width % cell:
        raise ValueError(
            f"{times} halvings need a height and width in multiples of {cell}, "
            f"got {height}x{width}: choose another image size, scale or number of halvings"
        )


class Same(nn.Sequential):
    """Convolution with an odd ``kernel``, norm, ReLU: (B, inputs, h, w) to (B, outputs, h, w)."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, norm: str = "batch") -> None:
        convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        super().__init__(convolution, norm_layer(norm, outputs), nn.ReLU())


class Down(nn.Sequential):
    """3x3 `Same`, then 2x2 average pooling: (h, w) to (h / 2, w / 2)."""

    def __init__(self, inputs: int, outputs: int, *, norm: str = "batch") -> None:
        super().__init__(Same(inputs, outputs, norm=norm), nn.AvgPool2d(2))


class Up(nn.Sequential):
    """Nearest up-sampling, then 3x3 `Same`: (h, w) to (2 h, 2 w)."""

    def __init__(self, inputs: int, outputs: int, *, norm: str = "batch") -> None:
        super().__init__(nn.Upsample(scale_factor=2), Same(inputs, outputs, norm=norm))


class Residual(nn.Module):
    """Twice norm, ReLU, 3x3 convolution, added to the input."""

    def __init__(self, channels: int, *, norm: str = "batch") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            convolution = nn.Conv2d(channels, channels, 3, padding=1)
            layers += [norm_layer(norm, channels), nn.ReLU(), convolution]
        self.change = nn.Sequential(*layers)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Add the convolutions' output to their input (B, C, h, w)."""
        changed: Tensor = features + self.change(features)
        return changed


class Hourglass(nn.Module):
    """Encoder and decoder with a skip connection at every resolution.

    The encoder's channels double from ``2 * expansion`` up to ``limit``; after each doubling the
    encoder's map of that resolution is concatenated, last of all the input itself.

    Args:
        inputs: Channels F of the input.
        expansion: Channels of the last decoder block; the output has ``expansion + F``.
        blocks: Number of halvings.
        limit: Most channels of an encoder map.
        norm: ``batch`` or ``instance``.

    Attributes:
        channels: Channels of each decoder map that `forward` returns, coarse to fine.

    Source:
        FOMM's hourglass, which MRAA and TPSMM took over.
    """

    def __init__(
        self,
        inputs: int,
        *,
        expansion: int = 64,
        blocks: int = 5,
        limit: int = 1024,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        encoded = [inputs, *(min(limit, expansion * 2 ** (i + 1)) for i in range(blocks))]
        decoded = [min(limit, expansion * 2**i) for i in range(blocks)]
        self.channels = tuple(decoded[i] + encoded[i] for i in reversed(range(blocks)))
        self.downs = nn.ModuleList(Down(i, o, norm=norm) for i, o in pairwise(encoded))
        entering = (encoded[-1], *self.channels[:-1])
        self.ups = nn.ModuleList(
            Up(i, o, norm=norm) for i, o in zip(entering, reversed(decoded), strict=True)
        )

    def forward(self, image: Float[Tensor, "b f h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Compute the decoder map of every resolution.

        Args:
            image: Input (B, F, h, w); h and w are multiples of 2 to the power of ``blocks``.

        Returns:
            Decoder maps with the encoder's concatenated, coarse to fine: the last is the output
            (B, expansion + F, h, w), the one before has half its resolution.

        Raises:
            ValueError: See `check_halving`.
        """
        check_halving(image, len(self.downs))
        skips = [image]
        for down in self.downs:
            skips.append(down(skips[-1]))
        features, maps = skips.pop(), []
        for up in self.ups:
            features = torch.cat((up(features), skips.pop()), dim=1)
            maps.append(features)
        return maps
