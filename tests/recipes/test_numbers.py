"""Every number of every recipe refuses what no training can mean, in one line with its key."""

import dataclasses
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.augment.options import AugmentOptions
from reidaug.errors import UsageError
from reidaug.experiments.adaptation_config import AdaptationRecipe
from reidaug.experiments.compare_config import Compare
from reidaug.experiments.finetune_config import FinetuneRecipe
from reidaug.flow.surface.training.recipe import TrainSurface
from reidaug.flow.training.recipe import TrainFlow
from reidaug.recipes import Recipe, load, resolve

NEEDED: dict[type[Recipe], dict[str, Any]] = {
    FinetuneRecipe: {"dataset": "x"},
    AdaptationRecipe: {"protocol": "uda", "source": "x", "dataset": "y", "arms": {"dgnetpp": None}},
    TrainFlow: {"pairs": "x", "estimator": {"class": "a:B"}, "schedule": {"steps": 5}},
    TrainSurface: {"surfaces": "x", "estimator": {"class": "a:B"}, "schedule": {"steps": 5}},
    Compare: {"pairs": "x", "rows": {"a": {}}},
    AugmentOptions: {},
}
Path_ = tuple[str, ...]


def numbers(kind: Any, path: Path_ = ()) -> Iterator[tuple[Path_, int]]:
    """Key of every number of a recipe, and how many of them it holds (0: any number)."""
    hints = get_type_hints(kind, include_extras=True)
    fields = (
        kind.model_fields if hasattr(kind, "model_fields")
        else {field.name for field in dataclasses.fields(kind)}
    )  # fmt: skip
    for name in fields:
        yield from _of(hints[name], (*path, name), -1)


def _of(kind: Any, path: Path_, many: int) -> Iterator[tuple[Path_, int]]:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        for part in get_args(kind):
            yield from _of(part, path, many)
    elif get_origin(kind) is tuple:
        parts = get_args(kind)
        yield from _of(parts[0], path, 0 if parts[-1] is ... else len(parts))
    elif kind in (int, float):
        yield path, many
    elif dataclasses.is_dataclass(kind) or (isinstance(kind, type) and issubclass(kind, Recipe)):
        yield from numbers(kind, path)


KEYS = [(schema, *found) for schema in NEEDED for found in numbers(schema)]
BAD = st.one_of(
    st.sampled_from([float("nan"), float("inf"), float("-inf"), 1e30, -1e30, 10**400, -1, -0.5]),
    st.integers(min_value=2**40),
    st.integers(max_value=-1),
    st.floats(min_value=1e8, allow_infinity=True),
    st.floats(max_value=-1e-9),
)


def nested(values: dict[str, Any], path: Path_, value: Any) -> dict[str, Any]:
    """Set one key at any depth."""
    key, *rest = path
    inner = values.get(key)
    inner = inner if isinstance(inner, dict) else {}
    return {**values, key: nested(inner, tuple(rest), value) if rest else value}


def test_there_are_numbers_in_every_recipe() -> None:
    assert {schema for schema, _, _ in KEYS} == set(NEEDED)
    assert len(KEYS) > 150


@pytest.mark.parametrize("schema", NEEDED, ids=lambda schema: schema.__name__)
def test_the_recipes_are_right_without_the_bad_number(schema: type[Recipe]) -> None:
    resolve(NEEDED[schema], schema, where="r.yaml")


@given(st.data())
def test_no_recipe_takes_a_senseless_number(data: st.DataObject) -> None:
    schema, path, many = data.draw(st.sampled_from(KEYS))
    bad = data.draw(BAD)
    value = bad if many < 0 else [bad] * max(1, many)
    with pytest.raises(UsageError) as refused:
        resolve(nested(NEEDED[schema], path, value), schema, where="r.yaml")
    line = str(refused.value)
    assert line.startswith("r.yaml: ")
    assert path[-1] in line
    assert "\n" not in line
    assert len(line) < 400


@pytest.mark.parametrize(
    ("schema", "path"), [key[:2] for key in KEYS], ids=lambda part: getattr(part, "__name__", None)
)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1, 10**30])
def test_each_number_refuses_the_plainest_ones(
    schema: type[Recipe], path: Path_, bad: float
) -> None:
    many = next(many for kind, found, many in KEYS if (kind, found) == (schema, path))
    value = bad if many < 0 else [bad] * max(1, many)
    with pytest.raises(UsageError, match=path[-1]) as refused:
        resolve(nested(NEEDED[schema], path, value), schema, where="r.yaml")
    assert "\n" not in str(refused.value)


FINETUNE = "dataset: x\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("weights: ~nobody_of_this_name/x", "'weights': .*no such user"),
        ('weights: "a\\0b"', "'weights': no text"),
        ('weights: "\\ud800"', "'weights': no text"),
        (f"weights: {'w' * 300}", "'weights': a file name in it is longer than 255 bytes"),
        (f"weights: {'w' * 5000}", "'weights': no text"),
        ("backbone_options: {width: .nan}", "'backbone_options.width': nan is not a finite"),
        (f"steps: {'9' * 5000}", "not valid YAML"),
        (f"steps: 0x{'f' * 5000}", "'steps': a number beyond all bounds"),
        ("steps: 2024-13-45", "not valid YAML"),
        ("steps: ~", "'steps'"),
        ("on: 3", "keys are text, got True"),
        ("objective: {margin: -0.3}", "'objective.margin': from 0 to 1000"),
        ("arms: {'$x_{': ~}", r"arms: '\$x_\{' names files and curves"),
        ("arms: {'..': ~}", "names files and curves"),
        ("arms: {'a/b': ~}", "names files and curves"),
        ("arms: {'_a': ~}", "names files and curves"),
        (f"arms: {{{'a' * 101}: ~}}", "names files and curves"),
        ("arms: {a: {changes: {learning_rate: -1}}}", "'learning_rate': input should be greater"),
        ("arms: {a: {changes: {learning_rate: [1]}}}", "'learning_rate'"),
        ("people: 2\nimages: 1\nratio: 0.5\nseparate_norm: true", "one extra crop a batch"),
        ("people: 2\nimages: 1\nratio: 0.1", "no extra crop at all"),
        ("people: 4000\nimages: 1000", "are more than 268435456 pixels"),
    ],
)
def test_other_values_that_no_experiment_can_mean(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(FINETUNE + text)
    with pytest.raises(UsageError, match=says) as refused:
        load(path, FinetuneRecipe)
    assert "\n" not in str(refused.value)


def test_nesting_without_end_is_refused() -> None:
    values: dict[str, Any] = {"dataset": "x", "backbone_options": {}}
    values["backbone_options"]["a"] = values["backbone_options"]  # an alias of itself
    resolve({"dataset": "x"}, FinetuneRecipe, where="r")
    deep: Any = 1
    for _ in range(60):
        deep = {"a": deep}
    with pytest.raises(UsageError, match="keys deep"):
        resolve({"dataset": "x", "backbone_options": deep}, FinetuneRecipe, where="r")
