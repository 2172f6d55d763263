import math
from functools import partial

import discriminator_checks
import pytest
import torch
from discriminator_checks import (
    check_batches,
    check_bfloat16,
    check_gradients,
    check_missing_joints,
)
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from seeding import seeded
from torch import Tensor, nn

from reidaug.errors import UsageError
from reidaug.flow.perceptual_networks import FeatureNetwork, ShiftTolerantLPIPS
from reidaug.flow.unwarpme.continuous_discriminator import (
    ContinuousDiscriminator,
    critic_generator_loss,
    critic_loss,
    gradient_penalty,
)
from reidaug.geometry.pose import Pose

SIZE = (32, 16)
SEEDS = st.integers(0, 1000)
noise = partial(discriminator_checks.noise, size=SIZE)
people = partial(discriminator_checks.people, size=SIZE)


class Shallow(FeatureNetwork):
    """Two depths, at a half and at a quarter of the image."""

    def __init__(self) -> None:
        super().__init__()
        generator = seeded(7)
        self.first = nn.Parameter(torch.randn(6, 3, 3, 3, generator=generator))
        self.second = nn.Parameter(torch.randn(5, 6, 3, 3, generator=generator))
        self.requires_grad_(False)

    def features(
        self, image: Float[Tensor, "b 3 H W"], *, depths: int | None = None
    ) -> list[Tensor]:
        half = nn.functional.conv2d(image, self.first, stride=2, padding=1).relu()
        if min(half.shape[-2:]) < 2:
            return [half]
        return [half, nn.functional.conv2d(half, self.second, stride=2, padding=1)]


class TwoPoints(FeatureNetwork):
    """Bright images are one point of the embedding, dark ones another, at right angles."""

    def features(
        self, image: Float[Tensor, "b 3 H W"], *, depths: int | None = None
    ) -> list[Tensor]:
        bright = (image.mean((1, 2, 3)) > 0.5).float()
        return [torch.stack((bright, 1 - bright), 1)[..., None, None].expand(-1, -1, 2, 2)]


def narrow(network: FeatureNetwork | None = None, **keywords: object) -> ContinuousDiscriminator:
    given = {"network": network or Shallow(), "depth": 1, "widths": (8, 4), "sigma": 2.0}
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        return ContinuousDiscriminator(**{**given, **keywords})  # type: ignore[arg-type]


def test_the_frozen_network_is_no_part_of_it() -> None:
    network = Shallow()
    net = narrow(network)
    state, parameters = net.state_dict(), dict(net.named_parameters())
    assert set(state) == set(parameters)
    assert {name.partition(".")[0] for name in state} == {"blocks", "score"}
    by_hand = sum(i * o + o for i, o in ((5 + 18, 8), (8, 4), (4, 1)))
    assert sum(parameter.numel() for parameter in net.parameters()) == by_hand
    other = narrow(Shallow())
    other.load_state_dict(state)
    net.loss(noise(2, 0), noise(2, 1), people(2, 2), seeded(0)).backward()
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_papers_network_is_read_at_relu4_3() -> None:
    network = ShiftTolerantLPIPS("vgg")
    net = ContinuousDiscriminator(network=network, **ContinuousDiscriminator.preset("paper"))
    image = torch.rand(1, 3, 64, 64, generator=seeded(0))
    embedding = net.embed(image)
    assert embedding.shape[1] == 512
    features = [f for f in network.features(image) if f.shape[1] == 512]
    assert embedding.shape == features[0].shape  # the shallower one of the two that are so wide
    lengths = torch.linalg.vector_norm(embedding, dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), atol=1e-4, rtol=1e-4)
    assert net(image, people(1, 1))[-1].shape == (1, 1, *embedding.shape[2:])


def test_every_block_is_returned_and_positions_are_scored_independently() -> None:
    net, image, pose = narrow(), noise(2, 0), people(2, 1)
    features = net(image, pose)
    assert [tuple(f.shape) for f in features] == [(2, 8, 8, 4), (2, 4, 8, 4), (2, 1, 8, 4)]
    nobody = Pose(pose.xy, torch.zeros_like(pose.visible))
    first, second, last = (m for m in net.modules() if isinstance(m, nn.Conv2d))
    embedding = net.embed(image)
    for b in range(2):
        for v in range(8):
            for u in range(4):
                x = torch.cat((embedding[b, :, v, u], torch.zeros(18)))
                for layer in (first, second):
                    x = nn.functional.leaky_relu(layer.weight[:, :, 0, 0] @ x + layer.bias, 0.2)
                score = last.weight[:, :, 0, 0] @ x + last.bias
                torch.testing.assert_close(net(image, nobody)[-1][b, :, v, u], score)


def test_a_missing_joint_is_an_empty_map_wherever_it_is_said_to_be() -> None:
    net, real, pose = narrow(), noise(2, 0), people(2, 2, visible=0.5)
    check_missing_joints(net, real, noise(2, 1), pose)
    assert not torch.equal(net(real, pose)[-1], net(real, people(2, 3))[-1])


def test_black_images_have_finite_losses() -> None:
    net, dark = narrow(), torch.zeros(1, 3, *SIZE, requires_grad=True)
    net.generator_losses(dark, dark, people(1, 0))["generative"].backward()
    assert dark.grad is not None
    assert dark.grad.isfinite().all()
    loss = net.loss(dark, dark, people(1, 0), seeded(0))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_the_losses_are_those_of_its_scores() -> None:
    free = narrow(penalty=0.0)
    real, fake, pose = noise(2, 0), noise(2, 1), people(2, 2)
    seen, drawn = free(real, pose)[-1], free(fake, pose)[-1]
    torch.testing.assert_close(
        free.loss(real, fake, pose, seeded(0)), critic_loss(seen, drawn), atol=1e-5, rtol=1e-4
    )
    losses = free.generator_losses(real, fake, pose)
    assert list(losses) == ["generative"]
    torch.testing.assert_close(losses["generative"], -drawn.mean())
    penalised = narrow(penalty=3.0)
    more = penalised.loss(real, fake, pose, seeded(0)) - critic_loss(seen, drawn)
    assert more > 0
    assert penalised.loss(real, fake, pose, seeded(0)) == penalised.loss(
        real, fake, pose, seeded(0)
    )


def test_each_step_gives_gradients_to_its_own_side_alone() -> None:
    net = narrow()
    check_gradients(net, noise(2, 0), noise(2, 1), people(2, 2))
    for name, parameter in net.named_parameters():
        if not name.startswith("score.bias"):  # a constant tells real and fake alike
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0, name


def test_the_critic_finds_the_distance_of_two_points() -> None:
    """A slope s gains s times the distance and pays 10 (s - 1)^2: best is s = 1 + distance / 20."""
    net = narrow(TwoPoints(), depth=0, widths=(16,))
    bright, dark = torch.full((2, 3, *SIZE), 0.9), torch.full((2, 3, *SIZE), 0.1)
    nobody = Pose(torch.zeros(2, 18, 2), torch.zeros(2, 18, dtype=torch.bool))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.5, 0.9))
    for step in range(300):
        loss = net.loss(bright, dark, nobody, seeded(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    distance = math.sqrt(2)
    with torch.no_grad():
        found = net(bright, nobody)[-1].mean() - net(dark, nobody)[-1].mean()
    assert abs(float(found) - distance * (1 + distance / 20)) < 0.05


def test_in_bfloat16_both_steps_are_close() -> None:
    check_bfloat16(narrow(), noise(2, 0), noise(2, 1), people(2, 2))


def test_an_image_has_the_same_scores_alone_and_in_a_batch() -> None:
    check_batches(narrow().eval(), noise(3, 0), people(3, 1))


def test_wrong_presets_and_keywords_are_errors() -> None:
    with pytest.raises(UsageError, match=r"'large'.*paper, small"):
        ContinuousDiscriminator.preset("large")
    for wrong, words in [({"depth": 2}, "0 to 1, got 2"), ({"sigma": 0.0}, "sigma")]:
        with pytest.raises(ValueError, match=words):
            narrow(**wrong)
    with pytest.raises(ValueError, match="2 x 2 pixels have features of 1 depths"):
        narrow()(torch.zeros(1, 3, 2, 2), people(1, 0))


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
