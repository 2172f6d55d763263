"""Mutants: which are drawn, and what the tests say to them."""

import random
from pathlib import Path

import pytest
from mutants import (
    SWAPPED,
    Copy,
    Mutant,
    Outcome,
    behaviour,
    draw,
    mutate,
    places,
    runs_of,
    summary,
    swapped_arguments,
)

MODULE = '''"""Say 1 + 1."""

HALF: float | None = 0.5


def less(one: int, other: int | None) -> int:
    """Take one less."""
    return other - one if other else one


def both(a: int, b: int) -> int:
    return less(a, b) + less(a, a)
'''
TEST = """from reidaug.geometry.small import both, less

def test_less() -> None:
    assert less(2, 5) == 3
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


def changed(after: str) -> Mutant:
    source = MODULE.replace("other - one", after)
    return Mutant("reidaug/geometry/small.py", 8, "by hand", "", "", source)


def test_neighbouring_arguments_change_places_where_they_differ() -> None:
    assert list(swapped_arguments(MODULE)) == [MODULE.replace("less(a, b)", "less(b, a)")]
    wide = 'f("ä", x.y, z, 1)\n'
    assert list(swapped_arguments(wide)) == ['f("ä", z, x.y, 1)\n']


def test_types_and_docstrings_are_no_behaviour() -> None:
    assert behaviour(MODULE) == behaviour(MODULE.replace("int | None", "int").replace("Take", "Do"))
    assert behaviour(MODULE) == behaviour(MODULE.replace("1 + 1", "1 - 1"))
    assert behaviour(MODULE) != behaviour(MODULE.replace("0.5", "1.5"))
    assert behaviour(MODULE) != behaviour(MODULE.replace("- one", "+ one"))


def test_the_tests_decide_what_becomes_of_a_mutant(root: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy = Copy(root, tmp_path / "copy")
    assert runs_of(root, "reidaug/geometry/small.py") == [
        ["tests/geometry/test_small.py"],
        ["tests/geometry"],
    ]
    dead = copy.judge(changed("other + one"))
    assert dead.result == "killed"
    alive = copy.judge(changed("0 + other - one"))
    assert alive.result == "survived"
    assert (tmp_path / "copy" / "reidaug/geometry/small.py").read_text() == MODULE
    assert summary([dead, alive, dead._replace(result="timed out")]) == {
        "mutants": 3,
        "killed": 2,
        "share": 0.667,
        "survivors": [alive.as_dict()],
    }


def test_tests_that_fail_without_a_mutant_are_told(root: Path, tmp_path: Path) -> None:
    (root / "tests/geometry/test_small.py").write_text("def test() -> None:\n    assert False\n")
    (tmp_path / "copy").mkdir()
    with pytest.raises(SystemExit, match="fail without a mutant"):
        Copy(root, tmp_path / "copy").judge(changed("other + one"))


def test_no_mutants_have_no_share() -> None:
    assert summary([])["share"] is None
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
