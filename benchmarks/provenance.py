"""What a number must come with: its command, the machine, the commit, the code, and the date."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import measured_code
from measured_code import WorkingTree, code_of, git, script_of, since

from reidaug.machine import describe

ROOT = measured_code.ROOT
RESULTS = ROOT / "benchmarks" / "results"
# Environment variables: the commit, on a machine that has its files alone; the machine, where
# finished work of another one is only summed up.
COMMIT, HARDWARE = "REIDAUG_COMMIT", "REIDAUG_HARDWARE"
DECIDE = ("reidaug", "recipes", "benchmarks/*.py", "pyproject.toml")  # what numbers depend on
CLEAN = re.compile(r"[0-9a-f]{7,40}")


def about(command: str) -> dict[str, Any]:
    """Describe where numbers come from.

    Args:
        command: What was run.

    Returns:
        JSON values: command, hardware, commit, date, and a digest of each room that the script
        measures (`measured_code.ROOMS`), by which `make check` tells results that are older than
        their code; none of a script that is not listed there, which `make check` refuses.
    """
    dirty = "-dirty" if git("status", "--porcelain", "--", *DECIDE).strip() else ""
    head = git("describe", "--always").decode().strip() or "unknown"
    try:
        code = code_of(script_of(command), WorkingTree())
    except ValueError:
        code = {}
    return {
        "command": command,
        "hardware": os.environ.get(HARDWARE) or describe(),
        "commit": os.environ.get(COMMIT) or head + dirty,
        "date": datetime.now(UTC).date().isoformat(),
        "code": code,
    }


def write_result(name: str, command: str, /, **values: Any) -> None:
    """Write a result file under benchmarks/results.

    Args:
        name: Its name without ``.json``.
        command: What was run.
        values: What was measured, JSON values.
    """
    text = json.dumps(values | about(command), indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def read_result(path: Path, *, code: bool = True) -> dict[str, Any]:
    """Read a result as pages quote it: the commit, and what is wrong with it, before the date.

    Args:
        path: Its file.
        code: Whether to say so where the code it measures has changed since.

    Returns:
        Its values; ``date`` reads such as
        ``commit 4d14cc0, 2026-11-28; 3 % of its code since edited``.
    """
    values: dict[str, Any] = json.loads(path.read_text())
    words = f"{in_words(values['commit'])}, {values['date']}"
    if code and values.get("code"):
        words += edits(values)
    return values | {"date": words}


def edits(values: Mapping[str, Any]) -> str:
    """Write the share of the code of a result that was edited since; nothing where none was."""
    found = since(values["code"], script_of(values["command"]), _tree())
    share = 100 * found.edited / max(found.definitions, 1)
    return f"; {share_of_code(share)} of its code since edited" if found.rooms else ""


def share_of_code(percent: float) -> str:
    """Write a share: 1 to 99 %, under or over which nothing is rounded to none or to all."""
    return "under 1 %" if percent < 1 else f"{min(percent, 99.0) if percent < 100 else 100:.0f} %"


def in_words(commit: str) -> str:
    """Write the commit of a result, and why it does not lead to what was measured."""
    name = commit_of(commit)
    if name is None:
        return "no commit"
    if name != commit:
        return f"commit {name} with changes that are in no commit"
    return f"commit {name}{'' if is_here(name) else ', which is not in this repository'}"


def commit_of(text: str) -> str | None:
    """Find the commit that an entry begins with, whatever is said of it."""
    found = CLEAN.match(text)
    return found[0] if found else None


def commits(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a result says of commits, in its parts too."""
    for key, value in values.items():
        if key == "commit":
            yield str(value)
        elif key == "commits" and isinstance(value, dict):
            yield from map(str, value.values())
        elif isinstance(value, dict):
            yield from commits(value)


@cache
def is_here(commit: str) -> bool:
    """Whether a commit belongs to the history of this checkout; so it is where none is known."""
    known = history()
    return not known or any(name.startswith(commit) for name in known)


@cache
def history() -> tuple[str, ...]:
    """List the commits of this checkout, newest first; none outside a repository or in part of one.

    A shallow clone, as of continuous integration, cannot tell which commits there are, nor can a
    copy without history that lies in the folder of another repository.
    """
    told = git("rev-parse", "--is-shallow-repository", "--show-toplevel").decode().splitlines()
    if not told or told[0] != "false" or not Path(told[1]).samefile(measured_code.ROOT):
        return ()
    return tuple(git("rev-list", "HEAD").decode().split())


@cache
def _tree() -> WorkingTree:
    return WorkingTree()
