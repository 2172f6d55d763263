"""What a generator and a discriminator are asked for: one function a loss.

Scores are of any shape, one number a patch or a position, the higher the more real.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def discriminator_loss(
    real: Float[Tensor, "*patches"], fake: Float[Tensor, "*patches"]
) -> Float[Tensor, ""]:
    """Ask a discriminator to score real patches 1 and fake ones 0.

    Args:
        real: Scores of real images, any shape.
        fake: Scores of drawn images, of the same shape.

    Returns:
        Mean squared distance from 1 plus mean squared distance from 0; 0 when both are told apart
        perfectly.

    Source:
        UnWarpME Eq. 7, E[1 - D(fake)] + E[D(real)], names neither who minimises it nor who
        maximises it. We read min over G, max over D: a D that separates perfectly makes it largest,
        and its slopes in the scores have the signs of this loss, turned around. The squares are
        FOMM's (LSGAN, Mao et al. 2017): the printed sum itself has no bound.
    """
    return (1 - real.float()).square().mean() + fake.float().square().mean()


def generator_loss(fake: Float[Tensor, "*patches"]) -> Float[Tensor, ""]:
    """Ask for images whose patches the discriminator scores 1.

    Args:
        fake: Scores of drawn images, any shape.

    Returns:
        Mean squared distance from 1.

    Source:
        UnWarpME Eq. 7, the part that depends on G, squared as in FOMM: see `discriminator_loss`.
    """
    return (1 - fake.float()).square().mean()


def matching_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Ask that a discriminator sees in a drawn image what it sees in the real one.

    Args:
        real: Its features of real images, one tensor (B, C, h, w) a block; they get no gradient.
        fake: Its features of drawn images, of the same shapes.

    Returns:
        Mean absolute difference a block, summed over blocks.

    Raises:
        ValueError: There is no block, or the two have different numbers of them.

    Source:
        FOMM's feature matching, with the weight 10 left to the caller. Not in UnWarpME.
    """
    if not real or len(real) != len(fake):
        raise ValueError(f"{len(real)} blocks of real images but {len(fake)} of drawn ones")
    differences = [
        (theirs.detach().float() - ours.float()).abs().mean()
        for theirs, ours in zip(real, fake, strict=True)
    ]
    return torch.stack(differences).sum()


def critic_loss(
    real: Float[Tensor, "*positions"], fake: Float[Tensor, "*positions"]
) -> Float[Tensor, ""]:
    """Ask a critic to score real samples above fake ones, by as much as its slope allows.

    Args:
        real: Scores of real samples, any shape.
        fake: Scores of drawn samples, of the same shape.

    Returns:
        Mean fake score minus mean real score: minus the estimated distance of the distributions.

    Source:
        The Wasserstein objective (Arjovsky et al. 2017), our reading of UnWarpME Sec. 5.9, which
        names no objective. Up to a constant it is Eq. 7, maximised.
    """
    return fake.float().mean() - real.float().mean()


def critic_generator_loss(fake: Float[Tensor, "*positions"]) -> Float[Tensor, ""]:
    """Ask for images that a critic scores high.

    Args:
        fake: Scores of drawn samples, any shape.

    Returns:
        Minus their mean.

    Source:
        The generator's side of `critic_loss`.
    """
    return -fake.float().mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Float[Tensor, "n *features"],
    fake: Float[Tensor, "n *features"],
    generator: torch.Generator,
) -> Float[Tensor, ""]:
    """Ask that a critic's slope is 1 between real and fake samples.

    Args:
        critic: Gives every sample a score from that sample alone; run in 32 bits.
        real: Real samples (N, ...).
        fake: Drawn samples (N, ...).
        generator: Source of chance, on the CPU: where between the two each slope is taken.

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
