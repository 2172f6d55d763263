"""DG-Net's generator: structure encoder E_s and decoder G."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import instance_norm, leaky_relu

SLOPE = 0.2  # of every leaky ReLU
STRIDE = 4  # pixels of the image per cell of the structure code


class StructureEncoder(nn.Module):
    """E_s: encodes the structure (body, pose and background) of a grey crop.

    Every convolution has reflection padding, a bias and instance norm without parameters; all but
    the last of each part are followed by a leaky ReLU of slope 0.2.

    Args:
        width: Channels of the first layer; the code has eight times as many.
        blocks: Residual blocks.
        dilations: Of the 3x3 convolutions of the pyramid (ASPP), ascending. Reflection padding
            needs a code whose sides are longer than the last one.

    Source:
        DG-Net's E_s: four convolutions, the first and the last of stride 2, residual blocks, a
        pyramid of dilated convolutions (ASPP). The code has no tanh.
    """

    def __init__(
        self, *, width: int = 16, blocks: int = 4, dilations: Sequence[int] = (3, 6, 9)
    ) -> None:
        super().__init__()
        deep = 4 * width
        self.smallest = STRIDE * (dilations[-1] + 1)
        self.channels = 2 * width * (len(dilations) + 1)
        self.stem = nn.Sequential(
            _conv_norm(1, width, 3, stride=2),
            _conv_norm(width, 2 * width, 3),
            _conv_norm(2 * width, 2 * width, 3),
            _conv_norm(2 * width, deep, 3, stride=2),
        )
        self.blocks = nn.Sequential(*(_Residual(deep) for _ in range(blocks)))
        dilated = (
            nn.Sequential(
                _conv_norm(deep, 2 * width, 1),
                _conv_norm(2 * width, 2 * width, 3, dilation=dilation, active=False),
            )
            for dilation in dilations
        )
        self.pyramid = nn.ModuleList([_conv_norm(deep, 2 * width, 1, active=False), *dilated])
        self.merge = _conv_norm(self.channels, self.channels, 1, active=False)

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Encode crops.

        Args:
            images: Normalised crops (B, 3, H, W); only the mean of the channels is used.

        Returns:
            Structure code s (B, C, H/4, W/4).

        Raises:
            ValueError: A side is too short or no multiple of 4.
        """
        height, width = images.shape[-2:]
        if min(height, width) < self.smallest or height % STRIDE or width % STRIDE:
            raise ValueError(
                f"the structure encoder needs sides of at least {self.smallest} pixels, multiples "
                f"of {STRIDE}, got {height} x {width} (the smallest usual size is 64 x 40)"
            )
        x = self.blocks(self.stem(images.mean(1, keepdim=True)))
        return self.merge(torch.cat([branch(x) for branch in self.pyramid], 1))


class Decoder(nn.Module):
    """G: generates a crop from a structure code and an appearance code.

    The appearance code is split into one slice per residual block. Two small MLPs map each slice
    to the scales and shifts of the two adaptive instance norms of its block.

    Args:
        channels: Channels of the structure code.
        code: Size of the appearance code.
        blocks: Residual blocks.
        hidden: Width of the MLPs.

    Raises:
        ValueError: The code cannot be split into that many equal slices.

    Source:
        DG-Net's G. The scales are used as they are (no "1 +"); the output is linear, in ImageNet's
        normalised space. A slice is a quarter of the channels at all parts of the body, not one
        part of the body.
    """

    def __init__(
        self, *, channels: int = 128, code: int = 8192, blocks: int = 4, hidden: int = 512
    ) -> None:
        super().__init__()
        if code % blocks:
            raise ValueError(f"a code of {code} numbers has no {blocks} slices of equal size")
        self.blocks = nn.ModuleList(_AdaptiveResidual(channels) for _ in range(blocks))
        self.factors, self.shifts = (
            nn.ModuleList(_mlp(code // blocks, hidden, 2 * channels) for _ in range(blocks))
            for _ in range(2)
        )
        half, quarter = channels // 2, channels // 4
        self.draw = nn.Sequential(
            *_upsampling(channels, half),
            *_upsampling(half, quarter),
            reflect_conv(quarter, quarter, 3),
            nn.LeakyReLU(SLOPE),
            reflect_conv(quarter, quarter, 3),
            nn.LeakyReLU(SLOPE),
            reflect_conv(quarter, 3, 1),
        )

    def forward(
        self, structure: Float[Tensor, "b c h w"], code: Float[Tensor, "b k"]
    ) -> Float[Tensor, "b 3 H W"]:
        """Generate normalised crops (B, 3, 4h, 4w) from structure and appearance codes."""
        x = structure
        slices = code.chunk(len(self.blocks), 1)
        for block, factor, shift, part in zip(
            self.blocks, self.factors, self.shifts, slices, strict=True
        ):
            x = block(x, factor(part), shift(part))
        return self.draw(x)


class Generator(nn.Module):
    """Structure encoder and decoder of one domain.

    Args:
        code: Size of the appearance code.
        width: Channels of the structure encoder's first layer.
        blocks: Residual blocks of the encoder and of the decoder.
        hidden: Width of the decoder's MLPs.
        generator: Random generator of the initial weights; the global one when None.

    Raises:
        ValueError: The code cannot be split into that many equal slices.

    Source:
        DG-Net's E_s and G; Kaiming-normal initial weights by fan-in, biases 0.
    """

    def __init__(
        self,
        *,
        code: int = 8192,
        width: int = 16,
        blocks: int = 4,
        hidden: int = 512,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.encode = StructureEncoder(width=width, blocks=blocks)
        self.decode = Decoder(
            channels=self.encode.channels, code=code, blocks=blocks, hidden=hidden
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", generator=generator)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # all of ours have one
            if isinstance(module, SampleLayerNorm):
                nn.init.uniform_(module.gain, generator=generator)

    def forward(
        self, images: Float[Tensor, "b 3 H W"], code: Float[Tensor, "b k"]
    ) -> Float[Tensor, "b 3 H W"]:
        """Generate normalised crops with the structure of given ones and another appearance."""
        return self.decode(self.encode(images), code)


class SampleLayerNorm(nn.Module):
    """Layer norm of each sample over channels and cells, with a gain and a bias per channel.

    Args:
        channels: Channels of its input.

    Source:
        DG-Net's layer norm: unbiased standard deviation, 1e-5 added to it, gains from U(0, 1).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise features (B, C, h, w)."""
        deviation, mean = torch.std_mean(x, (1, 2, 3), keepdim=True)
        return (x - mean) / (deviation + 1e-5) * self.gain + self.bias


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv_norm(channels, channels, 3), _conv_norm(channels, channels, 3, active=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class _AdaptiveResidual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (reflect_conv(channels, channels, 3) for _ in range(2))

    def forward(self, x: Tensor, factors: Tensor, shifts: Tensor) -> Tensor:
        (w1, w2), (b1, b2) = factors.chunk(2, 1), shifts.chunk(2, 1)
        inner = leaky_relu(adaptive_instance_norm(self.first(x), w1, b1), SLOPE)
        return x + adaptive_instance_norm(self.second(inner), w2, b2)


def adaptive_instance_norm(
    x: Float[Tensor, "b c h w"], factor: Float[Tensor, "b c"], shift: Float[Tensor, "b c"]
) -> Float[Tensor, "b c h w"]:
    """AdaIN: instance norm with given standard deviations (of either sign) and means.

    Source:
        DG-Net; 1e-5 is added to the variance.
    """
    return instance_norm(x, eps=1e-5) * factor[..., None, None] + shift[..., None, None]


def reflect_conv(
    channels: int, out: int, kernel: int, *, stride: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """Build a convolution with reflection padding that keeps the size but for the stride."""
    return nn.Conv2d(
        channels,
        out,
        kernel,
        stride=stride,
        dilation=dilation,
        padding=dilation * (kernel // 2),
        padding_mode="reflect" if kernel > 1 else "zeros",
    )


def _conv_norm(
    channels: int, out: int, kernel: int, *, stride: int = 1, dilation: int = 1, active: bool = True
) -> nn.Sequential:
    return nn.Sequential(
        reflect_conv(channels, out, kernel, stride=stride, dilation=dilation),
        nn.InstanceNorm2d(out),
        *([nn.LeakyReLU(SLOPE)] if active else []),
    )


def _upsampling(channels: int, out: int) -> tuple[nn.Module, ...]:
    return (
        nn.Upsample(scale_factor=2),
        reflect_conv(channels, out, 5),
        SampleLayerNorm(out),
        nn.LeakyReLU(SLOPE),
    )


def _mlp(inputs: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.LeakyReLU(SLOPE),
        nn.Linear(hidden, hidden),
        nn.LeakyReLU(SLOPE),
        nn.Linear(hidden, out),
    )
