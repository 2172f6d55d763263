"""Convolution blocks of FOMM, MRAA and TPSMM, which differ in the norm layer alone.

Anti-aliased shrinking, which learns nothing, is `reidaug.flow.gaussian_filter.downsample`.
"""

from jaxtyping import Float
from torch import Tensor, nn

NORMS = ("batch", "instance")


def norm_layer(norm: str, channels: int) -> nn.Module:
    """Make a norm layer with a scale and a shift a channel.

    Args:
        norm: ``batch`` (FOMM, MRAA) or ``instance`` (TPSMM).
        channels: Channels of what it normalises.

    Returns:
        The layer.

    Raises:
        ValueError: There is no such norm.
    """
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {NORMS}, got {norm!r}")
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels, affine=True)


def check_halving(picture: Float[Tensor, "b c h w"], times: int) -> None:
    """Ask that a picture can be halved as often as a network does.

    Args:
        picture: Images or grids (B, C, h, w).
        times: How often it will be halved.

    Raises:
        ValueError: It would be pooled away, or does not halve evenly.
    """
    height, width = picture.shape[-2:]
    cell = 2**times
    if height % cell or width % cell:
        raise ValueError(
            f"{times} halvings need a height and width in multiples of {cell}, "
            f"got {height}x{width}: choose another image size, scale or number of halvings"
        )


class Same(nn.Sequential):
    """Convolution, norm, ReLU: (B, inputs, h, w) to (B, outputs, h, w).

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        kernel: Size of the convolution, odd.
        norm: ``batch`` or ``instance``.
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, norm: str = "batch") -> None:
        convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        super().__init__(convolution, norm_layer(norm, outputs), nn.ReLU())


class Down(nn.Sequential):
    """3x3 convolution, norm, ReLU, then the mean of every 2x2 cells: (h, w) to (h / 2, w / 2).

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        norm: ``batch`` or ``instance``.
    """

    def __init__(self, inputs: int, outputs: int, *, norm: str = "batch") -> None:
        super().__init__(Same(inputs, outputs, norm=norm), nn.AvgPool2d(2))


class Up(nn.Sequential):
    """Every cell four times, then 3x3 convolution, norm, ReLU: (h, w) to (2 h, 2 w).

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        norm: ``batch`` or ``instance``.
    """

    def __init__(self, inputs: int, outputs: int, *, norm: str = "batch") -> None:
        super().__init__(nn.Upsample(scale_factor=2), Same(inputs, outputs, norm=norm))


class Residual(nn.Module):
    """Twice norm, ReLU, 3x3 convolution, added to what came in.

    Args:
        channels: Channels that come in and go out.
        norm: ``batch`` or ``instance``.
    """

    def __init__(self, channels: int, *, norm: str = "batch") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            convolution = nn.Conv2d(channels, channels, 3, padding=1)
            layers += [norm_layer(norm, channels), nn.ReLU(), convolution]
        self.change = nn.Sequential(*layers)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Add what the convolutions change.

        Args:
            features: Features (B, C, h, w).

        Returns:
            Features of the same shape.
        """
        changed: Tensor = features + self.change(features)
        return changed
