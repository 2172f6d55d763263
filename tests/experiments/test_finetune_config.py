"""The recipe of `reidaug finetune-eval`."""

from pathlib import Path

import pytest
from small_experiment import recipe

from reidaug.errors import UsageError
from reidaug.experiments.finetune_config import START


def test_changes_of_an_arm_leave_the_rest_as_it_is():
    strong = {"changes": {"transforms": {"jitter": 0.5}, "ratio": 2.0}}
    changed = recipe(Path("data"), arms={"strong": strong}, transforms={"flip": 0.0}).of_arm(
        "strong"
    )
    assert (changed.transforms.jitter, changed.transforms.flip, changed.ratio) == (0.5, 0.0, 2.0)
    assert changed.steps == 4
    assert recipe(Path("data")).of_arm("real_only") == recipe(Path("data"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": 1}, "unknown key 'lr'"),
        ({"objective": {"margim": 1}}, "margim"),
        ({"objective": {"extra_teacher": 3}}, "objective.extra_teacher"),
        ({"transforms": {"shift": 9}}, "transforms.shift"),
        ({"objective": {"triplet_weight": -1}}, "objective.triplet_weight"),
        ({"transforms": {"flip": "often"}}, "transforms.flip"),
        ({"seeds": [1, 1]}, "seeds differ"),
        ({"arms": {"Real": None, "real": None}}, "'Real' and 'real' name the same files"),
        ({"seeds": [-1]}, "seeds.0"),
        ({"size": [0, 0]}, "'size.0': input should be greater"),
        ({"arms": {START: None}}, f"arm.*{START}"),
        ({"protocol": "cross_domain"}, "test_dataset.*cross_domain"),
        ({"test_dataset": "x"}, "test_dataset.*cross_domain"),
        (
            {"protocol": "cross_domain", "test_dataset": "data/../data/market"},
            "test_dataset is 'dataset' itself",
        ),
        ({"test_pattern": "x"}, "test_pattern is for test_dataset"),
        ({"arms": {"a": {"changes": {"steps": 9}}}}, "arm a .*steps"),
        ({"arms": {"a": {"changes": {"ratio": -1}}}}, "ratio"),
        ({"arms": {"a": {"crop": "x"}}}, "unknown key 'arms.a.crop'"),
        ({"arms": {"a": {"crops": []}}}, "arms.a.crops"),
        ({"grounds": 0.5}, "grounds needs masks"),
        ({"light": 0.5}, "light.*needs grounds"),
        ({"objective": {"extra_consistency": 1}}, "extra_consistency.*extra_of: crop"),
        (
            {"masks": "m", "grounds": 0.5, "arms": {"a": {"crops": "x", "only": True}}},
            "arm a: grounds",
        ),
        ({"extra_of": "crop", "arms": {"a": {"crops": "x", "only": True}}}, "arm a: extra_of"),
        ({"weights": "imagenet"}, "test: weights: imagenet is for .*mobilenet_v2.* resnet18 name"),
    ],
)
def test_a_wrong_recipe_names_the_key(changes, message):
    with pytest.raises(UsageError, match=message):
        recipe(Path("data"), **changes)


def test_one_root_may_hold_two_domains_that_patterns_tell_apart():
    across = {"protocol": "cross_domain", "test_dataset": "data/market"}
    pattern = r"site2_(?P<pid>\d+)_(?P<camid>\d+)"
    assert recipe(Path("data"), **across, test_pattern=pattern).test_pattern == pattern
