"""The first table of docs/paper.md: functions that run, and tests that are there."""

import inspect
import re
from pathlib import Path
from pkgutil import resolve_name

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "paper.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.split("## Equations")[1].split("\n\n")[2].splitlines()[2:]
]
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"def (test_\w+)\(", path.read_text())
}


def found(name: str) -> object:
    """Find a function or class by its dotted name."""
    module, _, attribute = name.strip("`").rpartition(".")
    return resolve_name(f"{module}:{attribute}")


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_the_function_of_an_equation_is_called_where_the_page_says(row: list[str]) -> None:
    _, function, caller, _, _ = row
    assert callable(found(function))
    name = function.strip("`").rpartition(".")[2]
    source = inspect.getsource(inspect.getmodule(found(caller)))
    calls = re.findall(rf"(?<!def )\b{name}\b\(|partial\(\s*{name}\b", source)
    assert calls, f"{caller} does not call {name}"


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_the_tests_of_an_equation_are_there(row: list[str]) -> None:
    named = re.findall(r"`(test_\w+)`", " ".join(row[3:]))
    files = re.findall(r"`(test_\w+\.py)`", row[3])
    assert len(named) + len(files) >= 2
    assert set(named) <= TESTS
    assert all(list((ROOT / "tests").rglob(file)) for file in files)


def test_every_equation_has_a_row() -> None:
    assert {int(n) for row in ROWS for n in re.findall(r"\b\d+\b", row[0].split(",")[0])} >= {
        *range(1, 11)
    }
