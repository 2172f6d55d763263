"""Continuous discriminator (Sec. 5.9): a Wasserstein critic on a frozen network's embedding."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from reidaug.flow.components import Presets
from reidaug.flow.estimator import Images
from reidaug.flow.perceptual_networks import FeatureNetwork
from reidaug.flow.unwarpme.correlation import unit_features
from reidaug.flow.unwarpme.discriminator import Discriminator
from reidaug.geometry.pose import OPENPOSE_18, Pose, pose_maps


class ContinuousDiscriminator(Discriminator):
    """Compares the distributions of real and generated images in an embedding.

    Every position of the embedding, its features brought to unit length, is one sample; maps of the
    joints, averaged over the positions' cells, are concatenated. A critic of 1x1 convolutions
    estimates the Wasserstein distance of the two distributions.

    Args:
        network: The frozen network, on the device of the images. It is neither trained, nor saved
            nor moved with the discriminator.
        depth: Index of the layer whose features are used, from 0, not a number of layers; 3
            is relu4_3 of the VGG-16 in `ShiftTolerantLPIPS`, relu4_1 of `Vgg19`
            (`reidaug.flow.perceptual_networks`).
        widths: Output channels of the critic's hidden convolutions.
        sigma: Width of a joint's Gaussian in pixels of the image.
        penalty: Weight of the gradient penalty.

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
    """``paper``: 256x256; ``small``: 128x64, a narrower critic. The network is an argument."""

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
        self._frozen_network = (network,)
        self.depth, self.sigma, self.penalty = depth, sigma, penalty
        channels = _channels(network, depth) + len(OPENPOSE_18)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 1), nn.LeakyReLU(0.2))
            for i, o in pairwise((channels, *widths))
        )
        self.score = nn.Conv2d((channels, *widths)[-1], 1, 1)

    def embed(self, image: Images) -> Float[Tensor, "b m h w"]:
        """Embed images (B, 3, H, W) in [0, 1]: features (B, M, h, w), unit length at each position.

        Raises:
            ValueError: The images are too small for features of this depth.
        """
        features = self._frozen_network[0].features(image)
        if len(features) <= self.depth:
            height, width = image.shape[-2:]
            raise ValueError(
                f"images of {height} x {width} pixels have features of {len(features)} depths, "
                f"none of depth {self.depth}"
            )
        return unit_features(features[self.depth])

    def condition(self, image: Images, pose: Pose) -> Float[Tensor, "b c h w"]:
        """Concatenate the averaged pose maps to the image's embedding."""
        embedding = self.embed(image)
        return torch.cat((embedding, self._maps(image, pose, embedding)), 1)

    def loss(self, real: Images, fake: Images, pose: Pose, generator: torch.Generator) -> Tensor:
        """Compute `critic_loss` plus the weighted `gradient_penalty`."""
        with torch.no_grad():
            embedded = self.embed(real), self.embed(fake)
            maps = self._maps(real, pose, embedded[0])
        real_samples, fake_samples, maps = (_positions(part) for part in (*embedded, maps))

        def critic(samples: Tensor) -> Tensor:
            return self.features(torch.cat((samples, maps), 1))[-1]

        distance = critic_loss(critic(real_samples), critic(fake_samples))
        penalty = gradient_penalty(critic, real_samples, fake_samples, generator)
        return distance + self.penalty * penalty

    def generator_losses(self, real: Images, fake: Images, pose: Pose) -> dict[str, Tensor]:
        """Compute ``generative``, in the place of Eq. 7; it may be negative."""
        del real
        return {"generative": critic_generator_loss(self.frozen(fake, pose)[-1])}

    def _maps(self, image: Tensor, pose: Pose, embedding: Tensor) -> Tensor:
        size = (image.shape[-2], image.shape[-1])
        maps = pose_maps(pose, size, canvas=size, sigma=self.sigma)
        grid = (embedding.shape[-2], embedding.shape[-1])
        return adaptive_avg_pool2d(maps, grid).to(embedding.dtype)


def critic_loss(
    real: Float[Tensor, "*positions"], fake: Float[Tensor, "*positions"]
) -> Float[Tensor, ""]:
    """Loss that trains a critic to score real samples above generated ones; scores of any shape.

    Returns:
        Mean fake score minus mean real score: minus the estimated distance of the distributions.

    Source:
        The Wasserstein objective (Arjovsky et al. 2017), our reading of UnWarpME Sec. 5.9, which
        names no objective. Up to a constant it is Eq. 7, maximised.
    """
    return fake.float().mean() - real.float().mean()


def critic_generator_loss(fake: Float[Tensor, "*positions"]) -> Float[Tensor, ""]:
    """Loss that trains a generator towards high scores: minus the mean score, any shape."""
    return -fake.float().mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Float[Tensor, "n *features"],
    fake: Float[Tensor, "n *features"],
    generator: torch.Generator,
) -> Float[Tensor, ""]:
    """Loss that keeps a critic's slope at 1 between real and generated samples.

    Args:
        critic: Scores every sample from that sample alone; runs in 32 bits.
        real: Real samples (N, ...).
        fake: Generated samples (N, ...).
        generator: Random generator, on the CPU: where between the two each slope is taken.

    Returns:
        Mean of (length of the slope - 1) squared, one slope a sample.

    Source:
        WGAN-GP (Gulrajani et al. 2017) Eq. 3, without its weight 10.
    """
    share = torch.rand(real.shape[0], generator=generator).to(real.device)
    share = share.view(-1, *(1,) * (real.ndim - 1))
    with torch.enable_grad(), torch.autocast(real.device.type, enabled=False):
        between = torch.lerp(real.detach().float(), fake.detach().float(), share).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (torch.linalg.vector_norm(slope.flatten(1), dim=1) - 1).square().mean()


def _channels(network: FeatureNetwork, depth: int) -> int:
    """Return how many channels a network's features of a depth have."""
    like = next(network.parameters(), torch.zeros(()))
    with torch.no_grad():
        features = network.features(torch.zeros(1, 3, 64, 64, device=like.device))
    if not 0 <= depth < len(features):
        raise ValueError(f"depth must be 0 to {len(features) - 1}, got {depth}")
    return features[depth].shape[1]


def _positions(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "n c 1 1"]:
    """Make every position a sample of its own."""
    return maps.movedim(1, -1).flatten(0, 2)[..., None, None]
