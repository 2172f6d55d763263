"""Training steps, learning rates and teachers."""

from itertools import pairwise

import pytest
import torch

from reidaug.errors import UsageError
from reidaug.finite import NotFiniteError
from reidaug.reid.backbones import Embedding
from reidaug.reid.batches import Batch
from reidaug.reid.losses import Knowledge, ReIDLosses
from reidaug.reid.model_factory import build
from reidaug.reid.network_modes import seeded
from reidaug.reid.trainer import ReIDTrainer, build_optimiser, warm_cosine
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


def distilling(**options):
    objective = ReIDLosses(**options)
    extra_of = "crop" if objective.extra_consistency else "person"
    return TrainingOptions(learning_rate=3e-3, warmup=0.0, objective=objective, extra_of=extra_of)


def test_a_teacher_stays_as_it_was_and_shares_the_labels_weight():
    with seeded(0):
        model = small(dropouts=[0.0])
        model.eval()
        expected = model(batch(1).images).logits[0].detach()
        options = distilling(extra_teacher=0.25, extra_smoothing=0.0)
        trainer = ReIDTrainer(model, options, steps=5)
        for _ in range(3):
            trainer.step(batch(), batch(1))
    torch.testing.assert_close(trainer.teacher(batch(1).images).logits[0], expected)
    with seeded(0):
        output = small(dropouts=[0.0])(batch(1).images)
    labels, scores = batch(1).labels, torch.randn(8, 4, generator=torch.Generator().manual_seed(3))
    known = Knowledge(scores=scores)
    parts = trainer.objective.losses(output, labels, output, labels, known)
    logs = output.logits[0].log_softmax(1)
    own = -logs[torch.arange(8), labels].mean()
    distilled = -(scores.softmax(1) * logs).sum(1).mean()
    torch.testing.assert_close(parts["extra_identity"], 0.75 * own + 0.25 * distilled)


def test_an_average_teacher_follows_slowly():
    with seeded(0):
        model = small(dropouts=[0.0])
        options = distilling(extra_teacher=0.5, teacher="average")
        trainer = ReIDTrainer(model, options, steps=5)
        before = trainer.teacher(batch(1).images).logits[0]
        trainer.step(batch(), batch(1))
        after = trainer.teacher(batch(1).images).logits[0]
        moved = model.eval()(batch(1).images).logits[0].detach()
    near, far = (after - before).abs().mean(), (moved - before).abs().mean()
    assert 0 < float(near) < 0.2 * float(far)


def test_the_teacher_sees_the_crops_that_views_are_of():
    seen = []

    def teacher(images):
        seen.append(images)
        return model(images)

    with seeded(0):
        model = small(dropouts=[0.0]).eval()
        trainer = ReIDTrainer(model, distilling(extra_consistency=1.0), steps=5, teacher=teacher)
        real, rows = batch(), torch.tensor([3, 3, 0, 1, 2, 7, 6, 5])
        parts = trainer.step(real, batch(1)._replace(of=rows))
    assert len(seen) == 1
    assert torch.equal(seen[0], real.images[rows])
    assert 0 < parts["consistency"] < 2


def test_without_a_need_there_is_no_teacher():
    assert ReIDTrainer(small(), TrainingOptions(), steps=1).teacher is None


def test_a_teacher_without_scores_is_an_error():
    def teacher(images):
        return Embedding(torch.zeros(len(images), 2), (), ())

    trainer = ReIDTrainer(small(), distilling(extra_teacher=1.0), steps=1, teacher=teacher)
    with pytest.raises(UsageError, match="no scores"):
        trainer.step(batch(), batch(1))


def test_a_loss_is_tested_before_its_gradient_is_taken():
    trainer = trainer_of(small())
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    broken = batch()._replace(images=batch().images * torch.nan)
    with pytest.raises(NotFiniteError, match=r"the loss '\w+' is not finite"):
        trainer.step(broken)
    for name, value in trainer.model.named_parameters():
        assert value.grad is None
        assert torch.equal(value, before[name])


# What reaches whom in a step, from recorded calls.


def test_options_reach_the_optimiser():
    options = TrainingOptions(
        learning_rate=2e-3, head_rate=5.0, weight_decay=0.07, warmup=0.25, optimiser="sgd"
    )
    trainer = ReIDTrainer(small(), options, steps=8)
    trunk, heads = trainer.optimiser.param_groups
    assert isinstance(trainer.optimiser, torch.optim.SGD)
    assert trunk["weight_decay"] == heads["weight_decay"] == 0.07
    rates = []
    for _ in range(8):
        rates.append([group["lr"] for group in trainer.optimiser.param_groups])
        trainer.step(batch(), batch(1))
    shares = [warm_cosine(step, steps=8, warmup=2) for step in range(8)]
    assert [rate for rate, _ in rates] == pytest.approx([2e-3 * share for share in shares])
    assert [rate for _, rate in rates] == pytest.approx([1e-2 * share for share in shares])
    assert isinstance(trainer_of(small()).optimiser, torch.optim.AdamW)


class Watched(ReIDLosses):
    """Notes what is compared."""

    def losses(self, output, labels, extra, extra_labels, known):
        self.__dict__["asked"] = (output, labels, extra, extra_labels, known)
        return super().losses(output, labels, extra, extra_labels, known)


@pytest.mark.parametrize("separate", [False, True])
def test_main_and_extra_crops_are_compared_with_their_own_labels(separate):
    """In eval mode a crop's output does not depend on who else is in the batch."""
    with seeded(0):
        model = small(dropouts=[0.0])
        trainer = trainer_of(model, separate_norm=separate)
        trainer.objective = Watched(extra_quality=1.0)
        main = batch(0, 8)
        other = torch.tensor([3, 1, 2, 0])
        worth = torch.tensor([0.1, 0.2, 0.3, 0.4])
        extra = Batch(batch(1, 4).images[other], other, quality=worth)
        model.eval()
        model.train = lambda mode=True: model  # stays as it is
        outputs = [model(one.images).pooled for one in (main, extra)]
        trainer.step(main, extra)
    output, labels, extra_output, extra_labels, known = trainer.objective.asked
    torch.testing.assert_close(output.pooled, outputs[0])
    torch.testing.assert_close(extra_output.pooled, outputs[1])
    assert (labels is main.labels, extra_labels is extra.labels) == (True, True)
    assert known.quality is worth
    assert len(output.logits[0]) == 8


def test_extra_crops_of_a_norm_of_their_own_leave_the_statistics_alone():
    def statistics(*batches, **options):
        with seeded(0):
            model = small(dropouts=[0.0])
            trainer_of(model, **options).step(*batches)
        return {name: value for name, value in model.state_dict().items() if "running" in name}

    far = batch(1)._replace(images=batch(1).images + 50)
    alone, beside = statistics(batch()), statistics(batch(), far, separate_norm=True)
    assert all(torch.equal(alone[name], beside[name]) for name in alone)
    together = statistics(batch(), far)
    assert not all(torch.equal(alone[name], together[name]) for name in alone)


def test_the_teacher_judges_the_extra_crops():
    seen = []

    def teacher(images):
        seen.append(images)
        return model(images)

    with seeded(0):
        model = small(dropouts=[0.0]).eval()
        trainer = ReIDTrainer(model, distilling(extra_teacher=0.5), steps=5, teacher=teacher)
        extra = batch(1)
        trainer.step(batch(), extra)
    assert [images is extra.images for images in seen] == [True]
