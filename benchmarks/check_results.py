"""Are the results under benchmarks/results what this repository measured? Part of `make check`.

    python benchmarks/check_results.py [--settle | --edits NAME]

A result needs its command, hardware, commit, date and the digests of the code it measures
(`measured_code`). Its commit must be in the history of this checkout, and hold all that was
measured: no changes beside it. Whatever lacks that is an error, unless `UNSETTLED` names it with
the reason; what is named there and lacks nothing is one too, so that the list only gets shorter.
Results older than their code are listed and are no error: whoever changes code need not measure
for days before a commit.

A branch that is rebased gives its commits other names. --settle finds, for a result whose commit
is gone from the history, the newest commit there with the same code, digest by digest, and writes
that one down; and digests the code of results that lack it at the commit they name. --edits lists
the definitions that are not as they were when a result was measured.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measured_code import (
    Commit,
    Since,
    WorkingTree,
    code_of,
    definitions_of,
    git,
    script_of,
    since,
)
from provenance import CLEAN, RESULTS, commits, history, is_here

NEEDED = ("command", "hardware", "commit", "date", "code")
MEND = "commit first and measure again, or, after a rebase: check_results.py --settle"
_DIGESTS = re.compile(r"([0-9a-f]{5}( [0-9a-f]{5})*)?")
_DIRTY = "measured with changes that were never committed"
_REBASED = "its branch was rebased, and no commit of the history has the same code"
UNSETTLED: Mapping[str, str] = {
    "augment_rate": f"{_REBASED}; a rate, which needs an idle machine",
    "checkpoint": _DIRTY,
    "round_trip_estimated": f"{_DIRTY}; trains a network of re-identification",
    "round_trip_mirror": f"{_DIRTY}; trains a network of re-identification",
    "shipped_many-poses_1": f"{_DIRTY}; trains networks of re-identification",
    "world_statistics": f"{_REBASED}; needs photographs and every rendered world",
}
"""Results that cannot be led back to a commit until they are measured again, and why."""


def main() -> None:
    """Check all results, print what is wrong or old, and exit with 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settle", action="store_true", help="repair what a rebase renamed")
    parser.add_argument("--edits", metavar="NAME", help="what was edited since a result")
    options = parser.parse_args()
    if options.edits:
        values = json.loads((RESULTS / f"{options.edits}.json").read_text())
        print("\n".join(edits_since(values["commit"], script_of(values["command"]))))
        return
    paths = sorted(RESULTS.glob("*.json"))
    if options.settle:
        for path in paths:
            settle(path)
    results = {path.stem: json.loads(path.read_text()) for path in paths}
    if not history():
        print("no whole git history here: commits of results are not checked")
    old = older(results)
    for name, found in old.items():
        listed = ", ".join(room.removeprefix("reidaug/") for room in found.rooms)
        share = f"{found.edited} of its {found.definitions} definitions since edited"
        print(f"older than its code: {name}, {results[name]['date']}; {share}: {listed}")
    for name, reason in UNSETTLED.items():
        print(f"not settled: {name}: {reason}")
    wrong = errors(results, UNSETTLED)
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    print(f"{len(results)} results: {len(old)} older than their code, {len(UNSETTLED)} not settled")
    sys.exit(bool(wrong))


def errors(results: Mapping[str, Mapping[str, Any]], unsettled: Mapping[str, str]) -> list[str]:
    """List what is wrong with results, in a line each.

    Args:
        results: Values by name.
        unsettled: Names of those that may lack something, with the reason.
    """
    lines = []
    for name, values in results.items():
        lacks = lacking(values)
        if lacks and name not in unsettled:
            lines.append(f"benchmarks/results/{name}.json: {'; '.join(lacks)} ({MEND})")
        if not lacks and name in unsettled:
            lines.append(f"{name} lacks nothing now: take it out of check_results.UNSETTLED")
    gone = sorted(set(unsettled) - set(results))
    return lines + [
        f"{name}: no such result: take it out of check_results.UNSETTLED" for name in gone
    ]


def lacking(values: Mapping[str, Any]) -> list[str]:
    """List what a result lacks to be led back to the code that it measured."""
    lacks = [f"no {key}" for key in NEEDED if not values.get(key)]
    for commit in sorted(set(commits(values))):
        if not CLEAN.fullmatch(commit):
            lacks.append(f"commit {commit} does not hold what was measured")
        elif not is_here(commit):
            lacks.append(f"commit {commit} is not in the history")
    try:
        script_of(str(values.get("command", "")))
    except ValueError as error:
        lacks.append(str(error))
    return lacks


def older(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Since]:
    """Say what has changed since each result was measured, where anything has."""
    tree = WorkingTree()
    found = {
        name: since(values["code"], script_of(values["command"]), tree)
        for name, values in results.items()
        if values.get("code")
    }
    return {name: each for name, each in found.items() if each.rooms}


def edits_since(commit: str, script: str) -> list[str]:
    """Name the definitions that a script measured at a commit and that are not so now."""
    was, now = definitions_of(script, Commit(commit)), definitions_of(script, WorkingTree())
    return [
        f"{room}: {name}"
        for room, digests in was.items()
        for name, digest in digests.items()
        if now.get(room, {}).get(name) != digest
    ]


def settle(path: Path) -> None:
    """Digest the code of a result at its commit, and name a commit of the history that has it."""
    values = json.loads(path.read_text())
    commit = values["commit"]
    if not CLEAN.fullmatch(commit):
        return
    script = script_of(values["command"])
    code = values.get("code") or {}
    if not _in_this_form(code):
        if git("cat-file", "-t", commit).strip() != b"commit":
            return
        tree = Commit(commit)
        if not tree.files(f"benchmarks/{script}.py"):
            return
        code = code_of(script, tree)
    if not is_here(commit):
        commit = same_code(script, code) or commit
    if (code, commit) != (values.get("code"), values["commit"]):
        print(f"{path.stem}: {values['commit']} is {commit}")
        path.write_text(json.dumps(values | {"commit": commit, "code": code}, indent=1) + "\n")


def _in_this_form(code: Mapping[str, str]) -> bool:
    """Whether a result has digests of each definition, not of whole rooms as older ones."""
    return bool(code) and all(map(_DIGESTS.fullmatch, code.values()))


def same_code(script: str, code: Mapping[str, str]) -> str | None:
    """Find the newest commit of the history whose rooms have these digests."""
    for name in history():
        if not since(code, script, Commit(name)).rooms:
            return name[:7]
    return None


if __name__ == "__main__":
    main()
