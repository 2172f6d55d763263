"""The recipe of a flow training: learning-rate schedule, cycle of tasks, presets."""

from typing import Any

import pytest

from reidaug.errors import UsageError
from reidaug.flow.training.recipe import Schedule, TrainFlow, resolved
from reidaug.recipes import resolve


def training(*cycle: str, **keys: Any) -> TrainFlow:
    values = {"pairs": "x", "estimator": {}, "schedule": {"steps": 1}, "cycle": cycle, **keys}
    return resolve(values, TrainFlow, where="test")


def test_the_rate_rises_and_falls() -> None:
    cosine = Schedule(steps=100, rate=1.0, warmup=10)
    rates = [cosine.at(step) for step in range(100)]
    assert rates[0] < rates[5] < rates[10]
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[99] < 0.001
    assert Schedule(steps=100, rate=0.5, shape="constant").at(99) == 0.5


def test_rates_drop_to_a_tenth_where_the_originals_do() -> None:
    drops = Schedule(steps=100, rate=1.0, shape="drops")
    assert [drops.at(step) for step in (0, 59)] == [1.0, 1.0]
    assert [drops.at(step) for step in (60, 89, 90, 99)] == pytest.approx([0.1, 0.1, 0.01, 0.01])


def test_unknown_tasks_and_missing_generators_are_errors() -> None:
    with pytest.raises(UsageError, match=r"cycle.*adversarial.*affine"):
        training("affine", "exact+adversarial")
    with pytest.raises(UsageError, match="cycle"):
        training()
    with pytest.raises(UsageError, match=r"generation.*generator"):
        training("generation")


def test_all_tasks_of_the_cycle_are_listed() -> None:
    assert training("exact+reconstruction", "affine").tasks == ("exact", "reconstruction", "affine")


def test_presets_are_resolved_to_keywords() -> None:
    small = {"class": "reidaug.flow.unwarpme:UnWarpME", "preset": "small", "sigma": 9.0}
    values = resolved(training("affine", estimator=small))
    assert values["command"] == "train-flow"
    assert "preset" not in values["estimator"]
    assert values["estimator"]["sigma"] == 9.0
    assert len(values["estimator"]) > 3
    assert values["generator"] is None


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_the_default_precision_is_the_fast_one(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reidaug.flow.training.recipe.fast_precision", lambda device: precision)
    keys = {"pairs": "pairs", "estimator": {"class": "a:B"}, "schedule": {"steps": 1}}
    assert resolve(keys, TrainFlow, where="test").precision == precision
