"""Where results come from."""

import json
from collections.abc import Iterator
from pathlib import Path

import measured_code
import provenance
import pytest
from check_results import edits_since, errors, lacking, older, settle
from measured_code import git
from provenance import in_words, read_result, share_of_code

HERE = "1234567"
GOOD = {
    "command": "python benchmarks/rerank.py",
    "hardware": "two cores",
    "commit": HERE,
    "date": "2026-11-28",
    "code": {"reidaug/reid/evaluation": "00000 00001"},
}


@pytest.fixture(autouse=True)
def history(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A history of two commits."""
    names = (HERE + 33 * "0", "7654321" + 33 * "0")
    monkeypatch.setattr(provenance, "history", lambda: names)
    provenance.is_here.cache_clear()
    yield
    provenance.is_here.cache_clear()


@pytest.mark.parametrize(
    ("percent", "words"),
    [(0, "under 1 %"), (0.9, "under 1 %"), (1, "1 %"), (99.8, "99 %"), (100, "100 %")],
)
def test_a_share_is_not_rounded_to_none_or_all(percent: float, words: str) -> None:
    assert share_of_code(percent) == words


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"commit": f"{HERE}-dirty"}, "does not hold what was measured"),
        ({"commit": f"{HERE}, with another budget"}, "does not hold what was measured"),
        ({"commit": "unknown"}, "does not hold what was measured"),
        ({"commit": "abcdef0"}, "not in the history"),
        ({"cells": {"one": {"commit": "abcdef0"}}}, "not in the history"),
        ({"commits": {"augment": "abcdef0"}}, "not in the history"),
        ({"hardware": ""}, "no hardware"),
        ({"code": {}}, "no code"),
        ({"command": "python benchmarks/gone.py"}, "does not say which code"),
    ],
)
def test_what_a_result_lacks_is_named(change: dict[str, object], said: str) -> None:
    assert lacking(GOOD) == []
    (line,) = errors({"a": GOOD | change, "b": GOOD}, {})
    assert line.startswith("benchmarks/results/a.json: ")
    assert said in line
    assert errors({"a": GOOD | change}, {"a": "a reason"}) == []


def test_the_list_of_exceptions_only_gets_shorter() -> None:
    lines = errors({"a": GOOD}, {"a": "a reason", "gone": "a reason"})
    assert ["take it out" in line for line in lines] == [True, True]


def test_a_result_older_than_its_code_is_listed_and_marked(tmp_path: Path) -> None:
    rooms = ["reidaug/reid/evaluation", "benchmarks/rerank.py"]
    assert older({"a": GOOD}) == {"a": (rooms, 2, 2)}
    now = measured_code.code_of("rerank", measured_code.WorkingTree())
    assert older({"a": GOOD | {"code": now}, "b": GOOD | {"code": {}}}) == {}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(GOOD))
    assert read_result(path)["date"] == f"commit {HERE}, 2026-11-28; 100 % of its code since edited"
    assert read_result(path, code=False)["date"] == f"commit {HERE}, 2026-11-28"
    path.write_text(json.dumps(GOOD | {"code": now}))
    assert read_result(path)["date"] == f"commit {HERE}, 2026-11-28"


def test_pages_say_where_a_commit_does_not_lead() -> None:
    assert in_words(HERE) == f"commit {HERE}"
    assert in_words("abcdef0") == "commit abcdef0, which is not in this repository"
    assert in_words(f"{HERE}-dirty") == f"commit {HERE} with changes that are in no commit"
    assert in_words("unknown") == "no commit"


def test_a_commit_that_a_rebase_renamed_is_found_by_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the history is that of the repository below
    monkeypatch.setattr(measured_code, "ROOT", tmp_path)
    for cached in (provenance.history, provenance.is_here):
        cached.cache_clear()
    module, script = (
        tmp_path / "reidaug/reid/evaluation/ranking.py",
        tmp_path / "benchmarks/rerank.py",
    )

    def commit(*more: str) -> str:
        git("add", ".")
        git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "a", "-q", *more)
        return git("rev-parse", "--short=7", "HEAD").decode().strip()

    git("init", "-q")
    for path in (module, script):
        path.parent.mkdir(parents=True)
        path.write_text("a = 1\n")
    script.write_text("from reidaug.reid.evaluation import ranking\nprint(ranking.a)\n")
    measured = commit()
    path = tmp_path / "a.json"
    path.write_text(json.dumps(GOOD | {"commit": measured, "code": {}}))
    settle(path)  # older results have no digests: taken at their commit
    code = json.loads(path.read_text())["code"]
    assert code["reidaug/reid/evaluation"]
    former = {"code": {"reidaug/reid/evaluation": "0123456789ab"}}  # one digest for a whole room
    path.write_text(json.dumps(GOOD | {"commit": measured} | former))
    settle(path)
    assert json.loads(path.read_text())["code"] == code
    assert edits_since(measured, "rerank") == []
    (tmp_path / "other.txt").write_text("what others did")
    renamed = commit("--amend")
    module.write_text("a = 2\n")
    commit()
    assert edits_since(measured, "rerank") == ["reidaug/reid/evaluation: a"]
    for cached in (provenance.history, provenance.is_here):
        cached.cache_clear()
    assert lacking(json.loads(path.read_text())) != []
    settle(path)
    values = json.loads(path.read_text())
    assert (values["commit"], values["code"]) == (renamed, code)
    assert lacking(values) == []
    path.write_text(json.dumps(GOOD | {"commit": f"{measured}-dirty"}))
    settle(path)
    assert json.loads(path.read_text())["commit"] == f"{measured}-dirty"
    provenance.history.cache_clear()
