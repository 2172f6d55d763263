"""Mutants of geometry, flow, reid and augment: how many small faults the tests notice.

A sample of each room's mutants, drawn by a seed, is run one after another in a copy of the
repository: first the test file of the mutated module, then the room's other tests. Operators are
Cosmic Ray's, and one of ours that Cosmic Ray lacks: two arguments of a call change places.
"""

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from provenance import ROOT, write_result

ROOMS = ("geometry", "flow", "reid", "augment")
MORE_TESTS = {"flow": ("tests/paper",)}  # of a room beside those in its own folder
COPIED = ("reidaug", "tests", "benchmarks", "recipes", "docs", "pyproject.toml", "README.md")
LEFT_OUT = (  # what a mutant of it says nothing about the tests
    "core/RemoveDecorator",  # types and dataclasses, which are decorators here
    "core/ReplaceBinaryOperator_BitOr",  # unions of types
    "core/Variable",  # takes names of variables
)
SWAPPED = "swapped arguments"
SLOWER = 4.0  # a mutant that takes as many times as long as the unchanged code hangs: it is killed
KILLED = ("killed", "timed out")


class Mutant(NamedTuple):
    """A module with one fault."""

    module: str  # path below the repository
    line: int  # of the change
    operator: str
    before: str  # the changed line
    after: str
    source: str  # the whole module


class Outcome(NamedTuple):
    """What the tests say to a mutant."""

    mutant: Mutant
    result: str  # ``killed``, ``timed out`` or ``survived``

    def as_dict(self) -> dict[str, Any]:
        """Give the JSON values of a result file."""
        module, line, operator, before, after, _ = self.mutant
        return {"module": module, "line": line, "operator": operator, "before": before,
                "after": after, "result": self.result}  # fmt: skip


def swapped_arguments(source: str) -> Iterator[str]:
    """Make every module in which two neighbouring positional arguments of a call change places.

    Both are names or attributes: what a reader may confuse.
    """
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    text = b"".join(lines)
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        for one, other in zip(call.args, call.args[1:], strict=False):
            if not all(isinstance(part, ast.Name | ast.Attribute) for part in (one, other)):
                continue
            (a, b), (c, d) = (_span(part, starts) for part in (one, other))
            if text[a:b] != text[c:d]:
                swapped = text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]
                yield swapped.decode()


def _span(node: ast.expr, starts: Sequence[int]) -> tuple[int, int]:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (
        starts[node.lineno - 1] + node.col_offset,
        starts[node.end_lineno - 1] + node.end_col_offset,
    )


def behaviour(source: str) -> str:
    """Dump a module without its annotations and docstrings, which no test can tell apart."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def places(source: str) -> list[tuple[str, list[tuple[str, int]]]]:
    """List the places of a module that Cosmic Ray can change, with the changes of each.

    Returns:
        Kind of operator and place in text form; operators, each with its number of the place. Many
        operators can change one arithmetic sign: every place counts once.
    """
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    nodes = list(ast_nodes(get_ast(source)))
    found: dict[str, list[tuple[str, int]]] = {}
    for name in sorted(operator_names()):
        if name.startswith(LEFT_OUT):
            continue
        operator, number = get_operator(name)(), 0
        for node in nodes:
            for start, _ in operator.mutation_positions(node):
                kind = name.split("/")[-1].split("_")[0]
                found.setdefault(f"{kind} {start}", []).append((name, number))
                number += 1
    return sorted(found.items())


def mutate(source: str, operator: str, number: int) -> str | None:
    """Change one place; None where Cosmic Ray does not."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    mutated: str | None = mutate_code(source, get_operator(operator)(), number)
    return mutated


def draw(root: Path, room: str, count: int, chance: random.Random) -> list[Mutant]:
    """Draw mutants of a room: half by Cosmic Ray, half with swapped arguments.

    Args:
        root: The repository.
        room: A folder of ``reidaug``.
        count: Number of mutants, or fewer where there are not as many.
        chance: Random generator.
    """
    modules = {path: path.read_text() for path in sorted((root / "reidaug" / room).rglob("*.py"))}
    swaps = [(path, new) for path, text in modules.items() for new in swapped_arguments(text)]
    chance.shuffle(swaps)
    changes = [(path, choices) for path, text in modules.items() for _, choices in places(text)]
    chance.shuffle(changes)
    drawn: list[Mutant] = []
    for path, swapped in swaps:
        if len(drawn) < count // 2:
            drawn += _mutant(root, path, SWAPPED, modules[path], swapped)
    for path, choices in changes:
        operator, number = chance.choice(choices)
        if len(drawn) < count:
            changed = mutate(modules[path], operator, number)
            drawn += _mutant(root, path, operator, modules[path], changed)
    return drawn


def _mutant(
    root: Path, path: Path, operator: str, before: str, after: str | None
) -> tuple[Mutant, ...]:
    """Make a mutant of a changed module; none where nothing changed that a test could notice."""
    if after is None or behaviour(before) == behaviour(after):
        return ()
    old, new = before.splitlines(), after.splitlines()
    line = next(k for k, (one, other) in enumerate(zip(old, new, strict=False)) if one != other)
    module = path.relative_to(root).as_posix()
    return (Mutant(module, line + 1, operator, old[line].strip(), new[line].strip(), after),)


def runs_of(root: Path, module: str) -> list[list[str]]:
    """List what is run for a mutant, in turn: its module's own test file, then the whole room's."""
    name = Path(module).relative_to("reidaug")
    own = Path("tests") / name.with_name(f"test_{name.name}")
    room = name.parts[0]
    whole = [f"tests/{room}", *MORE_TESTS.get(room, ())]
    return [[str(own)], whole] if (root / own).is_file() else [whole]


class Copy:
    """A copy of the repository, in which modules are changed and tests run.

    Args:
        root: The repository.
        folder: Where the copy is made.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.seconds: dict[tuple[str, ...], float] = {}  # of the tests of unchanged modules
        for name in COPIED:
            source = root / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, folder / name, ignore=ignored)
            elif source.is_file():
                shutil.copy(source, folder / name)

    def run(self, tests: Sequence[str], seconds: float | None = None) -> str:
        """Run tests until the first fails; ``survived`` if none does."""
        threads = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(self.folder)}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env={**os.environ, **threads},
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "timed out"
        return "killed" if done.returncode else "survived"

    def limit(self, tests: Sequence[str]) -> float:
        """Measure once how long unchanged modules take, and allow mutants several times that.

        Raises:
            SystemExit: The tests fail without a mutant.
        """
        key = tuple(tests)
        if key not in self.seconds:
            start = time.monotonic()
            if self.run(tests) != "survived":
                raise SystemExit(f"{' '.join(tests)}: fail without a mutant")
            self.seconds[key] = time.monotonic() - start
        return 10 + SLOWER * self.seconds[key]

    def judge(self, mutant: Mutant) -> Outcome:
        """Run the tests of a mutant."""
        for tests in runs_of(self.root, mutant.module):
            limit = self.limit(tests)
            (self.folder / mutant.module).write_text(mutant.source)
            try:
                result = self.run(tests, limit)
            finally:
                shutil.copy(self.root / mutant.module, self.folder / mutant.module)
            if result in KILLED:
                break
        return Outcome(mutant, result)


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Count the mutants of a room that were killed, and list the others."""
    killed = sum(outcome.result in KILLED for outcome in outcomes)
    return {
        "mutants": len(outcomes),
        "killed": killed,
        "share": round(killed / len(outcomes), 3) if outcomes else None,
        "survivors": [o.as_dict() for o in outcomes if o.result not in KILLED],
    }


def main() -> None:
    """Draw mutants, run the tests on each, and write benchmarks/results/mutants.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=ROOMS)
    parser.add_argument("--mutants", type=int, default=40, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--minutes", type=float, default=120.0, help="no mutant is begun later")
    options = parser.parse_args()
    os.nice(10)
    end, rooms = time.monotonic() + 60 * options.minutes, {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(ROOT, Path(folder))
        for room in options.rooms:
            chance = random.Random(f"{options.seed} {room}")
            outcomes: list[Outcome] = []
            for mutant in draw(ROOT, room, options.mutants, chance):
                if time.monotonic() > end:
                    break
                outcomes.append(copy.judge(mutant))
                print(f"{outcomes[-1].result:10}{mutant.module}:{mutant.line} {mutant.after}")
            rooms[room] = summary(outcomes)
    command = f"python benchmarks/mutants.py --mutants {options.mutants} --seed {options.seed}"
    if tuple(options.rooms) != ROOMS:
        command += f" --rooms {' '.join(options.rooms)}"
    write_result("mutants", command, seed=options.seed, drawn=options.mutants, rooms=rooms)


if __name__ == "__main__":
    main()
