"""DG-Net's generator: the structure of a crop, and a crop drawn in other clothes."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import instance_norm, leaky_relu

SLOPE = 0.2
SHRINK = 4  # pixels of the image a cell of the structure code


class StructureEncoder(nn.Module):
    """Encodes body, pose and background of a grey crop: E_s.

    Every convolution pads by reflection and has a bias and instance norm without weights; all but
    the last ones of each part are followed by a leaky ReLU of slope 0.2.

    Args:
        width: Channels of the first layer; the code has eight times as many.
        blocks: Residual blocks.
        dilations: Of the pyramid's 3x3 convolutions, growing; the code's sides must be longer than
            the last, or reflection has nothing to reflect.

    Source:
        DG-Net's E_s: four convolutions, the first and the last of stride 2,
        residual blocks, a pyramid of dilated convolutions (ASPP). The code has no tanh.
    """

    def __init__(
        self, *, width: int = 16, blocks: int = 4, dilations: Sequence[int] = (3, 6, 9)
    ) -> None:
        super().__init__()
        deep = 4 * width
        self.smallest = SHRINK * (dilations[-1] + 1)
        self.channels = 2 * width * (len(dilations) + 1)
        self.stem = nn.Sequential(
            _normed(1, width, 3, stride=2),
            _normed(width, 2 * width, 3),
            _normed(2 * width, 2 * width, 3),
            _normed(2 * width, deep, 3, stride=2),
        )
        self.blocks = nn.Sequential(*(_Residual(deep) for _ in range(blocks)))
        self.pyramid = nn.ModuleList(
            [
                _normed(deep, 2 * width, 1, active=False),
                *(
                    nn.Sequential(
                        _normed(deep, 2 * width, 1),
                        _normed(2 * width, 2 * width, 3, dilation=dilation, active=False),
                    )
                    for dilation in dilations
                ),
            ]
        )
        self.merge = _normed(self.channels, self.channels, 1, active=False)

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Encode crops.

        Args:
            images: Normalised crops (B, 3, H, W); only the mean of their channels is looked at.

        Returns:
            Structure code (B, C, H/4, W/4).

        Raises:
            ValueError: A side is too short or no multiple of 4.
        """
        height, width = images.shape[-2:]
        if min(height, width) < self.smallest or height % SHRINK or width % SHRINK:
            raise ValueError(
                f"the structure encoder needs sides of at least {self.smallest} pixels, multiples "
                f"of {SHRINK}, got {height} x {width} (the smallest usual size is 64 x 40)"
            )
        x = self.blocks(self.stem(images.mean(1, keepdim=True)))
        return self.merge(torch.cat([branch(x) for branch in self.pyramid], 1))


class Decoder(nn.Module):
    """Draws a crop from a structure code, in the clothes an appearance code tells: G.

    The appearance code is cut into as many slices as there are residual blocks. Of each slice two
    small networks make the factors and the shifts of its block's two adaptive instance norms.

    Args:
        channels: Channels of the structure code.
        code: Size of the appearance code.
        blocks: Residual blocks.
        hidden: Width of the small networks.

    Raises:
        ValueError: The code cannot be cut into that many slices.

    Source:
        DG-Net's G. The factors are used as they are (no "1 +"); the image is linear, in
        ImageNet's normalised space. A slice is a quarter of the channels at all parts of the body,
        not one part.
    """

    def __init__(
        self, *, channels: int = 128, code: int = 8192, blocks: int = 4, hidden: int = 512
    ) -> None:
        super().__init__()
        if code % blocks:
            raise ValueError(f"a code of {code} numbers has no {blocks} slices of equal size")
        self.blocks = nn.ModuleList(_AdaptiveResidual(channels) for _ in range(blocks))
        self.factors, self.shifts = (
            nn.ModuleList(_perceptron(code // blocks, hidden, 2 * channels) for _ in range(blocks))
            for _ in range(2)
        )
        half, quarter = channels // 2, channels // 4
        self.draw = nn.Sequential(
            *_upsampling(channels, half),
            *_upsampling(half, quarter),
            _conv(quarter, quarter, 3),
            nn.LeakyReLU(SLOPE),
            _conv(quarter, quarter, 3),
            nn.LeakyReLU(SLOPE),
            _conv(quarter, 3, 1),
        )

    def forward(
        self, structure: Float[Tensor, "b c h w"], code: Float[Tensor, "b k"]
    ) -> Float[Tensor, "b 3 H W"]:
        """Draw crops.

        Args:
            structure: Structure codes (B, C, h, w).
            code: Appearance codes (B, K).

        Returns:
            Normalised crops (B, 3, 4h, 4w).
        """
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
        hidden: Width of the decoder's small networks.
        generator: Source of the first weights; the global one when None.

    Raises:
        ValueError: The code cannot be cut into that many slices.

    Source:
        DG-Net's E_s and G; weights from a normal distribution by fan-in (Kaiming), biases 0.
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
            if isinstance(module, SampleNorm):
                nn.init.uniform_(module.gain, generator=generator)

    def forward(
        self, images: Float[Tensor, "b 3 H W"], code: Float[Tensor, "b k"]
    ) -> Float[Tensor, "b 3 H W"]:
        """Draw crops as they are but in other clothes.

        Args:
            images: Normalised crops (B, 3, H, W) that give the structure.
            code: Appearance codes (B, K).

        Returns:
            Normalised crops (B, 3, H, W).
        """
        return self.decode(self.encode(images), code)


class SampleNorm(nn.Module):
    """Normalises each sample over all its channels and cells; one gain and one bias a channel.

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
        """Normalise.

        Args:
            x: Features (B, C, h, w).

        Returns:
            The same, each sample of mean 0 and deviation 1 before gain and bias.
        """
        deviation, mean = torch.std_mean(x, (1, 2, 3), keepdim=True)
        return (x - mean) / (deviation + 1e-5) * self.gain + self.bias


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _normed(channels, channels, 3), _normed(channels, channels, 3, active=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class _AdaptiveResidual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (_conv(channels, channels, 3) for _ in range(2))

    def forward(self, x: Tensor, factors: Tensor, shifts: Tensor) -> Tensor:
        (w1, w2), (b1, b2) = factors.chunk(2, 1), shifts.chunk(2, 1)
        inner = leaky_relu(adaptive_instance_norm(self.first(x), w1, b1), SLOPE)
        return x + adaptive_instance_norm(self.second(inner), w2, b2)


def adaptive_instance_norm(
    x: Float[Tensor, "b c h w"], factor: Float[Tensor, "b c"], shift: Float[Tensor, "b c"]
) -> Float[Tensor, "b c h w"]:
    """Give every channel of every sample a new mean and deviation.

    Args:
        x: Features (B, C, h, w).
        factor: New deviations (B, C), of either sign.
        shift: New means (B, C).

    Returns:
        Features (B, C, h, w).

    Source:
        AdaIN as in DG-Net; 1e-5 is added to the variance.
    """
    return instance_norm(x, eps=1e-5) * factor[..., None, None] + shift[..., None, None]


def _conv(channels: int, out: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        channels,
        out,
        kernel,
        stride=stride,
        dilation=dilation,
        padding=dilation * (kernel // 2),
        padding_mode="reflect" if kernel > 1 else "zeros",
    )


def _normed(
    channels: int, out: int, kernel: int, *, stride: int = 1, dilation: int = 1, active: bool = True
) -> nn.Sequential:
    layers = [
        _conv(channels, out, kernel, stride=stride, dilation=dilation),
        nn.InstanceNorm2d(out),
        *([nn.LeakyReLU(SLOPE)] if active else []),
    ]
    return nn.Sequential(*layers)


def _upsampling(channels: int, out: int) -> tuple[nn.Module, ...]:
    return (
        nn.Upsample(scale_factor=2),
        _conv(channels, out, 5),
        SampleNorm(out),
        nn.LeakyReLU(SLOPE),
    )


def _perceptron(inputs: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.LeakyReLU(SLOPE),
        nn.Linear(hidden, hidden),
        nn.LeakyReLU(SLOPE),
        nn.Linear(hidden, out),
    )
