"""Mutants of a room: places of its modules, drawn by a seed, each with one small fault.

Operators are Cosmic Ray's, and one of ours that Cosmic Ray lacks: two arguments of a call change
places.
"""

import ast
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

LEFT_OUT = (  # what a mutant of it says nothing about the tests
    "core/RemoveDecorator",  # types and dataclasses, which are decorators here
    "core/ReplaceBinaryOperator_BitOr",  # unions of types
    "core/Variable",  # takes names of variables
)
SWAPPED = "swapped arguments"
# Of some calls the order of what they take says nothing; of others the wrong one is nonsense.
LEFT_AS_THEY_ARE = ("min", "max", "minimum", "maximum", "isinstance", "issubclass")


class Mutant(NamedTuple):
    """A module with one fault."""

    module: str  # path below the repository
    line: int  # of the change
    operator: str
    before: str  # the changed line
    after: str
    source: str  # the whole module


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
        if not isinstance(call, ast.Call) or _name(call) in LEFT_AS_THEY_ARE:
            continue
        for one, other in zip(call.args, call.args[1:], strict=False):
            if not all(isinstance(part, ast.Name | ast.Attribute) for part in (one, other)):
                continue
            (a, b), (c, d) = (_span(part, starts) for part in (one, other))
            if text[a:b] != text[c:d]:
                swapped = text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]
                yield swapped.decode()


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func).split(".")[-1]


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
    try:
        if after is None or behaviour(before) == behaviour(after):
            return ()
    except SyntaxError:  # such as ``def f(a, ^, b)``: no module
        return ()
    old, new = before.splitlines(), after.splitlines()
    line = next(k for k, (one, other) in enumerate(zip(old, new, strict=False)) if one != other)
    module = path.relative_to(root).as_posix()
    return (Mutant(module, line + 1, operator, old[line].strip(), new[line].strip(), after),)
