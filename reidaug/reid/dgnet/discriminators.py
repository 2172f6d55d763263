"""Discriminators: D_img for images, and DG-Net++'s D_dom for domains."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from reidaug.reid.dgnet.generator import SLOPE, reflect_conv


class ImageDiscriminator(nn.Module):
    """D_img: scores patches at several scales; shared by all domains.

    Args:
        scales: Networks; each takes the image at half the size of the one before.
        width: Channels of each network's first layers.
        blocks: Residual blocks of each network.
        deviation: Standard deviation of the initial weights. The gain of a convolution grows with
            it and with the square root of the width: narrower networks need larger weights, or
            their scores and gradients vanish.
        generator: Random generator of the initial weights; the global one when None.

    Source:
        DG-Net's D_img: no norm, leaky ReLU 0.2, reflection padding, weights from N(0, 0.02).
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
        self.networks = nn.ModuleList(_patch_network(width, blocks) for _ in range(scales))
        _initialise(self, deviation, generator)

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> tuple[Float[Tensor, "b 1 _ _"], ...]:
        """Score normalised crops: (B, 1, H/4, W/4), (B, 1, H/8, W/8), ...; higher is more real."""
        scores = []
        for network in self.networks:
            scores.append(network(images))
            images = avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)
        return tuple(scores)


class DomainDiscriminator(nn.Module):
    """D_dom: tells pooled features of the source (0) from those of the target (1).

    Args:
        features: Size of the pooled features.
        widths: Of the hidden layers, each with batch norm and leaky ReLU 0.2.
        generator: Random generator of the initial weights; the global one when None.

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
        _initialise(self, 0.02, generator)

    def forward(self, pooled: Float[Tensor, "b d"]) -> Float[Tensor, "b 1"]:
        """Score pooled features (B, D): one score (B, 1) each."""
        return self.layers(pooled)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            reflect_conv(channels, channels, 3),
            nn.LeakyReLU(SLOPE),
            reflect_conv(channels, channels, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _patch_network(width: int, blocks: int) -> nn.Sequential:
    layers = (
        reflect_conv(3, width, 1),
        reflect_conv(width, width, 3),
        reflect_conv(width, width, 3, stride=2),
        reflect_conv(width, width, 3),
        reflect_conv(width, 2 * width, 3, stride=2),
    )
    return nn.Sequential(
        *(module for layer in layers for module in (layer, nn.LeakyReLU(SLOPE))),
        *(_Residual(2 * width) for _ in range(blocks)),
        reflect_conv(2 * width, 1, 1),
    )


def _initialise(module: nn.Module, deviation: float, generator: torch.Generator | None) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, std=deviation, generator=generator)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # all of ours have one
