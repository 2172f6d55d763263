from typing import Any

import pytest
import torch
from accelerate import Accelerator
from flow_figures import pairs, tiny
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.estimator import Motion
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.loss_weights import LossWeights
from reidaug.flow.perceptual_networks import FeatureNetwork
from reidaug.flow.rivals.gfla_losses import SamplingLosses
from reidaug.flow.training.joint_model import Method
from reidaug.flow.training.objective import Objective
from reidaug.flow.training.pair_augmentation import PairAugmentation
from reidaug.flow.training.trainer import Descent, FlowTrainer, Opponent, Schedule
from reidaug.flow.unwarpme.discriminator import PatchDiscriminator
from reidaug.flow.unwarpme.losses import perceptual_loss
from reidaug.flow.unwarpme.warping import UnWarpME
from reidaug.geometry.warp import warp

STILL = PairAugmentation(0.0, 0.0, 0.0)


def learner(net: UnWarpME, *cycle: str, steps: int = 10, rate: float = 2e-3) -> FlowTrainer:
    descent = Descent(
        torch.optim.Adam(net.parameters(), betas=(0.5, 0.999)),
        accelerator=Accelerator(cpu=True),
        schedule=Schedule(steps=steps, rate=rate, shape="constant"),
    )
    return FlowTrainer(
        Method(net),
        descent,
        objective=Objective(LossWeights()),
        cycle=cycle,
        pair_augmentation=STILL,
    )


def test_the_rate_rises_and_falls() -> None:
    cosine = Schedule(steps=100, rate=1.0, warmup=10)
    rates = [cosine.at(step) for step in range(100)]
    assert rates[0] < rates[5] < rates[10]
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[99] < 0.001
    assert Schedule(steps=100, rate=0.5, shape="constant").at(99) == 0.5


def test_tasks_are_taken_in_turn_and_named_in_the_losses() -> None:
    taught = learner(tiny(), "affine", "reconstruction", "exact+reconstruction")
    names = [set(taught.step(pairs(4, 0))) - {"rate"} for _ in range(4)]
    assert names == [
        {"affine"},
        {"l1", "structure"},
        {"exact", "l1", "structure"},
        {"affine"},
    ]


def test_a_task_nobody_knows_is_named() -> None:
    with pytest.raises(ValueError, match="adversarial"):
        learner(tiny(), "affine", "exact+adversarial")
    with pytest.raises(ValueError, match="cycle"):
        learner(tiny())


def test_the_affine_task_alone_teaches_affine_maps() -> None:
    taught, batch = learner(tiny(), "affine", steps=80), pairs(8, 0)
    losses = [taught.step(batch)["affine"] for _ in range(80)]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


@pytest.mark.parametrize("task", ["reconstruction", "exact"])
def test_each_task_of_pairs_learns_four_of_them_by_heart(task: str) -> None:
    batch = pairs(4, 0)
    taught = learner(tiny(), task, steps=80)
    first = taught.step(batch)
    for _ in range(79):
        last = taught.step(batch)
    name = "l1" if task == "reconstruction" else "exact"
    assert last[name] < 0.5 * first[name]


def test_what_a_step_draws_depends_on_its_number_alone() -> None:
    one, other = learner(tiny(), "affine"), learner(tiny(), "affine")
    for taught in (one, other):
        taught.pair_augmentation = PairAugmentation(0.5, 0.2, 0.2)
    for _ in range(2):
        one.step(pairs(4, 0))
    first = one.step(pairs(4, 1))
    other.load_state_dict({"taken": 2})
    other.estimator.load_state_dict(tiny().state_dict())
    fresh = other.step(pairs(4, 1))
    again = learner(tiny(), "affine")
    again.pair_augmentation = one.pair_augmentation
    again.load_state_dict({"taken": 2})
    assert again.step(pairs(4, 1)) == fresh
    assert again.state_dict() == {"taken": 3} == one.state_dict()
    assert first != fresh  # weights had moved


class Painter(ImageGenerator):
    """The warped source, tinted."""

    def __init__(self) -> None:
        super().__init__()
        self.tint = nn.Parameter(torch.full((3, 1, 1), 0.1))
        self.shade = nn.Parameter(torch.full((3, 1, 1), 0.9))

    def forward(self, source: Tensor, motion: Motion) -> Tensor:
        return warp(source, motion.flow) * self.shade + self.tint

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.tint], "rate": 0.1}, {"params": [self.shade], "rate": 1.0}]

    def own_losses(self, batch: PosePair, motion: Motion) -> dict[str, Tensor]:
        return {"features": self.tint.abs().mean()}


class Edges(FeatureNetwork):
    def features(self, image: Tensor) -> list[Tensor]:
        return [image.diff(dim=-1)]


def whole(*cycle: str, weights: LossWeights | None = None) -> FlowTrainer:
    """A learner with everything: estimator, image generator, discriminator."""
    method, accelerator = Method(tiny(), Painter()), Accelerator(cpu=True)
    schedule = Schedule(steps=10, rate=1e-2, shape="constant")
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(1)
        judge = PatchDiscriminator(widths=(8, 8), sigma=1.5)

    def descent(groups: Any, clip: float | None = 1.0) -> Descent:
        optimizer = torch.optim.Adam(groups, lr=1e-2)
        return Descent(optimizer, accelerator=accelerator, schedule=schedule, clip=clip)

    return FlowTrainer(
        method,
        descent(method.parameter_groups()),
        objective=Objective(weights or LossWeights(), Edges()),
        cycle=cycle,
        pair_augmentation=STILL,
        opponent=Opponent(judge, descent(judge.parameters(), None)),
    )


def copies(taught: FlowTrainer) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    assert taught.opponent is not None
    parts = (taught.estimator, taught.method.image_generator, taught.opponent.discriminator)
    return tuple([p.detach().clone() for p in part.parameters()] for part in parts)  # type: ignore


def moved(before: list[Tensor], after: list[Tensor]) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_affine_task_moves_the_estimator_alone() -> None:
    taught = whole("affine")
    before = copies(taught)
    taught.step(pairs(4, 0))
    assert [moved(*both) for both in zip(before, copies(taught), strict=True)] == [
        True,
        False,
        False,
    ]


def test_drawing_moves_all_three_and_each_loss_is_told() -> None:
    taught = whole("generation")
    before = copies(taught)
    told = taught.step(pairs(4, 0))
    assert all(moved(*both) for both in zip(before, copies(taught), strict=True))
    assert set(told) == {
        "perceptual",
        "generative",
        "matching",
        "features",
        "discriminator",
        "rate",
    }


def test_the_discriminators_step_moves_nothing_else() -> None:
    taught, batch = whole("generation"), pairs(4, 0)
    image = taught.method(batch, ("generation",), taught._generator()).image
    before = copies(taught)
    taught._oppose(image, batch, taught._generator())
    assert [moved(*both) for both in zip(before, copies(taught), strict=True)] == [
        False,
        False,
        True,
    ]


def test_the_step_of_the_method_leaves_no_gradient_in_the_discriminator() -> None:
    taught, batch = whole("generation"), pairs(4, 0)
    assert taught.opponent is not None
    drawn = taught.method(batch, ("generation",), taught._generator())
    losses = taught._pairs(drawn, batch, ("generation",))
    taught.objective.total(losses).backward()
    assert all(p.grad is None for p in taught.opponent.discriminator.parameters())
    assert any(p.grad is not None for p in taught.estimator.parameters())


def test_equation_9_is_the_weighted_sum_of_its_parts() -> None:
    taught, batch = whole("generation"), pairs(4, 0)
    weights = LossWeights(perceptual=2.0, generative=0.5, matching=0.0, features=3.0)
    taught.objective = Objective(weights, Edges())
    drawn = taught.method(batch, ("generation",), taught._generator())
    losses = taught._pairs(drawn, batch, ("generation",))
    by_hand = 2 * losses["perceptual"] + 0.5 * losses["generative"] + 3 * losses["features"]
    torch.testing.assert_close(taught.objective.total(losses), by_hand)
    expected = perceptual_loss(drawn.image, batch.target, Edges())
    torch.testing.assert_close(losses["perceptual"], expected)


def test_parts_of_a_method_learn_at_their_own_rates() -> None:
    taught = whole("generation")
    taught.step(pairs(4, 0))
    rates = [group["lr"] for group in taught.descent.optimizer.param_groups]
    assert rates == pytest.approx([1e-2, 1e-3, 1e-2])


def test_rates_drop_to_a_tenth_where_the_originals_do() -> None:
    drops = Schedule(steps=100, rate=1.0, shape="drops")
    assert [drops.at(step) for step in (0, 59)] == [1.0, 1.0]
    assert [drops.at(step) for step in (60, 89, 90, 99)] == pytest.approx([0.1, 0.1, 0.01, 0.01])


def test_sampling_without_its_losses_says_so() -> None:
    taught = learner(tiny(), "sampling")
    with pytest.raises(ValueError, match="needs its losses"):
        taught.step(pairs(2, 0))


def test_sampling_asks_every_flow() -> None:
    taught = learner(tiny(), "sampling")
    asked = []

    class Losses(SamplingLosses):
        def __init__(self) -> None: ...

        def __call__(self, flows: Any, batch: PosePair) -> dict[str, Tensor]:
            asked.append(len(flows))
            return {"correctness": flows[0].abs().mean(), "regularity": flows[0].mean()}

    taught.objective = Objective(LossWeights(), sampling=Losses())
    assert set(taught.step(pairs(2, 0))) == {"correctness", "regularity", "rate"}
    assert asked == [1]


def test_another_seed_draws_other_things() -> None:
    first, second = learner(tiny(), "affine"), learner(tiny(), "affine")
    second.seed = 1
    assert first.step(pairs(4, 0)) != second.step(pairs(4, 0))
