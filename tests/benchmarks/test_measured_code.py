"""The code that results measure."""

from pathlib import Path

import pytest
from measured_code import ROOMS, ROOT, WorkingTree, changed, code_of, said, script_of

WRITERS = [
    path.stem
    for path in sorted((ROOT / "benchmarks").glob("*.py"))
    if "import" in path.read_text()
    and any(f" {name}(" in path.read_text() for name in ("write_result", "= about"))
    and path.stem != "provenance"
]


class Files:
    """Files in memory."""

    def __init__(self, **contents: str) -> None:
        self.contents = {f"benchmarks/{name}.py": text for name, text in contents.items()}
        self.contents |= {"reidaug/reid/evaluation/ranking.py": "a = 1\n"}

    def files(self, room: str) -> list[str]:
        return [path for path in self.contents if path == room or path.startswith(f"{room}/")]

    def read(self, path: str) -> bytes:
        return self.contents[path].encode()


def test_comments_and_docstrings_say_nothing() -> None:
    plain = b"def f(a):\n    b = '#'\n    return a  \n"
    told = b"""'Module.'\n# line\n\ndef f(a):  # why\n    'Do.'\n\n    b = '#'\n    return a\n"""
    assert said(told) == said(plain)
    assert said(plain) != said(plain.replace(b"return a", b"return b"))
    assert said(b"a = '''\nx\n'''\n") != said(b"a = '''\ny\n'''\n")


def test_a_changed_room_is_named_and_no_other() -> None:
    before = Files(rerank="import picture_scores\n", picture_scores="a = 1\n")
    code = code_of("rerank", before)
    assert set(code) == {"reidaug/reid/evaluation", "benchmarks/rerank.py"}
    assert changed(code, "rerank", before) == []
    before.contents["benchmarks/neighbours.py"] = "other\n"
    before.contents["benchmarks/rerank.py"] += "# a comment\n"
    assert changed(code, "rerank", before) == []
    before.contents["benchmarks/picture_scores.py"] = "a = 2\n"  # what the script imports
    assert changed(code, "rerank", before) == ["benchmarks/rerank.py"]
    before.contents["reidaug/reid/evaluation/ranking.py"] = "a = 2\n"
    assert changed(code, "rerank", before) == ["reidaug/reid/evaluation", "benchmarks/rerank.py"]
    assert changed({}, "rerank", before) == list(code)


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
