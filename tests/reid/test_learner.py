"""One step of learning."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from reidaug.errors import UsageError
from reidaug.reid.learner import (
    Batch,
    Learner,
    Objective,
    WeightMean,
    frozen_teacher,
    optimise,
    recalibrate,
    seeded,
    warm_cosine,
)
from reidaug.reid.model_factory import build


def small(**options):
    chance = torch.Generator().manual_seed(0)
    return build("resnet18", 4, width=4, blocks=[1] * 4, embedding=8, generator=chance, **options)


def batch(seed=0, count=8):
    chance = torch.Generator().manual_seed(seed)
    labels = torch.arange(4).repeat_interleave(count // 4)
    look = torch.randn(4, 3, 1, 1, generator=chance)
    noise = torch.randn(count, 3, 32, 16, generator=chance)
    return Batch(look[labels] + 0.5 * noise, labels)


def learner(model, steps=40, **options):
    optimiser = optimise(model, learning_rate=3e-3)
    return Learner(model, optimiser, Objective(), steps=steps, **options)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("separate", [False, True])
def test_it_learns_who_is_who(half, separate):
    with seeded(0):
        model = small(dropouts=[0.0])
        trainer = learner(model, half=half, separate_norm=separate)
        records = [trainer.step(batch(), batch(1)) for _ in range(40)]
    assert records[-1]["loss"] < 0.6 * records[0]["loss"]
    assert records[-1]["accuracy"] == 1
    assert set(records[0]) == {"loss", "identity", "identity_top", "triplet", "accuracy"}


def test_weights_of_the_objective_are_what_they_say():
    with seeded(0):
        model = small()
        seen, above = model(batch().images), model(batch(1).images)
    labels = batch().labels
    parts = Objective(triplet_weight=2.0, top_weight=0.25).losses(seen, labels, above, labels)
    expected = parts["identity"] + 0.25 * parts["identity_top"] + 2 * parts["triplet"]
    torch.testing.assert_close(parts["loss"], expected)
    assert set(Objective(triplet_weight=0.0).losses(seen, labels, None, labels)) == {
        "loss",
        "identity",
    }


def test_a_step_is_repeatable_dropout_and_all():
    def losses():
        with seeded(7):
            trainer = learner(small())
            return [trainer.step(batch(), batch(1))["loss"] for _ in range(3)]

    before = torch.get_rng_state()
    assert losses() == losses()
    assert torch.equal(before, torch.get_rng_state())


def test_recalibrated_statistics_are_the_mean_over_batches():
    model = small()
    batches = [batch(seed).images for seed in range(3)]
    recalibrate(model, batches)
    with torch.no_grad():
        means = [model.conv1(images).mean((0, 2, 3)) for images in batches]
    torch.testing.assert_close(model.bn1.running_mean, torch.stack(means).mean(0))
    assert all(m.momentum == 0.1 for m in model.modules() if isinstance(m, nn.BatchNorm2d))


def test_averaged_weights_are_their_mean():
    model = small()
    mean, kept = WeightMean(model), []
    mean.apply()  # none yet
    for value in (1.0, 2.0, 6.0):
        for parameter in model.parameters():
            parameter.data.fill_(value)
        kept.append(value)
        mean.add()
    mean.apply()
    expected = torch.full_like(model.conv1.weight, sum(kept) / 3)
    torch.testing.assert_close(model.conv1.weight.data, expected)


def test_the_learning_rate_rises_and_falls():
    rates = [warm_cosine(step, steps=100, warmup=10) for step in range(101)]
    assert rates[:11] == pytest.approx([*(k / 11 for k in range(1, 11)), 1.0])
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[100] == pytest.approx(0)


def test_heads_learn_at_their_own_rate():
    groups = optimise(small(), kind="sgd", learning_rate=0.1, head_rate=10.0).param_groups
    assert [group["lr"] for group in groups] == [0.1, 1.0]
    assert len(groups[1]["params"]) == 2 * 6


def test_a_teacher_stays_as_it_was_and_shares_the_labels_weight():
    with seeded(0):
        model = small(dropouts=[0.0])
        model.eval()
        teacher = frozen_teacher(model)
        expected = model(batch(1).images).logits[0]
        trainer = Learner(
            model,
            optimise(model, learning_rate=3e-3),
            Objective(top_teacher=0.25, top_smoothing=0.0),
            steps=5,
            teacher=teacher,
        )
        for _ in range(3):
            trainer.step(batch(), batch(1))
    torch.testing.assert_close(teacher(batch(1).images), expected.detach())
    with seeded(0):
        seen = small(dropouts=[0.0])(batch(1).images)
    labels, said = batch(1).labels, torch.randn(8, 4, generator=torch.Generator().manual_seed(3))
    parts = trainer.objective.losses(seen, labels, seen, labels, said)
    logs = seen.logits[0].log_softmax(1)
    own = -logs[torch.arange(8), labels].mean()
    told = -(said.softmax(1) * logs).sum(1).mean()
    torch.testing.assert_close(parts["identity_top"], 0.75 * own + 0.25 * told)


def test_who_asks_a_teacher_needs_one():
    model = small()
    with pytest.raises(UsageError, match="no teacher"):
        Learner(model, optimise(model), Objective(top_teacher=1.0), steps=1)
