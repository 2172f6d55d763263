"""DG-Net's judges: is this crop real, and which domain is this feature from?"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

SLOPE = 0.2


class ImageDiscriminator(nn.Module):
    """Scores patches of crops at several scales: D_img, one for all domains.

    Args:
        scales: Networks; each sees the image half as large as the one before.
        width: Channels of each network's first layers.
        blocks: Residual blocks of each.
        deviation: Of the first weights. A convolution's gain grows with it and with the square root
            of the width: narrower networks need larger weights, or their scores and slopes vanish.
        generator: Source of the first weights; the global one when None.

    Source:
        DG-Net's D_img: no norm, leaky ReLU 0.2, reflection, weights from N(0, 0.02).
    """

    def __init__(
        self,
        *,
        scales: int = 3,
        width: int = 32,
        blocks: int = 4,
        deviation: float = 0.02,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(_judge(width, blocks) for _ in range(scales))
        _draw_weights(self, deviation, generator)

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> tuple[Float[Tensor, "b 1 _ _"], ...]:
        """Judge crops.

        Args:
            images: Normalised crops (B, 3, H, W).

        Returns:
            Scores (B, 1, H/4, W/4), (B, 1, H/8, W/8), ... by scale; the higher the more real.
        """
        scores = []
        for network in self.networks:
            scores.append(network(images))
            images = avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)
        return tuple(scores)


class DomainDiscriminator(nn.Module):
    """Tells whether pooled features come from the source (0) or the target (1): D_dom.

    Args:
        features: Size of the pooled features.
        widths: Of the hidden layers, each with batch norm and leaky ReLU 0.2.
        generator: Source of the first weights; the global one when None.

    Source:
        DG-Net++'s D_dom; weights from N(0, 0.02).
    """

    def __init__(
        self,
        *,
        features: int = 2048,
        widths: Sequence[int] = (1024, 512, 256),
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, out in pairwise((features, *widths)):
            layers += [nn.Linear(inputs, out), nn.BatchNorm1d(out), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))
        _draw_weights(self, 0.02, generator)

    def forward(self, pooled: Float[Tensor, "b d"]) -> Float[Tensor, "b 1"]:
        """Judge features.

        Args:
            pooled: Pooled features (B, D).

        Returns:
            Scores (B, 1).
        """
        return self.layers(pooled)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(channels, channels, 3), nn.LeakyReLU(SLOPE), _conv(channels, channels, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _judge(width: int, blocks: int) -> nn.Sequential:
    layers = (
        _conv(3, width, 1),
        _conv(width, width, 3),
        _conv(width, width, 3, stride=2),
        _conv(width, width, 3),
        _conv(width, 2 * width, 3, stride=2),
    )
    return nn.Sequential(
        *(module for layer in layers for module in (layer, nn.LeakyReLU(SLOPE))),
        *(_Residual(2 * width) for _ in range(blocks)),
        _conv(2 * width, 1, 1),
    )


def _conv(channels: int, out: int, kernel: int, *, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        channels,
        out,
        kernel,
        stride=stride,
        padding=kernel // 2,
        padding_mode="reflect" if kernel > 1 else "zeros",
    )


def _draw_weights(module: nn.Module, deviation: float, generator: torch.Generator | None) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, std=deviation, generator=generator)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # all of ours have one
