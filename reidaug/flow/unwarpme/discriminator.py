"""Discriminators: what all of them answer, and the one that scores patches.

Whoever trains asks `Discriminator.loss` and `Discriminator.generator_losses` and need not know
which discriminator it has; `reidaug.flow.unwarpme.continuous_discriminator` holds the other one.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from reidaug.flow.components import Component, Presets
from reidaug.flow.unwarpme.adversarial_losses import (
    discriminator_loss,
    generator_loss,
    matching_loss,
)
from reidaug.geometry.pose import OPENPOSE_18, Pose, pose_maps


class Discriminator(Component, ABC):
    """Scores patches of images; knows its own loss and what it asks of a generator."""

    @abstractmethod
    def forward(self, image: Float[Tensor, "b 3 H W"], pose: Pose) -> list[Tensor]:
        """Judge images.

        Args:
            image: Images (B, 3, H, W) in [0, 1].
            pose: Joints (B, 18, 2) in pixels of these images.

        Returns:
            Features (B, C, h, w) after every block; the last are the scores (B, 1, h, w), the
            higher the more real.

        Raises:
            ValueError: The images are too small.
        """

    @abstractmethod
    def loss(
        self,
        real_image: Float[Tensor, "b 3 H W"],
        fake_image: Float[Tensor, "b 3 H W"],
        pose: Pose,
        generator: torch.Generator,
    ) -> Float[Tensor, ""]:
        """Work out the loss of the discriminator's own step; neither image gets a gradient.

        Args:
            real_image: Target images (B, 3, H, W) in [0, 1].
            fake_image: What was drawn of them (B, 3, H, W).
            pose: Target joints (B, 18, 2).
            generator: Source of chance, on the CPU.

        Returns:
            The loss.
        """

    @abstractmethod
    def generator_losses(
        self,
        real_image: Float[Tensor, "b 3 H W"],
        fake_image: Float[Tensor, "b 3 H W"],
        pose: Pose,
    ) -> dict[str, Tensor]:
        """Work out the losses of the generator's step; only the drawn image gets a gradient.

        Args:
            real_image: Target images (B, 3, H, W) in [0, 1].
            fake_image: What was drawn of them (B, 3, H, W).
            pose: Target joints (B, 18, 2).

        Returns:
            Unweighted losses by the names of `reidaug.flow.training.objective.Weights`.
        """

    def _judge(self, image: Float[Tensor, "b 3 H W"], pose: Pose) -> list[Tensor]:
        # As `forward`, with parameters that get no gradient.
        fixed = {name: parameter.detach() for name, parameter in self.named_parameters()}
        judged: list[Tensor] = functional_call(self, fixed, (image, pose))
        return judged


class PatchDiscriminator(Discriminator):
    """FOMM's patch discriminator: valid 4x4 convolutions, then one score a patch.

    Every block is a convolution, instance norm (not in the first), leaky ReLU and, except in the
    last, average pooling. At 256x256 there are 26x26 scores, at 128x64 10x2.

    Args:
        conditioned: Whether maps of the 18 joints are concatenated to the image.
        widths: Output channels of the blocks, two at least.
        sigma: Width of a joint's Gaussian in pixels of the image.

    Raises:
        ValueError: A keyword is out of range.

    Source:
        UnWarpME Sec. 4.2: conditioned on the target pose p_d = p_t by concatenation; the rest is
        FOMM's, whose own discriminator sees no joints in its fashion setting.
    """

    PRESETS: ClassVar[Presets] = {
        "paper": {"sigma": 6.0},
        "small": {"sigma": 3.0, "widths": (16, 32, 64, 128)},
        "fomm": {"conditioned": False},
    }
    """``paper`` (256x256, sees the pose), ``small`` (128x64, sees the pose, a quarter as wide) or
    ``fomm`` (sees no pose, any size)."""

    def __init__(
        self,
        *,
        conditioned: bool = True,
        widths: Sequence[int] = (64, 128, 256, 512),
        sigma: float = 6.0,
    ) -> None:
        if len(widths) < 2:
            raise ValueError(f"at least two widths, got {len(widths)}")
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma}")
        super().__init__()
        self.conditioned, self.sigma = conditioned, sigma
        channels = pairwise((3 + conditioned * len(OPENPOSE_18), *widths))
        self.blocks = nn.ModuleList(
            _block(i, o, first=k == 0, last=k == len(widths) - 1)
            for k, (i, o) in enumerate(channels)
        )
        self.score = nn.Conv2d(widths[-1], 1, 1)
        self.smallest = 5  # two cells after the last convolution: instance norm needs them
        for _ in widths[1:]:
            self.smallest = 2 * self.smallest + 3

    def forward(self, image: Float[Tensor, "b 3 H W"], pose: Pose) -> list[Tensor]:
        """Judge the patches of images.

        Args:
            image: Images (B, 3, H, W) in [0, 1], at least 61 by 61 pixels with four blocks.
            pose: Joints (B, 18, 2) in pixels of these images; ignored unless ``conditioned``.

        Returns:
            Features (B, C, h, w) after every block; the last are the scores (B, 1, h, w).

        Raises:
            ValueError: The images are too small.
        """
        height, width = image.shape[-2:]
        if min(height, width) < self.smallest:
            raise ValueError(
                f"the discriminator needs images of at least {self.smallest} x {self.smallest} "
                f"pixels, got {height} x {width}"
            )
        x = image
        if self.conditioned:
            size = (height, width)
            maps = pose_maps(pose, size, canvas=size, sigma=self.sigma)
            x = torch.cat((image, maps.to(image.dtype)), 1)
        found: list[Tensor] = []
        for block in (*self.blocks, self.score):
            x = block(x)
            found.append(x)
        return found

    def loss(
        self,
        real_image: Float[Tensor, "b 3 H W"],
        fake_image: Float[Tensor, "b 3 H W"],
        pose: Pose,
        generator: torch.Generator,
    ) -> Float[Tensor, ""]:
        """Ask for scores of 1 for real and 0 for drawn images; neither gets a gradient.

        Args:
            real_image: Target images (B, 3, H, W) in [0, 1].
            fake_image: What was drawn of them (B, 3, H, W).
            pose: Target joints (B, 18, 2).
            generator: Not needed.

        Returns:
            `reidaug.flow.unwarpme.adversarial_losses.discriminator_loss`.

        Source:
            UnWarpME Eq. 7, maximised over D.
        """
        del generator
        real = self(real_image.detach(), pose)[-1]
        return discriminator_loss(real, self(fake_image.detach(), pose)[-1])

    def generator_losses(
        self,
        real_image: Float[Tensor, "b 3 H W"],
        fake_image: Float[Tensor, "b 3 H W"],
        pose: Pose,
    ) -> dict[str, Tensor]:
        """Ask for images that look real, and real like the target.

        Args:
            real_image: Target images (B, 3, H, W) in [0, 1].
            fake_image: What was drawn of them (B, 3, H, W); it alone gets a gradient.
            pose: Target joints (B, 18, 2).

        Returns:
            ``generative`` (Eq. 7) and ``matching`` (FOMM's, over the blocks without the scores).

        Source:
            UnWarpME Eq. 7, minimised over G.
        """
        with torch.no_grad():
            real = self._judge(real_image, pose)
        fake = self._judge(fake_image, pose)
        return {
            "generative": generator_loss(fake[-1]),
            "matching": matching_loss(real[:-1], fake[:-1]),
        }


def _block(channels: int, out: int, *, first: bool, last: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(channels, out, 4)]
    if not first:
        layers.append(nn.InstanceNorm2d(out, affine=True))
    layers.append(nn.LeakyReLU(0.2))
    if not last:
        layers.append(nn.AvgPool2d(2))
    return nn.Sequential(*layers)
