"""Mutants of geometry, flow, reid and augment: how many small faults the tests notice.

A sample of each room's mutants, drawn by a seed, is tried one after another in a copy of the
repository by those of the room's tests that reach the change (`mutant_draw`, `mutant_trials`).
"""

import argparse
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from mutant_draw import Mutant, draw
from mutant_trials import WARM
from provenance import RESULTS, ROOT, write_result

ROOMS = ("geometry", "flow", "reid", "augment")
MORE_TESTS = {"flow": ("tests/paper",)}  # of a room beside those in its own folder
COPIED = ("reidaug", "tests", "benchmarks", "recipes", "docs", "pyproject.toml", "README.md")
TRIALS = str(Path(__file__).with_name("mutant_trials.py"))
REASONS = Path(__file__).with_name("mutant_reasons.yaml")
KILLED = ("killed", "timed out")


class Outcome(NamedTuple):
    """What the tests say to a mutant."""

    mutant: Mutant
    result: str  # ``killed``, ``timed out`` or ``survived``

    def as_dict(self) -> dict[str, Any]:
        """Give the JSON values of a result file."""
        module, line, operator, before, after, _ = self.mutant
        return {"module": module, "line": line, "operator": operator, "before": before,
                "after": after, "result": self.result}  # fmt: skip


def files_of_tests(root: Path, room: str, module: str, *, near: bool) -> list[list[str]]:
    """List the test files that are run for a mutant, in two stages.

    Args:
        root: The repository.
        room: A folder of ``reidaug``.
        module: The changed one.
        near: Whether only those of the room's test files follow that import the module, or
            something shared by tests that does; all of them otherwise.

    Returns:
        The module's own test file, if it has one, and the others.
    """
    name = Path(module).relative_to("reidaug")
    own = (Path("tests") / name.with_name(f"test_{name.name}")).as_posix()
    folders = [root / "tests" / room, *(root / more for more in MORE_TESTS.get(room, ()))]
    files = {path.relative_to(root).as_posix(): path.read_text()
             for folder in folders for path in sorted(folder.rglob("test_*.py"))}  # fmt: skip
    if near:
        folder, stem = ".".join(("reidaug", *name.parent.parts)), name.stem
        sought = rf"\b{folder}\.{stem}\b|from {folder} import .*\b{stem}\b"
        shared = [path.stem for path in sorted((root / "tests").glob("*.py"))
                  if path.stem != "conftest" and re.search(sought, path.read_text())]  # fmt: skip
        sought = "|".join((sought, *(rf"from {one} import" for one in shared)))
        files = {path: text for path, text in files.items() if re.search(sought, text)}
    return [[own] if (root / own).is_file() else [], [path for path in files if path != own]]


def copied(root: Path, folder: Path) -> None:
    """Copy a repository, so that its modules can be changed while others work."""
    for name in COPIED:
        source = root / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.is_file():
            shutil.copy(source, folder / name)


def judge(
    folder: Path,
    room: str,
    mutants: Sequence[Mutant],
    *,
    near: bool = False,
    end: float = math.inf,
    fails: list[str] | None = None,
    warm: Sequence[str] = WARM,
) -> Iterator[Outcome]:
    """Run the tests of a room on mutants.

    Args:
        folder: A copy of the repository.
        room: A folder of ``reidaug``.
        mutants: In turn.
        near: Which tests are run (`files_of_tests`).
        end: Time of the monotonic clock at which no mutant is begun any more.
        fails: Receives the tests that fail without a mutant; they take no part.
        warm: Packages that are imported once, before any test.

    Raises:
        SystemExit: The tests cannot be collected.
    """
    stages = {m.module: files_of_tests(folder, room, m.module, near=near) for m in mutants}
    tests = sorted({file for lists in stages.values() for files in lists for file in files})
    threads = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder), "PYTHONHASHSEED": "0"}
    with subprocess.Popen(
        [sys.executable, TRIALS],
        cwd=folder,
        env={**os.environ, **threads},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps({"tests": tests, "warm": list(warm)}), file=process.stdin)
        if json.loads(process.stdout.readline() or "null") is None:
            raise SystemExit(f"tests/{room}: cannot be collected")
        for mutant in mutants:
            if time.monotonic() > end:
                return
            order = {"module": mutant.module, "source": mutant.source}
            print(json.dumps(order | {"stages": stages[mutant.module]}), file=process.stdin)
            answer = json.loads(process.stdout.readline())
            if fails is not None:
                fails[:] = answer["failed"]
            yield Outcome(mutant, answer["result"])


def summary(
    outcomes: Sequence[Outcome], reasons: Mapping[str, Mapping[str, str]], fails: Sequence[str] = ()
) -> dict[str, Any]:
    """Count the mutants of a room that were killed, and list the others.

    Args:
        outcomes: What became of the mutants.
        reasons: Why mutants live, by their module and `change`.
        fails: Tests that fail without a mutant.
    """
    killed = sum(outcome.result in KILLED for outcome in outcomes)
    return {
        "mutants": len(outcomes),
        "killed": killed,
        "share": round(killed / len(outcomes), 3) if outcomes else None,
        "tests_left_out": list(fails),
        "survivors": with_reasons(
            [o.as_dict() for o in outcomes if o.result not in KILLED], reasons
        ),
    }


def with_reasons(
    survivors: Sequence[Mapping[str, Any]], reasons: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Say of survivors why they live, None where nobody has looked yet."""
    return [
        {**one, "reason": reasons.get(one["module"], {}).get(f"{one['before']} -> {one['after']}")}
        for one in survivors
    ]


def explain(result: Path, reasons: Mapping[str, Mapping[str, str]]) -> None:
    """Write reasons into a result file, and nothing else."""
    values = json.loads(result.read_text())
    for room in values["rooms"].values():
        room["survivors"] = with_reasons(room["survivors"], reasons)
    result.write_text(json.dumps(values, indent=1) + "\n")


def change(mutant: Mutant) -> str:
    """Write a change in one line, by which its reason is found."""
    return f"{mutant.before} -> {mutant.after}"


def main() -> None:
    """Draw mutants, run the tests on each, and write benchmarks/results/mutants.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=ROOMS)
    parser.add_argument("--mutants", type=int, default=40, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--minutes", type=float, default=120.0, help="shared among the rooms")
    parser.add_argument(
        "--near",
        action="store_true",
        help="only tests that import the module; others may kill more",
    )
    parser.add_argument(
        "--reasons", action="store_true", help="only write the reasons anew into the result"
    )
    options = parser.parse_args()
    reasons = yaml.safe_load(REASONS.read_text()) if REASONS.is_file() else {}
    if options.reasons:
        explain(RESULTS / "mutants.json", reasons)
        return
    os.nice(3)
    end, rooms = time.monotonic() + 60 * options.minutes, {}
    for k, room in enumerate(options.rooms):
        left = end - time.monotonic()
        room_end = time.monotonic() + left / (len(options.rooms) - k)
        mutants = draw(ROOT, room, options.mutants, random.Random(f"{options.seed} {room}"))
        outcomes: list[Outcome] = []
        fails: list[str] = []
        with tempfile.TemporaryDirectory() as folder:
            copied(ROOT, Path(folder))
            judged = judge(
                Path(folder), room, mutants, near=options.near, end=room_end, fails=fails
            )
            for outcome in judged:
                outcomes.append(outcome)
                print(
                    f"{outcome.result:10}{outcome.mutant.module}: {change(outcome.mutant)}",
                    flush=True,
                )
        rooms[room] = summary(outcomes, reasons, fails)
    command = f"python benchmarks/mutants.py --mutants {options.mutants} --seed {options.seed}"
    if tuple(options.rooms) != ROOMS:
        command += f" --rooms {' '.join(options.rooms)}"
    command += " --near" if options.near else ""
    write_result(
        "mutants",
        command,
        seed=options.seed,
        drawn=options.mutants,
        tests="that import the module" if options.near else "of the room",
        rooms=rooms,
    )


if __name__ == "__main__":
    main()
