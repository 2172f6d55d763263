"""Recipes of unsupervised adaptation."""

from pathlib import Path

import pytest
from small_adaptation import recipe

from reidaug.errors import UsageError
from reidaug.experiments.adaptation_config import START, WARMUP


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {START: None}}, "names files and curves"),
        ({"arms": {"teacher": None}}, "names files and curves"),
        ({"cluster": {"eps": 0.8}}, r"cluster.eps .* cluster.original"),
        ({"cluster": {"k1": 0}}, r"cluster\.k1"),
        ({"teacher": {"images": 0}}, r"teacher\.images"),
        ({"weights": {"cycle": -1}}, r"weights\.cycle"),
        ({"rates": {"source": {"encoder": "fast"}}}, r"rates\.source\.encoder"),
        ({"arms": {"a": {"only": True}}}, "'only'"),
        ({"arms": {"a": {"changes": {"steps": 1}}}}, "arm a cannot change steps"),
        ({"rates": {"adapt": {"encodr": 1}}}, r"rates\.adapt\.encodr"),
        ({"rates": {"later": {}}}, r"rates\.later"),
        ({"transforms": {"erase": 0.5}}, r"transforms\.erase"),
        ({"seeds": [1, 1]}, "seeds"),
        ({"cluster": {"epsilon": 1}}, "epsilon"),
    ],
)
def test_a_wrong_recipe_is_one_line(changes: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recipe(Path("nowhere"), **changes)


def test_rates_that_are_not_named_are_those_of_the_phase() -> None:
    rates = recipe(Path("nowhere"), rates={"warmup": {"domain": 1e-4}}).rates.of("warmup")
    assert (rates.encoder, rates.domain, rates.drops) == (1e-5, 1e-4, ())


def test_an_arm_can_change_a_weight_of_its_own() -> None:
    arms = {"light": {"changes": {"weights": {"extra": 0.1}}}, "dgnetpp": None}
    experiment = recipe(Path("nowhere"), arms=arms)
    assert experiment.of_arm("light").weights.extra == 0.1
    assert experiment.of_arm("light").weights.cycle == experiment.weights.cycle
    assert experiment.of_arm(WARMUP).weights.extra == 0.5
