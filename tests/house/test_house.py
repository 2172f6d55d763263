"""The rules of the house that no linter knows."""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest
import readme
import yaml
from check_results import UNSETTLED, lacking

from reidaug.data import images

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "reidaug").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))

COVERED_ELSEWHERE = {
    "augment/warping.py": "tests/augment/test_engine.py",
    "experiments/adaptation_cell.py": "tests/experiments/test_adaptation.py: killed and resumed",
    "experiments/adaptation_stages.py": "tests/experiments/test_adaptation.py: every stage",
    "report/augment_section.py": "tests/report/test_run_page.py: the page of every kind of run",
    "report/compare_section.py": "tests/report/test_run_page.py: the page of every kind of run",
    "report/data_section.py": "tests/report/test_run_page.py: the page of every kind of run",
    "report/evaluation_section.py": "tests/report/test_run_page.py: the page of every kind of run",
    "report/recipe_section.py": "tests/report/test_run_page.py: recipes and their differences",
    "experiments/demo_report.py": "tests/commands/test_demo.py: the page of a whole demo",
    "flow/estimator.py": "tests/test_testing.py: the contract of every estimator",
    "flow/image_generator.py": "tests/flow/training/test_trainer.py",
    "flow/loss_weights.py": "tests/flow/training/test_tasks.py",
    "flow/perceptual_weights.py": "tests/flow/test_perceptual_networks.py",
    "flow/rivals/fomm_generator.py": "tests/flow/rivals/test_generators.py: both generators",
    "flow/rivals/mraa.py": "tests/flow/rivals/test_parametric.py: FOMM, MRAA and TPSMM",
    "flow/rivals/tpsmm_generator.py": "tests/flow/rivals/test_generators.py: both generators",
    "flow/rivals/warped_features.py": "tests/flow/rivals/test_generators.py: both generators",
    "flow/score_table.py": "tests/experiments/test_compare.py",
    "people3d/appearance.py": "tests/people3d/test_appearance_sampling.py: a record",
    "people3d/kernels.py": "tests/people3d/test_raster.py",
    "reid/crop_transforms.py": "tests/reid/test_crops.py",
    "reid/features.py": "tests/reid/evaluation/test_retrieval.py",
    "reid/model_contract.py": "tests/reid/test_model_factory.py",
}
"""Modules without a test file of their own: where they are tested."""


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_one_noun_of_readable_length(path: Path) -> None:
    assert path.stem not in {"utils", "helpers", "misc", "manager", "common"}
    assert lines(path) <= 350


def test_commands_hold_options_and_no_logic() -> None:
    commands = [path for path in MODULES if path.parent.name == "commands"]
    assert {path.name: lines(path) for path in commands if lines(path) > 150} == {}
    assert sum(map(lines, commands)) <= 2300


def test_every_module_has_a_test_file_of_its_own() -> None:
    modules = {str(path.relative_to(ROOT / "reidaug")): path for path in MODULES}
    without = {
        name
        for name in modules
        if not name.endswith(("__init__.py", "__main__.py"))
        and not (ROOT / "tests" / Path(name).with_name(f"test_{Path(name).name}")).exists()
    }
    assert without == set(COVERED_ELSEWHERE)


def test_images_are_opened_by_a_closed_list_of_formats() -> None:
    """Some of the others run programs: `reidaug.data.images.open_image` reads users' files."""
    calls = [
        (path.name, {keyword.arg for keyword in node.keywords})
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Image.open", "PIL.Image.open")
    ]
    assert len(calls) >= 2
    assert [name for name, keywords in calls if "formats" not in keywords] == []


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/commands.md"])
def test_the_pages_name_the_formats_and_limits_of_images(page: str) -> None:
    text = (ROOT / page).read_text()
    assert images.KINDS in text
    assert f"{images.MOST_PIXELS // 10**6} million pixels" in text
    assert [kind.upper() for kind in re.findall(r"\w+", images.KINDS) if kind != "and"] == [
        *images.FORMATS
    ]


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


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


def test_the_numbers_of_the_pages_are_those_of_the_results() -> None:
    """Numbers only: another sentence around them breaks nothing."""
    number = re.compile(r"\d+(?:[.,]\d+)*")
    for path, written in readme.pages().items():
        for quoted, expected in zip(readme.quoted(path.read_text()), written, strict=True):
            assert number.findall(quoted) == number.findall(expected), path


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_a_result_says_what_made_it_and_nothing_of_whose_machine(path: Path) -> None:
    text = path.read_text()
    assert path.stem in UNSETTLED or lacking(json.loads(text)) == []
    assert not re.search(r'"/\w', text)  # a path from the root of some machine


@pytest.mark.parametrize("path", sorted(readme.pages()), ids=lambda p: p.name)
def test_where_an_interval_leaves_out_0_no_page_says_no_evidence(path: Path) -> None:
    """What speaks against such a difference is said: seeds that differ, or Holm's rule."""
    said = re.compile(r"\(([+-][\d.]+) to ([+-][\d.]+)[^()]*\) ?[:,|] *([^|;,.\n]+)")
    for low, high, words in said.findall(path.read_text()):
        if "no evidence" in words:
            assert float(low) <= 0 <= float(high), (low, high, words)


def test_the_citation_is_of_this_version() -> None:
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    page = (ROOT / "README.md").read_text()
    assert (cited["version"], cited["license"]) == (about["version"], about["license"])
    assert cited["keywords"] == about["keywords"]
    for said in (f"{{{cited['version']}}}", f"{{{cited['title']}}}", cited["authors"][0]["name"]):
        assert said in page
