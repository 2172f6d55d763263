"""Discriminators of generated images: the interface, and the patch discriminator of Eq. 7.

`reidaug.flow.unwarpme.continuous_discriminator` holds the other one.
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
from reidaug.flow.estimator import Images
from reidaug.flow.unwarpme.losses import discriminator_loss, generator_loss, matching_loss
from reidaug.geometry.pose import OPENPOSE_18, Pose, pose_maps


class Discriminator(Component, ABC):
    """Scores patches of images, conditioned on a pose; owns its loss and the generator's."""

    blocks: nn.ModuleList  # layers, one after the other
    score: nn.Module  # last layer: one score a patch

    @abstractmethod
    def condition(self, image: Images, pose: Pose) -> Float[Tensor, "b c h w"]:
        """Combine images and poses to the input (B, C, h, w) of the first block; see `forward`."""

    def forward(self, image: Images, pose: Pose) -> list[Tensor]:
        """Score images.

        Args:
            image: Images (B, 3, H, W) in [0, 1].
            pose: Joints (B, 18, 2) in pixels of these images.

        Returns:
            Features (B, C, h, w) after every block; the last are the scores (B, 1, h, w), the
            higher the more real.

        Raises:
            ValueError: The images are too small.
        """
        return self.features(self.condition(image, pose))

    def features(self, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
        """Run the blocks on their input; see `forward`."""
        outputs: list[Tensor] = []
        for block in (*self.blocks, self.score):
            x = block(x)
            outputs.append(x)
        return outputs

    @abstractmethod
    def loss(self, real: Images, fake: Images, pose: Pose, generator: torch.Generator) -> Tensor:
        """Compute the loss of the discriminator's own step; neither image gets a gradient.

        Args:
            real: Target images (B, 3, H, W) in [0, 1].
            fake: Generated images (B, 3, H, W).
            pose: Target joints (B, 18, 2).
            generator: Random generator, on the CPU.
        """

    @abstractmethod
    def generator_losses(self, real: Images, fake: Images, pose: Pose) -> dict[str, Tensor]:
        """Compute the losses of the generator's step; only the generated image gets a gradient.

        Arguments as in `loss`; unweighted, by names of `reidaug.flow.loss_weights.LossWeights`.
        """

    def frozen(self, image: Images, pose: Pose) -> list[Tensor]:
        """Score images as `forward` does, with parameters that get no gradient."""
        fixed = {name: parameter.detach() for name, parameter in self.named_parameters()}
        outputs: list[Tensor] = functional_call(self, fixed, (image, pose))
        return outputs


class PatchDiscriminator(Discriminator):
    """FOMM's patch discriminator: valid 4x4 convolutions, then one score a patch.

    Every block is a convolution, instance norm (not in the first), leaky ReLU and, except in the
    last, average pooling. At 256x256 there are 26x26 scores, at 128x64 10x2. With four blocks
    images have at least 61 by 61 pixels.

    Args:
        conditioned: Whether maps of the 18 joints are concatenated to the image.
        widths: Output channels of the blocks, at least two.
        sigma: Width of a joint's Gaussian in pixels of the image.

    Raises:
        ValueError: A keyword is out of range.

    Source:
        UnWarpME Sec. 4.2: conditioned on the target pose p_d = p_t by concatenation; the rest is
        FOMM's, whose own discriminator gets no joints in its fashion setting.
    """

    PRESETS: ClassVar[Presets] = {
        "paper": {"sigma": 6.0},
        "small": {"sigma": 3.0, "widths": (16, 32, 64, 128)},
        "fomm": {"conditioned": False},
    }
    """``paper``: 256x256, with pose maps; ``small``: 128x64, with pose maps, a quarter of the
    widths; ``fomm``: any size, without pose maps."""

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
        self.min_side = 5  # two cells after the last convolution: instance norm needs them
        for _ in widths[1:]:
            self.min_side = 2 * self.min_side + 3

    def condition(self, image: Images, pose: Pose) -> Float[Tensor, "b c H W"]:
        """Concatenate the pose maps to the image, if ``conditioned``."""
        height, width = image.shape[-2:]
        if min(height, width) < self.min_side:
            raise ValueError(
                f"the discriminator needs images of at least {self.min_side} x {self.min_side} "
                f"pixels, got {height} x {width}"
            )
        if not self.conditioned:
            return image
        size = (height, width)
        maps = pose_maps(pose, size, canvas=size, sigma=self.sigma)
        return torch.cat((image, maps.to(image.dtype)), 1)

    def loss(self, real: Images, fake: Images, pose: Pose, generator: torch.Generator) -> Tensor:
        """Compute Eq. 7's side of D, `discriminator_loss`."""
        del generator
        scores = self(real.detach(), pose)[-1], self(fake.detach(), pose)[-1]
        return discriminator_loss(*scores)

    def generator_losses(self, real: Images, fake: Images, pose: Pose) -> dict[str, Tensor]:
        """Compute ``generative`` (Eq. 7's side of G) and ``matching`` (over all blocks)."""
        with torch.no_grad():
            features = self.frozen(real, pose)
        generated = self.frozen(fake, pose)
        return {
            "generative": generator_loss(generated[-1]),
            "matching": matching_loss(features[:-1], generated[:-1]),
        }


def _block(channels: int, out: int, *, first: bool, last: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(channels, out, 4)]
    if not first:
        layers.append(nn.InstanceNorm2d(out, affine=True))
    layers.append(nn.LeakyReLU(0.2))
    if not last:
        layers.append(nn.AvgPool2d(2))
    return nn.Sequential(*layers)
