"""Trials of mutants: what has changed, and processes of their own."""

import time
from pathlib import Path
from types import CodeType

import pytest
from mutant_trials import Functions, changed_functions, forked, swapped_file

MODULE = """
ONE = 1
def outer(a, b):
    def inner(c):
        return c - b
    return inner(a)
class Held:
    two = 2
    def take(self, a):
        return a - self.two
"""


def compiled(source: str) -> CodeType:
    return compile(source, "small.py", "exec")


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ("c - b", "c + b", ["outer"]),
        ("inner(a)", "inner(b)", ["outer"]),
        ("a - self.two", "self.two - a", ["Held.take"]),
        ("ONE = 1", "ONE = True", None),  # equal, but not the same
        ("two = 2", "two = 3", None),
        ("def outer(a, b)", "def outer(a, b=1)", None),
        ("\nONE", "\n\nONE", []),
    ],
)
def test_what_differs_is_a_function_or_more(before: str, after: str, names: list[str]) -> None:
    pairs = changed_functions(compiled(MODULE), compiled(MODULE.replace(before, after)))
    assert (pairs and [old.co_qualname for old, _ in pairs]) == (names or pairs)
    assert (pairs is None) == (names is None)


def test_living_functions_take_their_changed_code() -> None:
    room: dict[str, object] = {}
    old, new = compiled(MODULE), compiled(MODULE.replace("c - b", "c + b"))
    exec(old, room)
    outer = room["outer"]
    assert callable(outer)
    assert outer(5, 3) == 2
    pairs = changed_functions(old, new)
    assert pairs
    Functions("small.py").replace(pairs)
    assert outer(5, 3) == 8


def wait() -> int:
    time.sleep(60)
    return 0


def spin() -> int:
    while True:
        pass


def fail() -> int:
    raise ValueError


def test_a_process_says_how_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    assert forked(lambda: 0, 5) == "survived"
    assert forked(lambda: 1, 5) == "killed"
    assert forked(fail, 5) == "killed"
    assert forked(wait, 0.02) == "timed out"
    assert forked(spin, 0.2) == "timed out"


def test_a_file_comes_back_with_its_time(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("old")
    before = path.stat().st_mtime_ns
    with swapped_file(path, "new"):
        assert path.read_text() == "new"
    assert path.read_text() == "old"
    assert path.stat().st_mtime_ns == before
