import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded
from torch import Tensor

from reidaug.flow.loss_weights import LossWeights
from reidaug.flow.unwarpme.losses import matching_loss, total_loss

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


def test_equation_9_is_the_weighted_sum() -> None:
    losses = {"perceptual": torch.tensor(2.0), "generative": torch.tensor(3.0)}
    total = total_loss(losses, LossWeights(perceptual=1.0, generative=0.5))
    torch.testing.assert_close(total, torch.tensor(3.5))
    with pytest.raises(ValueError, match="no loss"):
        total_loss({}, LossWeights())
