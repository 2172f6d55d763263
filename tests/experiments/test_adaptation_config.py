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
        ({"teacher": {"style": "harsh"}}, r"teacher\.style"),
        ({"weights": {"cycle": -1}}, r"weights\.cycle"),
        ({"rates": {"source": {"encoder": "fast"}}}, r"rates\.source\.encoder"),
        ({"arms": {"a": {"only": True}}}, "'only'"),
        ({"arms": {"a": {"changes": {"steps": 1}}}}, "arm a cannot change steps"),
        ({"rates": {"adapt": {"encodr": 1}}}, r"rates\.adapt\.encodr"),
        ({"rates": {"later": {}}}, r"rates\.later"),
        ({"transforms": {"erase": 0.5}}, r"transforms\.erase"),
        ({"seeds": [1, 1]}, "seeds"),
        ({"cluster": {"epsilon": 1}}, "epsilon"),
        ({"cluster_views": {"root": ["warps"]}}, r"cluster_views\.root"),
        ({"cluster_views": {"roots": ["warps"], "weight": -1}}, r"cluster_views\.weight"),
        ({"cluster_views": {"roots": ["warps"], "each": 0}}, r"cluster_views\.each"),
        ({"arms": {"a": {"changes": {"cluster_views": {"rots": []}}}}}, r"cluster_views\.rots"),
        (
            {"arms": {"a": {"changes": {"ratio": 0, "weights": {"positive_triplet": 1}}}}},
            "arm a: weights.positive_triplet is about extra crops, and ratio 0 of a batch of 4",
        ),
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


def test_an_arm_averages_views_of_its_own_before_clustering() -> None:
    arms = {"averaged": {"changes": {"cluster_views": {"roots": ["warps"]}}}, "dgnetpp": None}
    experiment = recipe(Path("nowhere"), arms=arms, cluster_views={"weight": 2.0})
    own = experiment.of_arm("averaged").cluster_views
    assert (own.roots, own.weight, own.each) == ((Path("warps"),), 2.0, None)
    assert not experiment.of_arm("dgnetpp").cluster_views.roots
    assert not experiment.of_arm(WARMUP).cluster_views.roots


@pytest.mark.parametrize("style", ["soft", "hard", "appearance", "uniform", "parents"])
def test_a_recipe_names_how_the_teacher_labels(style: str) -> None:
    assert recipe(Path("nowhere"), teacher={"style": style}).teacher.style == style
    assert recipe(Path("nowhere"), teacher={}).teacher.style == "soft"
