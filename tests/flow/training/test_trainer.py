"""One optimisation step: tasks in turn, learning rates, the discriminator, resuming."""

from typing import Any

import pytest
import torch
from accelerate import Accelerator
from flow_figures import pairs, tiny
from known_motion import FittedAffine
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.estimator import Motion
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.perceptual_networks import FeatureNetwork
from reidaug.flow.training.joint_model import EstimatorWithGenerator
from reidaug.flow.training.networks import Networks
from reidaug.flow.training.pair_augmentation import mirror_pairs
from reidaug.flow.training.recipe import TrainFlow
from reidaug.flow.training.trainer import FlowTrainer
from reidaug.flow.unwarpme.discriminator import PatchDiscriminator
from reidaug.flow.unwarpme.losses import perceptual_loss, total_loss
from reidaug.geometry.pose import Pose
from reidaug.geometry.warp import warp
from reidaug.recipes import resolve

STILL = {"mirror": 0.0, "face": 0.0, "joint": 0.0}


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
    def features(self, image: Tensor, *, depths: int | None = None) -> list[Tensor]:
        return [image.diff(dim=-1)]


def recipe(*cycle: str, steps: int = 10, rate: float = 2e-3, **keys: Any) -> TrainFlow:
    values = {
        "pairs": "unread",
        "estimator": {},
        "cycle": cycle,
        "schedule": {"steps": steps, "rate": rate, "shape": "constant"},
        "precision": "float32",
        "scales": [1.0],
        "pair_augmentation": STILL,
        **keys,
    }
    return resolve(values, TrainFlow, where="test")


def trainer(*cycle: str, **keys: Any) -> FlowTrainer:
    """A trainer of an estimator alone."""
    networks = Networks(EstimatorWithGenerator(tiny()), None, Edges)
    return FlowTrainer(recipe(*cycle, **keys), networks, Accelerator(cpu=True))


def whole(*cycle: str, **keys: Any) -> FlowTrainer:
    """A trainer of everything: estimator, image generator, discriminator."""
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(1)
        discriminator = PatchDiscriminator(widths=(8, 8), sigma=1.5)
    networks = Networks(EstimatorWithGenerator(tiny(), Painter()), discriminator, Edges)
    told = recipe(*cycle, rate=1e-2, generator={}, **keys)
    return FlowTrainer(told, networks, Accelerator(cpu=True))


def copies(trainer: FlowTrainer) -> tuple[list[Tensor], ...]:
    assert trainer.discriminator is not None
    assert trainer.image_generator is not None
    parts = (trainer.estimator, trainer.image_generator, trainer.discriminator.discriminator)
    return tuple([p.detach().clone() for p in part.parameters()] for part in parts)


def moved(before: tuple[list[Tensor], ...], trainer: FlowTrainer) -> list[bool]:
    """Which of estimator, generator and discriminator have changed."""
    return [
        any(not torch.equal(a, b) for a, b in zip(*both, strict=True))
        for both in zip(before, copies(trainer), strict=True)
    ]


def test_tasks_alternate_and_name_their_losses() -> None:
    mine = trainer("affine", "reconstruction", "exact+reconstruction")
    names = [set(mine.step(pairs(4, 0))) - {"rate"} for _ in range(4)]
    assert names == [
        {"affine"},
        {"l1", "structure"},
        {"exact", "l1", "structure"},
        {"affine"},
    ]


def test_the_affine_task_alone_learns_affine_maps() -> None:
    mine, batch = trainer("affine", steps=80), pairs(8, 0)
    losses = [mine.step(batch)["affine"] for _ in range(80)]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


@pytest.mark.parametrize("task", ["reconstruction", "exact"])
def test_each_task_of_pairs_overfits_four_of_them(task: str) -> None:
    batch = pairs(4, 0)
    mine = trainer(task, steps=80)
    first = mine.step(batch)
    for _ in range(79):
        last = mine.step(batch)
    name = "l1" if task == "reconstruction" else "exact"
    assert last[name] < 0.5 * first[name]


def test_random_numbers_of_a_step_depend_on_its_number_alone() -> None:
    keys = {"pair_augmentation": {"mirror": 0.5, "face": 0.2, "joint": 0.2}}
    one, other, again = (trainer("affine", **keys) for _ in range(3))
    for _ in range(2):
        one.step(pairs(4, 0))
    first = one.step(pairs(4, 1))
    other.steps_done = 2
    fresh = other.step(pairs(4, 1))
    again.steps_done = 2
    assert again.step(pairs(4, 1)) == fresh
    assert again.steps_done == 3 == one.steps_done
    assert first != fresh  # weights had moved


def test_another_seed_gives_other_random_numbers() -> None:
    first, second = trainer("affine"), trainer("affine", seed=1)
    assert first.step(pairs(4, 0)) != second.step(pairs(4, 0))


def test_the_affine_task_moves_the_estimator_alone() -> None:
    mine = whole("affine")
    before = copies(mine)
    mine.step(pairs(4, 0))
    assert moved(before, mine) == [True, False, False]


def test_generation_moves_all_three_networks_and_reports_each_loss() -> None:
    mine = whole("generation")
    before = copies(mine)
    losses = mine.step(pairs(4, 0))
    assert moved(before, mine) == [True, True, True]
    assert set(losses) == {
        "perceptual",
        "generative",
        "matching",
        "features",
        "discriminator",
        "rate",
    }


def test_the_discriminators_step_moves_nothing_else() -> None:
    mine, batch = whole("generation"), pairs(4, 0)
    random = torch.Generator().manual_seed(0)
    image = mine.model(batch, ("generation",), random).image
    before = copies(mine)
    assert mine.discriminator is not None
    mine.discriminator.step(image, batch, 0, random)
    assert moved(before, mine) == [False, False, True]


def test_the_models_loss_leaves_no_gradient_in_the_discriminator() -> None:
    mine, batch = whole("generation"), pairs(4, 0)
    losses, _ = mine.losses(["generation"], batch, torch.Generator().manual_seed(0))
    total_loss(losses, mine.recipe.weights).backward()
    assert mine.discriminator is not None
    assert all(p.grad is None for p in mine.discriminator.discriminator.parameters())
    assert any(p.grad is not None for p in mine.estimator.parameters())


def test_equation_9_is_the_weighted_sum_of_its_parts() -> None:
    weights = {"perceptual": 2.0, "generative": 0.5, "matching": 0.0, "features": 3.0}
    mine, batch = whole("generation", weights=weights), pairs(4, 0)
    losses, image = mine.losses(["generation"], batch, torch.Generator().manual_seed(0))
    by_hand = 2 * losses["perceptual"] + 0.5 * losses["generative"] + 3 * losses["features"]
    torch.testing.assert_close(total_loss(losses, mine.recipe.weights), by_hand)
    assert image is not None
    expected = perceptual_loss(image, batch.target, Edges(), scales=(1.0,))
    torch.testing.assert_close(losses["perceptual"], expected)


def test_a_step_descends_equation_9() -> None:
    """What the optimiser gets is the weighted sum of what the step reports."""
    weights = {"perceptual": 2.0, "generative": 0.5, "matching": 0.0, "features": 3.0}
    mine, descended = whole("generation", weights=weights), []
    optimise = mine.optimise

    def optimised(total: Tensor, step: int) -> float:
        descended.append(float(total.detach()))
        return optimise(total, step)

    mine.optimise = optimised  # type: ignore[assignment]
    told = mine.step(pairs(4, 0))
    by_hand = 2 * told["perceptual"] + 0.5 * told["generative"] + 3 * told["features"]
    assert descended == [pytest.approx(by_hand, rel=1e-5)]


def test_parts_of_a_model_learn_at_their_own_rates() -> None:
    mine = whole("generation")
    mine.step(pairs(4, 0))
    rates = [group["lr"] for group in mine.optimise.optimizer.param_groups]
    assert rates == pytest.approx([1e-2, 1e-3, 1e-2])


# Who sees what in a step, from recorded calls.


class Judge(PatchDiscriminator):
    """Notes what it is asked, by whom."""

    def __init__(self) -> None:
        super().__init__(widths=(8, 8), sigma=1.5)
        self.asked: dict[str, tuple[Tensor, Tensor, Pose]] = {}

    def loss(self, real: Tensor, fake: Tensor, pose: Pose, generator: torch.Generator) -> Tensor:
        self.asked["D"] = (real, fake, pose)
        return super().loss(real, fake, pose, generator)

    def generator_losses(self, real: Tensor, fake: Tensor, pose: Pose) -> dict[str, Tensor]:
        self.asked["G"] = (real, fake, pose)
        return super().generator_losses(real, fake, pose)


class WatchedPainter(Painter):
    """Notes what it is given, and what it made of it."""

    def forward(self, source: Tensor, motion: Motion) -> Tensor:
        self.source, self.motion = source, motion
        self.image = super().forward(source, motion)
        return self.image

    def own_losses(self, batch: PosePair, motion: Motion) -> dict[str, Tensor]:
        self.batch, self.own_motion = batch, motion
        return super().own_losses(batch, motion)


class WatchedEdges(Edges):
    """Notes the images it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def features(self, image: Tensor, *, depths: int | None = None) -> list[Tensor]:
        self.seen.append(image)
        return super().features(image)


def same_pose(one: Pose, other: Pose) -> bool:
    return torch.equal(one.xy, other.xy) and torch.equal(one.visible, other.visible)


@pytest.mark.parametrize("mirrored", [False, True])
def test_who_sees_which_image_and_which_pose_in_task_2(mirrored: bool) -> None:
    given = pairs(4, 0)
    pair_augmentation = {**STILL, "mirror": float(mirrored)}
    everyone = torch.ones(4, dtype=torch.bool)
    batch = mirror_pairs(given, everyone) if mirrored else given
    judge, painter, edges = Judge(), WatchedPainter(), WatchedEdges()
    model, asked, told = EstimatorWithGenerator(tiny(), painter), [], []
    motion, progress = model.estimator.motion, model.estimator.set_progress

    def watched(source: Tensor, source_pose: Pose, target_pose: Pose) -> Motion:
        asked.append((source, source_pose, target_pose))
        return motion(source, source_pose, target_pose)

    def noted(share: float, generator: torch.Generator) -> None:
        told.append(share)
        progress(share, generator)

    model.estimator.motion, model.estimator.set_progress = watched, noted  # type: ignore[method-assign]
    settings = recipe("generation", generator={}, pair_augmentation=pair_augmentation)
    mine = FlowTrainer(settings, Networks(model, judge, lambda: edges), Accelerator(cpu=True))
    mine.steps_done = 3
    mine.step(given)
    assert told == [0.3]
    ((source, source_pose, target_pose),) = asked
    assert torch.equal(source, batch.source)
    assert same_pose(source_pose, batch.source_pose)
    assert same_pose(target_pose, batch.target_pose)
    assert torch.equal(painter.source, batch.source)
    assert painter.own_motion.flow is painter.motion.flow
    assert torch.equal(painter.batch.target, batch.target)
    for player in ("D", "G"):
        real, fake, pose = judge.asked[player]
        assert torch.equal(real, batch.target), player
        assert torch.equal(fake, painter.image), player
        assert fake.requires_grad == (player == "G")
        assert same_pose(pose, batch.target_pose), player
    assert torch.equal(edges.seen[0], batch.target)  # without a gradient, see `perceptual_loss`
    assert torch.equal(edges.seen[1], painter.image)


def test_a_w_that_knows_the_affine_map_has_nothing_to_learn_in_task_1() -> None:
    networks = Networks(EstimatorWithGenerator(FittedAffine()), None, Edges)
    mine = FlowTrainer(recipe("affine"), networks, Accelerator(cpu=True))
    for _ in range(3):
        assert mine.step(pairs(4, 0))["affine"] < 1e-4
