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
from seeding import seeded
from torch import nn

from reidaug.errors import UsageError
from reidaug.flow.estimator import Motion
from reidaug.flow.unwarpme.discriminator import PatchDiscriminator
from reidaug.flow.unwarpme.losses import discriminator_loss, generator_loss
from reidaug.flow.unwarpme.refinement import Refinement
from reidaug.geometry.flow import identity

SIZE = (72, 64)


noise = partial(discriminator_checks.noise, size=SIZE)
people = partial(discriminator_checks.people, size=SIZE)


def narrow(seed: int = 0, **keywords: object) -> PatchDiscriminator:
    given = {"widths": (8, 8, 16, 16), "sigma": 3.0, **keywords}
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(seed)
        return PatchDiscriminator(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "channels"), [("paper", 21), ("fomm", 3)])
def test_the_size_is_that_of_fomm_plus_the_maps_of_the_joints(name: str, channels: int) -> None:
    net = PatchDiscriminator(**PatchDiscriminator.preset(name))
    by_hand = sum(i * o * 16 + o for i, o in ((channels, 64), (64, 128), (128, 256), (256, 512)))
    by_hand += 2 * (128 + 256 + 512) + 512 + 1  # instance norms, scores
    assert sum(parameter.numel() for parameter in net.parameters()) == by_hand
    if name == "fomm":
        assert round(by_hand / 1e6, 2) == 2.76


@pytest.mark.parametrize(
    ("size", "grid"), [((256, 256), (26, 26)), ((128, 64), (10, 2)), ((61, 61), (2, 2))]
)
def test_every_block_is_returned_and_the_last_are_the_scores(
    size: tuple[int, int], grid: tuple[int, int]
) -> None:
    net = narrow()
    features = net(noise(2, 0, size=size), people(2, 1))
    assert [f.shape[1] for f in features] == [8, 8, 16, 16, 1]
    assert features[-1].shape == (2, 1, *grid)
    kinds = [m for m in net.modules() if not list(m.children())]
    assert [type(m) for m in kinds] == [
        *(nn.Conv2d, nn.LeakyReLU, nn.AvgPool2d),
        *(nn.Conv2d, nn.InstanceNorm2d, nn.LeakyReLU, nn.AvgPool2d) * 2,
        *(nn.Conv2d, nn.InstanceNorm2d, nn.LeakyReLU),
        nn.Conv2d,
    ]


def test_wrong_presets_and_keywords_are_errors() -> None:
    with pytest.raises(ValueError, match="at least 61 x 61 pixels, got 128 x 60"):
        narrow()(noise(1, 0, size=(128, 60)), people(1, 1))
    with pytest.raises(UsageError, match=r"'large'.*paper, small, fomm"):
        PatchDiscriminator.preset("large")
    for wrong, words in [({"widths": (8,)}, "two widths"), ({"sigma": 0.0}, "sigma")]:
        with pytest.raises(ValueError, match=words):
            narrow(**wrong)


def test_the_pose_counts_only_for_a_conditioned_discriminator() -> None:
    image, pose, other = noise(1, 0), people(1, 1), people(1, 2)
    seeing, blind = narrow(), narrow(conditioned=False)
    assert not torch.equal(seeing(image, pose)[-1], seeing(image, other)[-1])
    assert torch.equal(blind(image, pose)[-1], blind(image, other)[-1])


def test_a_missing_joint_is_an_empty_map_wherever_it_is_said_to_be() -> None:
    check_missing_joints(narrow(), noise(2, 0), noise(2, 1), people(2, 2, visible=0.5))


def test_the_losses_are_those_of_its_scores_and_features() -> None:
    net, real, fake, pose = narrow(), noise(2, 0), noise(2, 1), people(2, 2)
    seen, drawn = net(real, pose), net(fake, pose)
    expected = discriminator_loss(seen[-1], drawn[-1])
    torch.testing.assert_close(net.loss(real, fake, pose, seeded(0)), expected)
    losses = net.generator_losses(real, fake, pose)
    assert sorted(losses) == ["generative", "matching"]
    torch.testing.assert_close(losses["generative"], generator_loss(drawn[-1]))
    differences = [(seen[k] - drawn[k]).abs().mean() for k in range(4)]  # without the scores
    torch.testing.assert_close(losses["matching"], sum(differences, start=torch.zeros(())))


def test_each_step_gives_gradients_to_its_own_side_alone() -> None:
    check_gradients(narrow(), noise(2, 0), noise(2, 1), people(2, 2))


def test_a_step_of_one_player_leaves_the_other_as_it_was() -> None:
    net, pose, real = narrow(), people(2, 2), noise(2, 0)
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        refinement = Refinement(width=8, blocks=1)
    motion = Motion(identity(18, 16).expand(2, -1, -1, -1))
    players = {"generation": refinement, "judging": net}
    optimizers = {name: torch.optim.Adam(player.parameters()) for name, player in players.items()}
    for mover, other in (("generation", "judging"), ("judging", "generation")):
        fake = refinement(noise(2, 1), motion)
        before = [p.detach().clone() for p in players[other].parameters()]
        mine = [p.detach().clone() for p in players[mover].parameters()]
        if mover == "generation":
            loss = net.generator_losses(real, fake, pose)["generative"]
        else:
            loss = net.loss(real, fake, pose, seeded(0))
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers.values():  # whoever got no gradient does not move
            optimizer.step()
        after = list(players[other].parameters())
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        moved = players[mover].parameters()
        assert any(not torch.equal(a, b) for a, b in zip(mine, moved, strict=True))


def test_in_bfloat16_both_steps_are_close() -> None:
    check_bfloat16(narrow(), noise(2, 0), noise(2, 1), people(2, 2))


def test_an_image_has_the_same_scores_alone_and_in_a_batch() -> None:
    check_batches(narrow().eval(), noise(3, 0), people(3, 1))


def test_it_learns_to_separate_smooth_images_from_noise() -> None:
    net, pose = narrow(conditioned=False), people(4, 0)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3, betas=(0.5, 0.999))
    for step in range(40):
        real, fake = noise(4, step), noise(4, 100 + step).mean((2, 3), keepdim=True)
        loss = net.loss(real, fake.expand_as(real), pose, seeded(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    real, fake = noise(4, 50), noise(4, 51).mean((2, 3), keepdim=True).expand(4, 3, *SIZE)
    with torch.no_grad():
        assert net(real, pose)[-1].mean() > net(fake, pose)[-1].mean() + 0.5
        assert net.loss(real, fake, pose, seeded(0)) < 0.3
