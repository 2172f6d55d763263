from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from reidaug.errors import UsageError
from reidaug.flow.loss_weights import LossWeights
from reidaug.flow.surface.training.augmentation import SurfaceAugmentation
from reidaug.flow.surface.training.recipe import SurfaceWeights
from reidaug.flow.training.pair_augmentation import PairAugmentation
from reidaug.flow.training.recipe import Schedule
from reidaug.recipes import Count, Recipe, Weight, check_arguments, load, resolve


class Inner(Recipe):
    rate: float = 0.1


@dataclass(frozen=True)
class Part:
    weight: Weight = 1.0
    flag: bool = False


class Outer(Recipe):
    steps: int
    name: str = "small"
    inner: Inner = Inner()
    part: Part = Part()
    sizes: tuple[Count | None, ...] = ()
    flags: tuple[bool, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "part",
    [Schedule(1), LossWeights(), PairAugmentation(), SurfaceAugmentation(), SurfaceWeights()],
)
def test_defaults_keep_their_bounds(part: Any) -> None:
    """Parts of recipes are plain dataclasses, whose defaults nobody else looks at."""
    assert TypeAdapter(type(part)).validate_python(asdict(part)) == part


def test_a_default_out_of_bounds_is_an_error() -> None:
    class Wrong(Recipe):
        weight: Weight = -1.0

    with pytest.raises(ValidationError, match="weight"):
        Wrong()


def test_a_recipe_says_only_what_differs(tmp_path: Path) -> None:
    recipe = load(written(tmp_path, "# reidaug ...\nsteps: 3\n"), Outer)
    assert recipe == Outer(steps=3, name="small", inner=Inner(rate=0.1))


def test_overrides_reach_inner_keys_and_keep_their_types(tmp_path: Path) -> None:
    path = written(tmp_path, "steps: 3")
    recipe = load(path, Outer, ["steps=5", "inner.rate=1e-3", "name=x=y"])
    assert (recipe.steps, recipe.inner.rate, recipe.name) == (5, 1e-3, "x=y")


@pytest.mark.parametrize(
    ("text", "overrides", "says"),
    [
        ("stepz: 3", [], "'steps' is missing; unknown key 'stepz' .known: steps, name, inner"),
        ("steps: many", [], "'steps': input should be a valid integer.*got 'many'"),
        ("steps: 3\ninner: {rat: 1}", [], "unknown key 'inner.rat'"),
        ("[1, 2]", [], "expected 'key: value' lines"),
        ("steps: [", [], "not valid YAML"),
        ("", [], "'steps' is missing"),
        ("steps: 3", ["steps"], "expected key=value"),
        ("steps: 3", ["steps.more=1"], "has no keys of its own"),
        ("steps: 3", ["name=["], "not valid YAML"),
        ("steps: yes", [], r"yaml: 'steps': a number is asked for, got true \(as YAML reads yes"),
        ("steps: 3", ["inner.rate=off"], "'inner.rate': a number is asked for, got false"),
        ("steps: 3\npart: {weight: true, flag: true}", [], "'part.weight': a number is asked for"),
        ("steps: 3\nsizes: [1, no]", [], "'sizes.1': a number is asked for, got false"),
    ],
)
def test_what_is_wrong_is_one_line_with_file_and_key(
    tmp_path: Path, text: str, overrides: list[str], says: str
) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        load(written(tmp_path, text), Outer, overrides)
    assert overrides or "recipe.yaml" in str(caught.value)
    assert caught.value.exit_code == 2


def test_what_is_true_or_false_stays_so(tmp_path: Path) -> None:
    text = "steps: 3\npart: {flag: yes}\nflags: [on, no]\noptions: {layers: yes}\nsizes: [null]"
    recipe = load(written(tmp_path, text), Outer)
    assert (recipe.part.flag, recipe.flags, recipe.options) == (
        True,
        (True, False),
        {"layers": True},
    )


def test_arguments_are_tested_by_their_types() -> None:
    def make(width: int, flag: bool = False, share: float | None = None, any_kind: Any = 1) -> None:
        """Take them."""

    check_arguments(make, {"width": 1, "flag": True, "any_kind": True, "no": True}, where="x")
    with pytest.raises(UsageError, match=r"^x: 'share': a number is asked for, got false"):
        check_arguments(make, {"width": 1, "share": False}, where="x")


def test_an_argument_that_is_a_function_is_no_number() -> None:
    def make(layer: Callable[[int, float], object], size: int = 1) -> None:
        """Take them."""

    check_arguments(make, {"layer": "torch.nn:ReLU", "size": 2}, where="x")
    check_arguments(make, {"layer": True}, where="x")
    with pytest.raises(UsageError, match="'size': a number is asked for"):
        check_arguments(make, {"layer": "torch.nn:ReLU", "size": True}, where="x")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml: no such recipe file"):
        load(tmp_path / "nowhere.yaml", Outer)


def test_a_recipe_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Outer(steps=1).steps = 2  # type: ignore[misc]


def test_paths_are_of_the_home_folder_and_never_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    class Places(Recipe):
        one: Path
        more: tuple[Path | None, ...] = ()

    monkeypatch.setenv("HOME", "/home/anna")
    read = resolve({"one": "~/a", "more": ["~/b", None, "c"]}, Places, where="r")
    assert read.one == Path("/home/anna/a")
    assert read.more == (Path("/home/anna/b"), None, Path("c"))
    for values, key in (({"one": ""}, "one"), ({"one": "a", "more": ["b", ""]}, "more")):
        with pytest.raises(UsageError, match=f"r: '{key}': the path is empty"):
            resolve(values, Places, where="r")


def test_the_recipe_that_a_run_keeps_is_a_recipe_of_its_command(tmp_path: Path) -> None:
    for command in ("compare", "compare --eval-only --rerank gnn"):
        path = written(tmp_path, f"command: {command}\nsteps: 3\n")
        assert load(path, Outer, command="compare") == Outer(steps=3)
        told = "is the recipe of a run of compare.*, not of train-flow"
        with pytest.raises(UsageError, match=told):
            load(path, Outer, command="train-flow")
        with pytest.raises(UsageError, match="unknown key 'command'"):
            load(path, Outer)


def test_wrong_items_are_told_once(tmp_path: Path) -> None:
    class Listed(Recipe):
        sizes: Annotated[tuple[Count, ...], Field(min_length=1)]

    with pytest.raises(UsageError) as told:
        load(written(tmp_path, "sizes: [-1]"), Listed)
    assert "'sizes.0'" in str(told.value)
    assert "at least 1 item" not in str(told.value)
    with pytest.raises(UsageError, match="at least 1 item"):
        load(written(tmp_path, "sizes: []"), Listed)
