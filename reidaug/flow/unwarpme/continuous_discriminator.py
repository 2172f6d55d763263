"""The discriminator that compares distributions in the embedding of a frozen network."""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from reidaug.flow.components import Presets
from reidaug.flow.perceptual_networks import FeatureNetwork
from reidaug.flow.unwarpme.adversarial_losses import (
    critic_generator_loss,
    critic_loss,
    gradient_penalty,
)
from reidaug.flow.unwarpme.correlation import unit_features
from reidaug.flow.unwarpme.discriminator import Discriminator
from reidaug.geometry.pose import OPENPOSE_18, Pose, pose_maps


class ContinuousDiscriminator(Discriminator):
    """Compares the distributions of real and drawn images where a frozen network embeds them.

    Every position of the embedding, its features brought to unit length, is one sample; maps of the
    joints, averaged over the positions' cells, are concatenated. A critic of 1x1 convolutions
    estimates the Wasserstein distance of the two distributions.

    Args:
        network: The frozen network, on the device of the images. It is neither trained nor saved
            with the discriminator, and whoever moves the discriminator moves it too.
        depth: Which of the network's features, counted from 0; 3 is relu4_3 of the VGG-16 in
            `ShiftTolerantLPIPS`, relu4_1 of `Vgg19` (`reidaug.flow.perceptual_networks`).
        widths: Output channels of the critic's hidden convolutions.
        sigma: Width of a joint's Gaussian in pixels of the image.
        penalty: What the gradient penalty counts.

    Raises:
        ValueError: A keyword is out of range.

    Source:
        UnWarpME Sec. 5.9 says that a pre-trained VGG-16 embeds the images and that two continuous
        distributions are compared, after Arjovsky and Bottou (2017). The depth, that the network
        stays frozen, unit length, the critic, its objective (WGAN-GP, the penalty taken on
        embeddings) and how the pose enters are our reading.
    """

    PRESETS: ClassVar[Presets] = {
        "paper": {"sigma": 6.0},
        "small": {"sigma": 3.0, "widths": (64, 32)},
    }
    """``paper`` (256x256) or ``small`` (128x64, a narrower critic)."""

    def __init__(
        self,
        *,
        network: FeatureNetwork,
        depth: int = 3,
        widths: Sequence[int] = (256, 128),
        sigma: float = 6.0,
        penalty: float = 10.0,
    ) -> None:
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma}")
        super().__init__()
        # In a tuple, so that it is no part of this module's parameters and state.
        self._frozen = (network,)
        self.depth, self.sigma, self.penalty = depth, sigma, penalty
        channels = _channels(network, depth) + len(OPENPOSE_18)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 1), nn.LeakyReLU(0.2))
            for i, o in pairwise((channels, *widths))
        )
        self.score = nn.Conv2d((channels, *widths)[-1], 1, 1)

    def embed(self, image: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b m h w"]:
        """Embed images in the frozen network's features.

        Args:
            image: Images (B, 3, H, W) in [0, 1].

        Returns:
            Features (B, M, h, w) of unit length at every position.

        Raises:
            ValueError: The images are too small for features of this depth.
        """
        features = self._frozen[0].features(image)
        if len(features) <= self.depth:
            height, width = image.shape[-2:]
            raise ValueError(
                f"images of {height} x {width} pixels have features of {len(features)} depths, "
                f"none of depth {self.depth}"
            )
        return unit_features(features[self.depth])

    def forward(self, image: Float[Tensor, "b 3 H W"], pose: Pose) -> list[Tensor]:
        """Judge every position of the images' embedding.

        Args:
            image: Images (B, 3, H, W) in [0, 1].
            pose: Joints (B, 18, 2) in pixels of these images.

        Returns:
            Features (B, C, h, w) after every block; the last are the scores (B, 1, h, w).

        Raises:
            ValueError: The images are too small for features of this depth.
        """
        embedding = self.embed(image)
        return self._criticise(torch.cat((embedding, self._maps(image, pose, embedding)), 1))

    def loss(
        self,
        real_image: Float[Tensor, "b 3 H W"],
        fake_image: Float[Tensor, "b 3 H W"],
        pose: Pose,
        generator: torch.Generator,
    ) -> Float[Tensor, ""]:
        """Ask for scores as far apart as a slope of 1 allows; neither image gets a gradient.

        Args:
            real_image: Target images (B, 3, H, W) in [0, 1].
            fake_image: What was drawn of them (B, 3, H, W).
            pose: Target joints (B, 18, 2).
            generator: Where the slopes are taken; on the CPU.

        Returns:
            `critic_loss` plus the weighted `gradient_penalty`.

        Source:
            UnWarpME Sec. 5.9, as the class says.
        """
        with torch.no_grad():
            real, fake = self.embed(real_image), self.embed(fake_image)
            maps = self._maps(real_image, pose, real)
        rows, maps_of_rows = (_rows(part) for part in (real, maps))

        def critic(samples: Tensor) -> Tensor:
            return self._criticise(torch.cat((samples, maps_of_rows), 1))[-1]

        distance = critic_loss(critic(rows), critic(_rows(fake)))
        return distance + self.penalty * gradient_penalty(critic, rows, _rows(fake), generator)

    def generator_losses(
        self,
        real_image: Float[Tensor, "b 3 H W"],
        fake_image: Float[Tensor, "b 3 H W"],
        pose: Pose,
    ) -> dict[str, Tensor]:
        """Ask for images that the critic scores high.

        Args:
            real_image: Not needed.
            fake_image: What was drawn (B, 3, H, W); it alone gets a gradient.
            pose: Target joints (B, 18, 2).

        Returns:
            ``generative``, which may be negative.

        Source:
            UnWarpME Sec. 5.9, in the place of Eq. 7.
        """
        del real_image
        return {"generative": critic_generator_loss(self._judge(fake_image, pose)[-1])}

    def _maps(self, image: Tensor, pose: Pose, embedding: Tensor) -> Tensor:
        size = (image.shape[-2], image.shape[-1])
        maps = pose_maps(pose, size, canvas=size, sigma=self.sigma)
        grid = (embedding.shape[-2], embedding.shape[-1])
        return adaptive_avg_pool2d(maps, grid).to(embedding.dtype)

    def _criticise(self, samples: Tensor) -> list[Tensor]:
        found: list[Tensor] = []
        for block in (*self.blocks, self.score):
            samples = block(samples)
            found.append(samples)
        return found


def _channels(network: FeatureNetwork, depth: int) -> int:
    """Ask a network how many channels its features of a depth have."""
    like = next(network.parameters(), torch.zeros(()))
    with torch.no_grad():
        features = network.features(torch.zeros(1, 3, 64, 64, device=like.device))
    if not 0 <= depth < len(features):
        raise ValueError(f"depth must be 0 to {len(features) - 1}, got {depth}")
    return features[depth].shape[1]


def _rows(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "n c 1 1"]:
    """Make every position a sample of its own."""
    return maps.movedim(1, -1).flatten(0, 2)[..., None, None]
