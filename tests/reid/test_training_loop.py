"""Training loops on tiny networks: averaged weights, batch norm, metrics."""

import pytest
import torch
from drawn_crops import LABELS, DrawnCrops

from reidaug.reid.batches import TrainingBatches
from reidaug.reid.model_factory import build
from reidaug.reid.network_modes import seeded
from reidaug.reid.training_loop import DivergedError, FinalMetrics, train
from reidaug.reid.training_options import TrainingOptions


def trained(steps: int = 4, **changes):
    crops = DrawnCrops()
    options = TrainingOptions(people=3, images=2, ratio=0.5, **changes)
    chance = torch.Generator().manual_seed(0)
    model = build("resnet18", 3, width=8, blocks=[1] * 4, embedding=8, generator=chance)
    states, seen = [], []

    def after_step(step: int, record: dict[str, float]) -> None:
        states.append({key: value.clone() for key, value in model.state_dict().items()})
        seen.append(step)

    batches = TrainingBatches(crops, LABELS, crops, LABELS)
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
    final, states, _ = trained(average_share=0.5)
    mean = (states[-1]["conv1.weight"] + states[-2]["conv1.weight"]) / 2
    torch.testing.assert_close(final["conv1.weight"], mean)


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
