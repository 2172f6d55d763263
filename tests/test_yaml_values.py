import subprocess
import sys
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reidaug.yaml_values import MOST_CHARACTERS, YamlError, parse_yaml

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(max_size=9), inside),
    max_leaves=20,
)


def bomb(levels: int, *, open: str = "[", close: str = "]", key: str = "") -> str:
    """Nine aliases of nine aliases of ...: 9 ** levels values."""
    lines = [f"a0: &a0 {open}{', '.join(['1'] * 9) if not key else 'x: 1'}{close}"]
    for k in range(1, levels):
        many = ", ".join([f"*a{k - 1}"] * 9)
        lines.append(f"a{k}: &a{k} {open}{key + '[' + many + ']' if key else many}{close}")
    return "\n".join(lines)


@given(VALUES)
def test_what_is_written_is_read(values: object) -> None:
    text = yaml.safe_dump(values, allow_unicode=True)
    assert parse_yaml(text) == yaml.safe_load(text)


@given(st.text(max_size=60))
def test_any_text_gives_values_or_one_line(text: str) -> None:
    try:
        parse_yaml(text)
    except YamlError as error:
        assert "\n" not in str(error)


def test_aliases_are_read() -> None:
    assert parse_yaml("a: &x {k: 1}\nb: *x\nc: {<<: *x, d: 2}") == {
        "a": {"k": 1},
        "b": {"k": 1},
        "c": {"k": 1, "d": 2},
    }


@pytest.mark.parametrize(
    "text", [bomb(8), bomb(30), bomb(9, open="{", close="}", key="<<: ")], ids=len
)
def test_an_alias_bomb_is_refused_at_once(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(YamlError, match="more than 200,000 values, with its aliases written out"):
        parse_yaml(text)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &a [*a]", "an alias is inside what it names"),
        ("[" * 5000, "nested too deeply"),
        ("x" * (MOST_CHARACTERS + 1), "more than 8,388,608 characters"),
        ("a: " + "1" * 5000, "integer string conversion"),
        ("a: 2001-99-99", "month"),
        ("a: 'b", "quoted scalar"),
        ("a: !!python/object/apply:os.system [exit]", "could not determine a constructor"),
        ("a: !!int", "invalid literal|index out of range"),
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_plain_data_is_one_line(text: str, says: str) -> None:
    with pytest.raises(YamlError, match=says) as error:
        parse_yaml(text)
    assert "\n" not in str(error.value)


def test_a_recipe_of_aliases_is_one_line_of_the_command(tmp_path) -> None:
    """PyYAML alone reads it; whoever prints or copies it never ends."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(bomb(30))
    command = [sys.executable, "-m", "reidaug", "finetune-eval", str(recipe), "--out", "out"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"reidaug: {recipe}: not valid YAML: more than 200,000 values, with its aliases written "
        "out\n"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps: 4\nseed: 1\nsteps: 7", "key 'steps' is there twice, in lines 1 and 3"),
        ("a: [1, {b: 1, b: 2}]", "key 'b' is there twice, in lines 1 and 1"),
        ("a: &x {b: 1, b: 1}\nc: *x", "key 'b' is there twice"),
        ("steps: 010", "line 1: 010 is no decimal number"),
        ("a:\n- 1:30", "line 2: 1:30 is no decimal number"),
        ("rate: 1:30.5", "line 1: 1:30.5 is no decimal number"),
    ],
)
def test_what_is_read_as_something_else_is_refused(text: str, says: str) -> None:
    with pytest.raises(YamlError, match=says):
        parse_yaml(text)


def test_keys_may_be_equal_in_several_places() -> None:
    text = "a: &x {k: 1, 1: a}\nb: {k: 2, <<: *x}\nc: {1: a, '1': b}\nd: 0.5\ne: '010'\nf: 00:x"
    found = parse_yaml(text)
    assert found["b"] == {"k": 2, 1: "a"}
    assert found["c"] == {1: "a", "1": "b"}
