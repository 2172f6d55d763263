"""Training steps, learning rates and teachers."""

from itertools import pairwise

import pytest
import torch

from reidaug.errors import UsageError
from reidaug.reid.batches import Batch
from reidaug.reid.losses import ReIDLosses
from reidaug.reid.model_factory import build
from reidaug.reid.network_modes import seeded
from reidaug.reid.trainer import ReIDTrainer, build_optimiser, frozen_teacher, warm_cosine
from reidaug.reid.training_options import TrainingOptions


def small(**options):
    chance = torch.Generator().manual_seed(0)
    return build("resnet18", 4, width=4, blocks=[1] * 4, embedding=8, generator=chance, **options)


def batch(seed=0, count=8):
    chance = torch.Generator().manual_seed(seed)
    labels = torch.arange(4).repeat_interleave(count // 4)
    look = torch.randn(4, 3, 1, 1, generator=chance)
    noise = torch.randn(count, 3, 32, 16, generator=chance)
    return Batch(look[labels] + 0.5 * noise, labels)


def trainer_of(model, steps=40, bfloat16=False, **options):
    options = TrainingOptions(learning_rate=3e-3, warmup=0.0, **options)
    return ReIDTrainer(model, options, steps=steps, bfloat16=bfloat16)


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("separate", [False, True])
def test_training_lowers_the_loss_and_classifies_right(bfloat16, separate):
    with seeded(0):
        model = small(dropouts=[0.0])
        trainer = trainer_of(model, bfloat16=bfloat16, separate_norm=separate)
        records = [trainer.step(batch(), batch(1)) for _ in range(40)]
    assert records[-1]["loss"] < 0.6 * records[0]["loss"]
    assert records[-1]["accuracy"] == 1
    assert set(records[0]) == {"loss", "identity", "extra_identity", "triplet", "accuracy"}


def test_weights_of_the_objective_are_what_they_say():
    with seeded(0):
        model = small()
        output, extra = model(batch().images), model(batch(1).images)
    labels = batch().labels
    parts = ReIDLosses(triplet_weight=2.0, extra_weight=0.25).losses(output, labels, extra, labels)
    expected = parts["identity"] + 0.25 * parts["extra_identity"] + 2 * parts["triplet"]
    torch.testing.assert_close(parts["loss"], expected)
    assert set(ReIDLosses(triplet_weight=0.0).losses(output, labels, None, labels)) == {
        "loss",
        "identity",
    }


def test_a_step_is_repeatable_dropout_and_all():
    def losses():
        with seeded(7):
            trainer = trainer_of(small())
            return [trainer.step(batch(), batch(1))["loss"] for _ in range(3)]

    before = torch.get_rng_state()
    assert losses() == losses()
    assert torch.equal(before, torch.get_rng_state())


def test_the_learning_rate_rises_and_falls():
    rates = [warm_cosine(step, steps=100, warmup=10) for step in range(101)]
    assert rates[:11] == pytest.approx([*(k / 11 for k in range(1, 11)), 1.0])
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[100] == pytest.approx(0)


def test_heads_learn_at_their_own_rate():
    groups = build_optimiser(small(), kind="sgd", learning_rate=0.1, head_rate=10.0).param_groups
    assert [group["lr"] for group in groups] == [0.1, 1.0]
    assert len(groups[1]["params"]) == 2 * 6


def test_a_teacher_stays_as_it_was_and_shares_the_labels_weight():
    with seeded(0):
        model = small(dropouts=[0.0])
        model.eval()
        teacher = frozen_teacher(model)
        expected = model(batch(1).images).logits[0]
        objective = ReIDLosses(extra_teacher=0.25, extra_smoothing=0.0)
        options = TrainingOptions(learning_rate=3e-3, warmup=0.0, objective=objective)
        trainer = ReIDTrainer(model, options, steps=5, teacher=teacher)
        for _ in range(3):
            trainer.step(batch(), batch(1))
    torch.testing.assert_close(teacher(batch(1).images), expected.detach())
    with seeded(0):
        output = small(dropouts=[0.0])(batch(1).images)
    labels, scores = batch(1).labels, torch.randn(8, 4, generator=torch.Generator().manual_seed(3))
    parts = trainer.objective.losses(output, labels, output, labels, scores)
    logs = output.logits[0].log_softmax(1)
    own = -logs[torch.arange(8), labels].mean()
    distilled = -(scores.softmax(1) * logs).sum(1).mean()
    torch.testing.assert_close(parts["extra_identity"], 0.75 * own + 0.25 * distilled)


def test_distillation_without_a_teacher_is_an_error():
    options = TrainingOptions(objective=ReIDLosses(extra_teacher=1.0))
    with pytest.raises(UsageError, match="no teacher"):
        ReIDTrainer(small(), options, steps=1)
