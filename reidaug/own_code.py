"""Code of the user's own that a run works with: what the modules of its classes say.

A run goes on with weights that other code has trained no more than with other images. Comments and
blank lines do not count.
"""

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

CODE = "code"
"""Kind of the inputs of a run, see `reidaug.fingerprint`."""
OWN = "reidaug"
_FOLDERS = ("stdlib", "platstdlib", "purelib", "platlib")
_INSTALLED = tuple(Path(sysconfig.get_path(name)).resolve() for name in _FOLDERS)


class _Code(NamedTuple):
    digest: str
    imported: frozenset[str]  # numbers and lists do not tell what module they are taken from


def own_code(classes: Iterable[str]) -> dict[str, str]:
    """Digest the modules of classes, and those that these take something from.

    Not ours, nor those of installed packages; nothing is imported for it.

    Args:
        classes: As in ``package.module:Class``; their modules are imported already.

    Returns:
        A digest by the name of each module.
    """
    waiting = {path.partition(":")[0] for path in classes}
    found: dict[str, str] = {}
    while waiting:
        module = sys.modules.get(name := waiting.pop())
        code = None if module is None or name in found else _code(module)
        if module is not None and code is not None:
            found[name] = code.digest
            waiting |= {_module_of(value) for value in list(vars(module).values())}
            waiting |= code.imported
    return dict(sorted(found.items()))


def classes_in(values: Any) -> Iterator[str]:
    """Find the classes that the values of a recipe name, at any depth."""
    if isinstance(values, Mapping):
        named = values.get("class")
        if isinstance(named, str):
            yield named
        for value in values.values():
            yield from classes_in(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from classes_in(value)


def _module_of(value: object) -> str:
    """Name the module that something in a module is, or is written in; empty for plain values."""
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
    return name if isinstance(name, str) else ""


@cache  # what runs is what was imported, whatever is written to the file since
def _code(module: ModuleType) -> _Code | None:
    """Read the code of a module; None of ours, of installed ones and of those without a file."""
    file = getattr(module, "__file__", None)
    if module.__name__.split(".", maxsplit=1)[0] == OWN or not isinstance(file, str):
        return None
    path = Path(file).resolve()
    installed = any(path.is_relative_to(folder) for folder in _INSTALLED)
    if installed or path.suffix != ".py" or not path.is_file():
        return None
    source, imported = path.read_bytes(), set[str]()
    with suppress(SyntaxError, ValueError, RecursionError):  # then every byte counts
        tree = ast.parse(source)
        imported = set(_imported(tree, module.__package__ or ""))
        source = ast.dump(tree).encode(errors="backslashreplace")
    return _Code(hashlib.blake2b(source, digest_size=16).hexdigest(), frozenset(imported))


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Name all that the imports in a source may be modules of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            start = ".".join((*(above if node.level else ()), *filter(None, [node.module])))
            yield from (start, *(f"{start}.{one.name}" for one in node.names))
