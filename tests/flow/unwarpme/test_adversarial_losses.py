import math

import pytest
import torch
from flow_figures import seeded
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reidaug.flow.unwarpme.adversarial_losses import (
    critic_generator_loss,
    critic_loss,
    gradient_penalty,
    matching_loss,
)

SEEDS = st.integers(0, 1000)


def blocks(seed: int) -> list[Tensor]:
    generator = seeded(seed)
    return [torch.randn(2, c, s, s, generator=generator) for c, s in ((3, 4), (5, 2))]


@given(SEEDS)
def test_matching_is_the_sum_of_mean_differences_a_block(seed: int) -> None:
    real, fake = blocks(seed), blocks(seed + 1)
    expected = 0.0
    for theirs, ours in zip(real, fake, strict=True):
        differences = [
            abs(a - b)
            for a, b in zip(theirs.flatten().tolist(), ours.flatten().tolist(), strict=True)
        ]
        expected += sum(differences) / len(differences)
    assert abs(float(matching_loss(real, fake)) - expected) < 1e-5
    assert matching_loss(real, real) == 0


def test_matching_gives_no_gradient_to_real_features_and_wants_as_many_blocks() -> None:
    real, fake = ([part.requires_grad_() for part in blocks(seed)] for seed in (0, 1))
    matching_loss(real, fake).backward()
    assert all(part.grad is None for part in real)
    assert all(part.grad is not None for part in fake)
    for wrong in ([], real[:1]):
        with pytest.raises(ValueError, match="blocks of real"):
            matching_loss(wrong, fake)


@given(SEEDS)
def test_the_critic_losses_are_differences_of_means(seed: int) -> None:
    real = torch.randn(3, 1, 2, 2, generator=seeded(seed))
    fake = torch.randn(3, 1, 2, 2, generator=seeded(seed + 1))
    means = [sum(part.flatten().tolist()) / 12 for part in (real, fake)]
    assert abs(float(critic_loss(real, fake)) - (means[1] - means[0])) < 1e-5
    assert abs(float(critic_generator_loss(fake)) + means[1]) < 1e-5


@given(SEEDS, st.floats(0.0, 3.0))
def test_the_penalty_of_a_linear_critic_depends_on_its_length_alone(
    seed: int, length: float
) -> None:
    direction = torch.randn(5, generator=seeded(seed))
    slope = direction / direction.norm() * length
    real, fake = (torch.randn(4, 5, generator=seeded(seed + k)) for k in (1, 2))
    penalty = gradient_penalty(lambda x: x @ slope, real, fake, seeded(seed))
    assert abs(float(penalty.detach()) - (length - 1) ** 2) < 1e-4


@given(SEEDS)
def test_the_penalty_as_a_loop(seed: int) -> None:
    """The slope of the sum of squares is twice the place it is taken at."""
    real, fake = (torch.randn(4, 2, 3, generator=seeded(seed + k)) for k in (1, 2))
    shares = torch.rand(4, generator=seeded(seed)).tolist()
    expected = 0.0
    for k, share in enumerate(shares):
        between = [
            (1 - share) * a + share * b
            for a, b in zip(real[k].flatten().tolist(), fake[k].flatten().tolist(), strict=True)
        ]
        expected += (math.sqrt(sum((2 * x) ** 2 for x in between)) - 1) ** 2 / 4
    penalty = gradient_penalty(lambda x: x.square().sum((1, 2)), real, fake, seeded(seed))
    assert abs(float(penalty.detach()) - expected) < 1e-3


def test_the_penalty_reaches_the_critic_alone_and_survives_a_flat_one() -> None:
    critic = torch.nn.Linear(5, 1)
    real, fake = (torch.randn(4, 5, generator=seeded(k)).requires_grad_() for k in (1, 2))
    gradient_penalty(critic, real, fake, seeded(0)).backward()
    assert critic.weight.grad is not None
    assert critic.weight.grad.abs().sum() > 0
    assert real.grad is None
    assert fake.grad is None
    torch.nn.init.zeros_(critic.weight)
    critic.zero_grad()
    penalty = gradient_penalty(critic, real, fake, seeded(0))
    assert penalty == 1
    penalty.backward()
    assert critic.weight.grad is None or critic.weight.grad.isfinite().all()


def test_equal_generators_give_equal_penalties() -> None:
    real, fake = (torch.randn(4, 5, generator=seeded(k)) for k in (1, 2))
    first, again, other = (
        gradient_penalty(lambda x: x.pow(3).sum(1), real, fake, seeded(k)) for k in (0, 0, 1)
    )
    assert first == again
    assert first != other
