"""Eq. 7: the generative loss, its signs and its squares."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from reidaug.flow.unwarpme.losses import discriminator_loss, generator_loss


def as_printed(real: Tensor, fake: Tensor) -> Tensor:
    return (1 - fake).mean() + real.mean()


def scores(seed: int) -> Float[Tensor, "2 1 3 4"]:
    return torch.rand(2, 1, 3, 4, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 1000))
def test_equation_7_in_squares_as_a_loop(seed: int) -> None:
    real, fake = scores(seed), scores(seed + 1)
    for_d = for_g = 0.0
    for b in range(2):
        for v in range(3):
            for u in range(4):
                for_d += (1 - float(real[b, 0, v, u])) ** 2 / 24 + float(fake[b, 0, v, u]) ** 2 / 24
                for_g += (1 - float(fake[b, 0, v, u])) ** 2 / 24
    assert abs(float(discriminator_loss(real, fake)) - for_d) < 1e-5
    assert abs(float(generator_loss(fake)) - for_g) < 1e-5


def test_equation_7_is_largest_for_a_discriminator_that_separates_perfectly() -> None:
    one, zero, half = (torch.full((2, 1, 3, 4), value) for value in (1.0, 0.0, 0.5))
    assert as_printed(one, zero) == 2  # the largest value for scores in [0, 1]
    assert as_printed(half, half) == 1
    assert as_printed(zero, one) == 0
    assert discriminator_loss(one, zero) == 0
    assert discriminator_loss(half, half) == 0.5
    assert discriminator_loss(zero, one) == 2
    assert generator_loss(zero) == 1  # seen through
    assert generator_loss(one) == 0  # taken for real


@given(st.integers(0, 1000))
def test_descending_the_losses_ascends_equation_7_for_d_and_descends_it_for_g(seed: int) -> None:
    real, fake = scores(seed).requires_grad_(), scores(seed + 1).requires_grad_()
    printed = torch.autograd.grad(as_printed(real, fake), (real, fake))
    for_d = torch.autograd.grad(discriminator_loss(real, fake), (real, fake))
    (for_g,) = torch.autograd.grad(generator_loss(fake), fake)
    for slope, loss_slope in zip(printed, for_d, strict=True):
        assert (slope * loss_slope <= 0).all()
    assert (printed[1] * for_g >= 0).all()
