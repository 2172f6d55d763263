from pathlib import Path

import pytest

from reidaug.errors import UsageError
from reidaug.recipes import Recipe, load


class Inner(Recipe):
    rate: float = 0.1


class Outer(Recipe):
    steps: int
    name: str = "small"
    inner: Inner = Inner()


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


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
    ],
)
def test_what_is_wrong_is_one_line_with_file_and_key(
    tmp_path: Path, text: str, overrides: list[str], says: str
) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        load(written(tmp_path, text), Outer, overrides)
    assert overrides or "recipe.yaml" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml: no such recipe file"):
        load(tmp_path / "nowhere.yaml", Outer)


def test_a_recipe_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Outer(steps=1).steps = 2  # type: ignore[misc]
