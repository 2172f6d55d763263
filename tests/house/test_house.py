"""The rules of the house that no linter knows."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import readme

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "reidaug").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_one_noun_of_readable_length(path: Path) -> None:
    assert path.stem not in {"utils", "helpers", "misc", "manager", "common"}
    assert len(path.read_text().splitlines()) <= 420


@pytest.mark.parametrize("equation", ["2", "3", "4", "5", "6", "7", "8", "10"])
def test_every_equation_is_cited_by_a_function_and_by_a_test(equation: str) -> None:
    cites = re.compile(rf"Eqs?\. (\d+-)?{equation}\b|Eqs?\. {equation}-\d")
    functions = [
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and cites.search(ast.get_docstring(node) or "")
    ]
    assert functions
    assert any(
        re.search(rf"equation_{equation}\b|equation_{equation}_", p.read_text()) for p in TESTS
    )


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_recipe_is_short_and_starts_with_its_command(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 40
    assert lines[0].startswith("# reidaug ")
    assert str(path.relative_to(ROOT)) in lines[0]


def test_the_command_line_answers_without_heavy_imports() -> None:
    code = (
        "import sys, reidaug.cli\n"
        "try: reidaug.cli.main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nonsense"], 2, "No such command 'nonsense'"),
        (["augment"], 2, "Missing argument"),
        (["train-flow", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["finetune-eval", "nowhere.yaml"], 2, "nowhere.yaml"),
    ],
)
def test_wrong_usage_is_said_in_a_line(arguments: list[str], code: int, says: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "reidaug", *arguments], capture_output=True, text=True, check=False
    )
    assert ran.returncode == code
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_numbers_of_the_pages_are_those_of_the_results() -> None:
    """Numbers only: another sentence around them breaks nothing."""
    number = re.compile(r"\d+(?:[.,]\d+)*")
    for path, written in readme.pages().items():
        quoted = path.read_text().split(readme.START)[1].split(readme.END)[0]
        assert number.findall(quoted) == number.findall(written), path


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_a_result_says_what_made_it_and_nothing_of_whose_machine(path: Path) -> None:
    text = path.read_text()
    assert {"command", "hardware", "commit", "date"} <= set(json.loads(text))
    assert not re.search(r'"/\w', text)  # a path from the root of some machine
