"""The code that results measure."""

from pathlib import Path

import pytest
from measured_code import HIDDEN, ROOMS, ROOT, RUN, WHOLE, WorkingTree, code_of, script_of, since

WRITERS = [
    path.stem
    for path in sorted((ROOT / "benchmarks").glob("*.py"))
    if "import" in path.read_text()
    and any(f" {name}(" in path.read_text() for name in ("write_result", "= about"))
    and path.stem != "provenance"
]


RANKING = "reidaug/reid/evaluation/ranking.py"


class Files:
    """Files in memory."""

    def __init__(self, **contents: str) -> None:
        self.contents = {f"benchmarks/{name}.py": text for name, text in contents.items()}
        self.contents[RANKING] = "a = 1\nb = 2\n"

    def files(self, room: str) -> list[str]:
        return [path for path in self.contents if path == room or path.startswith(f"{room}/")]

    def holds(self, path: str) -> bool:
        return path in self.contents

    def read(self, path: str) -> bytes:
        return self.contents[path].encode()


RERANK = """
from picture_scores import c
from reidaug.reid.evaluation.ranking import a
from provenance import write_result
def main(): write_result(a, c)
main()
"""


def test_a_changed_room_is_named_and_no_other() -> None:
    before = Files(rerank=RERANK, picture_scores="c = 1\n", provenance="said = 1\n")
    rooms, code = ["reidaug/reid/evaluation", "benchmarks/rerank.py"], code_of("rerank", before)
    assert list(code) == rooms
    assert since(code, "rerank", before) == ([], 0, 4)  # a, c, main, and that it is called
    before.contents[RANKING] = '"""Ranks."""\nb = 3  # not used\na = 1\n'
    before.contents["benchmarks/rerank.py"] += "# a comment\n"
    before.contents["benchmarks/provenance.py"] = "said = 2\n"
    assert since(code, "rerank", before) == ([], 0, 4)
    before.contents["benchmarks/picture_scores.py"] = "c = 2\n"  # what the script imports
    assert since(code, "rerank", before) == (rooms[1:], 1, 4)
    before.contents[RANKING] = "a = 2\n"
    assert since(code, "rerank", before) == (rooms, 2, 4)
    assert since({}, "rerank", before) == (rooms, 0, 0)


def test_code_that_moves_within_a_room_is_the_same_code() -> None:
    files = Files(rerank=RERANK)
    code = code_of("rerank", files)
    files.contents[RANKING] = "from reidaug.reid.evaluation.other import a\n"
    files.contents["reidaug/reid/evaluation/other.py"] = "a = 1\n"
    assert since(code, "rerank", files).rooms == []


def test_of_recipes_the_values_count() -> None:
    recipe = "recipes/market1501/world_tau.yaml"
    files = Files(world_tau="main()\n")
    files.contents[recipe] = "a: 1\n"
    code = code_of("world_tau", files)
    files.contents[recipe] = "# why\n\na: 1  # how\n"
    assert since(code, "world_tau", files).rooms == []
    files.contents[recipe] = "a: 2\n"
    assert since(code, "world_tau", files).rooms == [recipe]


def test_modules_reached_without_being_named_are_there() -> None:
    tree = WorkingTree()
    named = [key for keys in (*HIDDEN.values(), *RUN.values()) for key in keys]
    for module in (*HIDDEN, *(module for module, _ in named)):
        path = module.replace(".", "/")
        places = (f"{path}.py", f"{path}/__init__.py", f"benchmarks/{path}.py")
        assert any(map(tree.holds, places)), module
    assert set(RUN) | set(WHOLE) <= set(ROOMS)


@pytest.mark.parametrize("script", WRITERS)
def test_every_script_that_writes_results_says_what_it_measures(script: str) -> None:
    assert script in ROOMS


def test_every_room_is_there() -> None:
    tree = WorkingTree()
    for script, rooms in ROOMS.items():
        assert (ROOT / "benchmarks" / f"{script}.py").is_file()
        assert [room for room in rooms if not tree.files(room)] == [], script


def test_a_folder_with_a_star_is_without_what_lies_below_and_bookkeeping_does_not_count() -> None:
    tree = WorkingTree()
    files = tree.files("reidaug/reid/*")
    assert "reidaug/reid/trainer.py" in files
    assert {Path(file).parent.name for file in files} == {"reid"}
    assert "reidaug/augment/engine.py" not in tree.files("reidaug/augment")
    assert tree.files("reidaug/augment/engine.py") == ["reidaug/augment/engine.py"]


@pytest.mark.parametrize("command", ["", "reidaug demo", "python benchmarks/gone.py --seed 1"])
def test_other_commands_are_refused(command: str) -> None:
    with pytest.raises(ValueError, match=r"not a command|does not say"):
        script_of(command)
    assert script_of("python benchmarks/table5.py --out runs") == "table5"
