"""Training loops on tiny networks: averaged weights, batch norm, metrics."""

from typing import NamedTuple

import pytest
import torch
from drawn_crops import LABELS, DrawnCrops

from reidaug.reid.batches import Batch, TrainingBatches
from reidaug.reid.model_factory import build
from reidaug.reid.network_modes import seeded
from reidaug.reid.trainer import ReIDTrainer
from reidaug.reid.training_loop import DivergedError, FinalMetrics, train
from reidaug.reid.training_options import TrainingOptions


def trained(steps: int = 4, calibration: DrawnCrops | None = None, **changes):
    crops = DrawnCrops()
    options = TrainingOptions(people=3, images=2, ratio=0.5, **changes)
    chance = torch.Generator().manual_seed(0)
    model = build("resnet18", 3, width=8, blocks=[1] * 4, embedding=8, generator=chance)
    states, seen = [], []

    def after_step(step: int, record: dict[str, float]) -> None:
        states.append({key: value.clone() for key, value in model.state_dict().items()})
        seen.append(step)

    batches = TrainingBatches(crops, LABELS, crops, LABELS, calibration=calibration)
    with seeded(0):
        metrics = train(model, batches, options, steps=steps, seed=0, after_step=after_step)
    assert seen == list(range(1, steps + 1))
    return model.state_dict(), states, metrics


def test_the_last_weights_count_and_batch_norm_is_measured_anew() -> None:
    final, states, metrics = trained()
    assert torch.equal(final["conv1.weight"], states[-1]["conv1.weight"])
    assert not torch.equal(final["bn1.running_mean"], states[-1]["bn1.running_mean"])
    assert metrics.loss > 0
    kept, states, _ = trained(recalibrate_norm=False)
    assert torch.equal(kept["bn1.running_mean"], states[-1]["bn1.running_mean"])


def test_weights_may_be_averaged_over_the_last_steps() -> None:
    """At a rate that moves them: the last steps of a cosine hardly do."""
    for share, count in ((0.5, 2), (0.75, 3), (1.0, 4)):
        final, states, _ = trained(average_share=share, learning_rate=3e-2, warmup=0.0)
        weights = [state["conv1.weight"] for state in states]
        mean = torch.stack(weights[-count:]).mean(0)
        torch.testing.assert_close(final["conv1.weight"], mean)
        for other in (weights[-1], weights[-2], torch.stack(weights[-count + 1 :]).mean(0)):
            assert (final["conv1.weight"] - other).abs().max() > 1e-3


def test_no_steps_leave_the_network_as_it_is() -> None:
    _, _, metrics = trained(steps=0)
    assert metrics == FinalMetrics(None, None)


def test_a_diverging_training_is_an_error() -> None:
    wild = {"learning_rate": 100, "head_rate": 1e6, "optimiser": "sgd", "warmup": 0.0}
    with pytest.raises(DivergedError, match=r"step \d+: the loss '\w+' is not finite") as stopped:
        trained(steps=30, **wild)
    assert "learning_rate" in str(stopped.value)
    assert stopped.value.good_step < stopped.value.step
    assert all(value.isfinite().all() for value in stopped.value.good.values())


def test_weights_that_are_not_finite_after_the_last_step_are_an_error() -> None:
    chance = torch.Generator().manual_seed(0)
    model = build("resnet18", 3, width=8, blocks=[1] * 4, embedding=8, generator=chance)
    crops, options = DrawnCrops(), TrainingOptions(people=3, images=2, recalibrate_norm=False)

    def spoil(step: int, record: dict[str, float]) -> None:
        if step == 2:
            model.state_dict()["conv1.weight"].fill_(torch.nan)

    batches = TrainingBatches(crops, LABELS, crops, LABELS)
    with pytest.raises(DivergedError, match=r"seed 5, step 2: the weights conv1") as stopped:
        train(model, batches, options, steps=2, seed=5, after_step=spoil)
    assert stopped.value.step == 2


class Noted(NamedTuple):
    """The crops of a training, and what its steps were given."""

    real: DrawnCrops
    extra: DrawnCrops
    steps: list[tuple[Batch, Batch | None]]
    read: list[int]  # main crops read by the last step


def noted(monkeypatch, *, seed=0, **changes) -> Noted:
    real, extra, steps, read = DrawnCrops(), DrawnCrops(), [], []
    options = TrainingOptions(people=3, images=2, ratio=0.5, **changes)
    model = build("resnet18", 3, width=4, blocks=[1] * 4, embedding=4)
    step = ReIDTrainer.step

    def watched(self, main, other=None):
        steps.append((main, other))
        read.append(len(real.read))
        return step(self, main, other)

    monkeypatch.setattr(ReIDTrainer, "step", watched)
    train(
        model,
        TrainingBatches(real, LABELS, extra, LABELS),
        options,
        steps=3,
        seed=seed,
        after_step=lambda step, record: None,
    )
    return Noted(real, extra, steps, real.read[: read[-1]])


def test_steps_get_the_batches_of_their_seed(monkeypatch) -> None:
    found = noted(monkeypatch, seed=5, recalibrate_norm=False, real_only_share=0.0)
    options = TrainingOptions(people=3, images=2, ratio=0.5, real_only_share=0.0)
    batches = TrainingBatches(DrawnCrops(), LABELS, DrawnCrops(), LABELS)
    expected = list(batches.batches(options, steps=3, seed=5, device=torch.device("cpu")))
    for both, wanted in zip(found.steps, expected, strict=True):
        for one, other in zip(both, wanted, strict=True):
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.labels, other.labels)
    other = noted(monkeypatch, seed=6, recalibrate_norm=False)
    assert found.read != other.read


@pytest.mark.parametrize("how", [{"recalibrate_norm": True}, {"average_share": 0.5}])
def test_batch_norm_is_measured_on_main_crops(monkeypatch, how) -> None:
    """Extra crops are read for the steps alone, main crops once more for the statistics."""
    found = noted(monkeypatch, real_only_share=0.0, **how)
    assert len(found.extra.read) == 3 * 3
    assert len(found.real.read) - len(found.read) == 20 * len(LABELS)


def test_batch_norm_may_be_measured_on_other_crops_than_those_of_the_steps() -> None:
    """Weights are those of the same steps, statistics those of crops that are all alike."""
    plain, _, _ = trained()
    found, _, _ = trained(calibration=DrawnCrops([0] * len(LABELS)))
    assert torch.equal(found["conv1.weight"], plain["conv1.weight"])
    assert not torch.equal(found["bn1.running_mean"], plain["bn1.running_mean"])
    assert found["bn1.running_var"].max() < plain["bn1.running_var"].max()


def test_averaged_weights_have_statistics_of_their_own() -> None:
    final, states, _ = trained(average_share=0.5, recalibrate_norm=False)
    name = "bn1.running_mean"
    assert all(not torch.equal(final[name], state[name]) for state in states)
