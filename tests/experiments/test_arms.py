"""Arms in recipes, and experiments that go on with the cells of others."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from pydantic import ValidationError

from reidaug.experiments.arms import Arm, ExperimentOptions, extends, settings_of


class Options(ExperimentOptions):
    """An experiment whose arms may change one key."""

    CHANGEABLE: ClassVar[tuple[str, ...]] = ("min_quality",)
    STAGES: ClassVar[tuple[str, ...]] = ("start",)


def options(**changes) -> Options:
    values = {"protocol": "supervised", "dataset": "market", "arms": {"real_only": None}}
    return Options.model_validate(values | changes)


@pytest.mark.parametrize(
    ("value", "crops"),
    [
        (None, (None,)),
        ("warps", (Path("warps"),)),
        (["warps", None], (Path("warps"), None)),
        ({"crops": "warps", "only": True}, (Path("warps"),)),
        ({}, (None,)),
    ],
)
def test_crops_alone_stand_for_an_arm(value, crops) -> None:
    assert Arm.model_validate(value).crops == crops


def test_an_arm_changes_its_own_experiment_alone() -> None:
    arms = {"strict": {"changes": {"min_quality": 0.5}}, "real_only": None}
    experiment = options(arms=arms)
    assert experiment.of_arm("strict").min_quality == 0.5
    assert experiment.of_arm("real_only") is experiment
    assert experiment.of_arm("start") is experiment


@pytest.mark.parametrize(
    "arms", [{"start": None}, {"a/b": None}, {"a": {"changes": {"seeds": [1]}}}, {}]
)
def test_wrong_arms_are_an_error(arms) -> None:
    with pytest.raises(ValidationError):
        options(arms=arms)


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("method", "real_onlyy"),
        ("baseline", "nope"),
        ("controls", ["real_only", "nope"]),
        ("ceiling", "nope"),
    ],
)
def test_a_name_of_no_arm_is_refused(role, name) -> None:
    near = r"; did you mean 'real_only'\?" if role == "method" else ""
    with pytest.raises(ValidationError, match=rf"{role}: no arm '.*' \(arms: real_only\){near}"):
        options(**{role: name})


def test_arms_that_are_compared_by_default_need_not_be_run() -> None:
    arms = {"real_only": None, "strict": {"changes": {"min_quality": 0.5}}}
    assert options(arms=arms).of_arm("strict").method == "warps_grey"
    assert options(arms=arms, method="strict", controls=["identity_grey"]).method == "strict"


def test_precision_is_as_the_recipe_says() -> None:
    cpu = torch.device("cpu")
    assert options(precision="bfloat16").bfloat16(cpu)
    assert not options(precision="float32").bfloat16(cpu)


@pytest.mark.parametrize(
    ("changes", "possible"),
    [
        ({}, True),
        ({"arms": {"real_only": None, "warps": "warps"}}, True),
        ({"seeds": [0, 5]}, True),
        ({"method": "real_only"}, True),
        ({"cache_mb": 8, "memory_mb": 8}, True),
        ({"seeds": [1, 0]}, False),
        ({"arms": {"warps": "warps"}}, False),
        ({"min_quality": 0.5}, False),
    ],
)
def test_an_experiment_may_get_more_arms_and_seeds(changes, possible) -> None:
    begun = options(seeds=[0, 1]).resolved("finetune-eval")
    wanted = options(**{"seeds": [0, 1], **changes}).resolved("finetune-eval")
    assert extends(begun, wanted) == possible


def test_memory_is_no_part_of_what_is_asked_of_a_cell() -> None:
    less, other = options(cache_mb=8, memory_mb=8), options(min_quality=0.5)
    assert settings_of(less, "real_only") == settings_of(options(), "real_only")
    assert settings_of(other, "real_only") != settings_of(options(), "real_only")


def test_crops_that_an_arm_names_twice_are_refused() -> None:
    for crops in (["warps", "./warps"], [None, None]):
        with pytest.raises(ValidationError, match=r"arms\.twice: .* is there twice"):
            options(arms={"real_only": None, "twice": crops})
