"""Mutants: which are drawn, and what the tests say to them."""

import json
import random
from pathlib import Path

import pytest
from mutant_draw import SWAPPED, Mutant, behaviour, draw, mutate, places, swapped_arguments
from mutants import Outcome, change, copied, explain, files_of_tests, judge, summary

MODULE = '''"""Say 1 + 1."""

HALF: float | None = 0.5
ONE = min(2, 1)


def less(one: int, other: int | None) -> int:
    """Take one less."""
    return other - one if other else one


def both(a: int, b: int) -> int:
    return less(a, b) + less(a, a)
'''
TEST = """from functools import cache

import pytest

from reidaug.geometry.small import HALF, both, less


@cache
def three() -> int:
    return less(2, 5)


def test_once() -> None:
    three()


def test_again() -> None:
    assert three() == 3


@pytest.fixture(scope="module")
def two() -> int:
    return both(1, 3)


def test_first(two: int) -> None:
    assert HALF < 1


def test_second(two: int) -> None:
    assert two == 2
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of one module and one test."""
    repository = tmp_path / "repository"
    for name, text in {
        "reidaug/__init__.py": "",
        "reidaug/geometry/__init__.py": "",
        "reidaug/geometry/small.py": MODULE,
        "tests/geometry/test_small.py": TEST,
        "pyproject.toml": "[tool.pytest.ini_options]\n",
    }.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return repository


def changed(after: str, before: str = "other - one") -> Mutant:
    source = MODULE.replace(before, after)
    return Mutant("reidaug/geometry/small.py", 9, "by hand", before, after, source)


def test_neighbouring_arguments_change_places_where_they_differ() -> None:
    assert list(swapped_arguments(MODULE)) == [MODULE.replace("less(a, b)", "less(b, a)")]
    wide = 'f("ä", x.y, z, 1)\nmax(x, z)\ntorch.minimum(x, z)\nisinstance(x, z)\n'
    assert list(swapped_arguments(wide)) == [wide.replace("x.y, z", "z, x.y")]


def test_types_and_docstrings_are_no_behaviour() -> None:
    assert behaviour(MODULE) == behaviour(MODULE.replace("int | None", "int").replace("Take", "Do"))
    assert behaviour(MODULE) == behaviour(MODULE.replace("1 + 1", "1 - 1"))
    assert behaviour(MODULE) != behaviour(MODULE.replace("0.5", "1.5"))
    assert behaviour(MODULE) != behaviour(MODULE.replace("- one", "+ one"))


def test_the_tests_decide_what_becomes_of_a_mutant(root: Path, tmp_path: Path) -> None:
    copied(root, tmp_path)
    mutants = [
        changed("other + one"),  # found through a cached value, by another test than computed it
        changed("0 + other - one"),
        changed("less(a, b) + 1", "less(a, b) + less(a, a)"),  # found through a fixture
        changed("= 1.5", "= 0.5"),  # not in a function
        changed("= 0.25", "= 0.5"),
    ]
    fails = ["others"]
    found = list(judge(tmp_path, "geometry", mutants, fails=fails, warm=()))
    results = ["killed", "survived", "killed", "killed", "survived"]
    assert [outcome.result for outcome in found] == results
    assert fails == []
    assert (tmp_path / "reidaug/geometry/small.py").read_text() == MODULE
    reasons = {mutants[1].module: {change(mutants[1]): "it says the same"}}
    timed_out = found[0]._replace(result="timed out")
    assert summary([*found[:2], timed_out], reasons, ["t"]) == {
        "mutants": 3,
        "killed": 2,
        "share": 0.667,
        "tests_left_out": ["t"],
        "survivors": [found[1].as_dict() | {"reason": "it says the same"}],
    }


@pytest.mark.slow
def test_a_mutant_that_no_test_is_run_for_lives(root: Path, tmp_path: Path) -> None:
    (root / "reidaug/geometry/alone.py").write_text("ONE = 1\n")
    copied(root, tmp_path)
    alone = Mutant("reidaug/geometry/alone.py", 1, "by hand", "1", "2", "ONE = 2\n")
    found = judge(tmp_path, "geometry", [alone, changed("other + one")], near=True, warm=())
    assert [outcome.result for outcome in found] == ["survived", "killed"]


def test_near_tests_import_the_module(root: Path) -> None:
    module, own = "reidaug/geometry/small.py", "tests/geometry/test_small.py"
    for name, text in {
        "tests/small_people.py": "from reidaug.geometry import small",
        "tests/geometry/test_far.py": "from reidaug.geometry.smaller import one",
        "tests/geometry/deep/test_near.py": "from reidaug.geometry.small import less",
        "tests/geometry/test_shared.py": "from small_people import ann",
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    far, near = "tests/geometry/test_far.py", "tests/geometry/deep/test_near.py"
    shared = "tests/geometry/test_shared.py"
    assert files_of_tests(root, "geometry", module, near=True) == [[own], [near, shared]]
    assert files_of_tests(root, "geometry", module, near=False) == [[own], [near, far, shared]]
    assert files_of_tests(root, "geometry", "reidaug/geometry/x.py", near=True) == [[], []]


@pytest.mark.slow
def test_tests_that_fail_without_a_mutant_take_no_part(root: Path, tmp_path: Path) -> None:
    test = root / "tests/geometry/test_small.py"
    test.write_text(TEST.replace("== 3", "== 4"))
    copied(root, tmp_path)
    fails: list[str] = []
    outcome = next(judge(tmp_path, "geometry", [changed("other + one")], fails=fails, warm=()))
    assert fails == ["tests/geometry/test_small.py::test_again"]
    assert outcome.result == "killed"


@pytest.mark.slow
def test_tests_that_cannot_be_collected_are_told(root: Path, tmp_path: Path) -> None:
    (root / "tests/geometry/test_small.py").write_text("import nothing_of_this_name\n")
    copied(root, tmp_path)
    with pytest.raises(SystemExit, match="tests/geometry: cannot be collected"):
        next(judge(tmp_path, "geometry", [changed("other + one")], warm=()))


def test_reasons_are_written_into_a_result(tmp_path: Path) -> None:
    mutant, result = changed("x"), tmp_path / "mutants.json"
    rooms = {"geometry": summary([Outcome(mutant, "survived")], {})}
    assert rooms["geometry"]["survivors"][0]["reason"] is None
    result.write_text(json.dumps({"rooms": rooms, "date": "today"}, indent=1))
    explain(result, {mutant.module: {change(mutant): "equivalent"}})
    rooms["geometry"]["survivors"][0]["reason"] = "equivalent"
    assert json.loads(result.read_text()) == {"rooms": rooms, "date": "today"}


def test_no_mutants_have_no_share() -> None:
    assert summary([], {})["share"] is None
    assert Outcome(changed("x"), "survived").as_dict()["result"] == "survived"


def test_a_sample_depends_on_its_seed_alone(root: Path) -> None:
    pytest.importorskip("cosmic_ray")
    first, again, other = (draw(root, "geometry", 4, random.Random(seed)) for seed in (0, 0, 1))
    assert first == again != other
    assert len(first) == 4
    assert [mutant.operator for mutant in first].count(SWAPPED) == 1  # there is one
    assert all(behaviour(mutant.source) != behaviour(MODULE) for mutant in first)
    assert all(mutant.before != mutant.after for mutant in first)
    names = {name for name, _ in places(MODULE)}
    assert len(names) == len(places(MODULE))
    assert mutate(MODULE, "core/ReplaceBinaryOperator_Sub_Add", 99) is None
