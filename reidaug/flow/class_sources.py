"""Sources of classes: what a class derives from, found without running its module.

The recipe of a checkpoint comes from others and names a class. To import a module is to run it, so
its source is read first.
"""

import ast
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from typing import Any

OWN = "reidaug"


def derives(path: str, kind: type) -> bool | None:
    """Find out whether an import path names a class of a kind, and run no code of its module.

    Modules that are imported already, and our own, are asked; of others the source is read: the
    class must be written there as ``class Name(Base)``, and its bases likewise, over as many
    modules as it takes, up to one of our own.

    Args:
        path: As in ``package.module:Class``.
        kind: A class of this package.

    Returns:
        None where there is no such module.
    """
    module, _, name = path.partition(":")
    if not module or not all(part.isidentifier() for part in (*module.split("."), name)):
        return None
    if (_loaded(module) if _is_loaded(module) else _find(module)) is None:
        return None
    return _derives(module, name, kind, set())


def _derives(module: str, name: str, kind: type, seen: set[tuple[str, str]]) -> bool:
    if (module, name) in seen:
        return False
    seen.add((module, name))
    if _is_loaded(module):
        # Ours may import when asked; of other modules nothing is asked but what they hold.
        own = module.split(".", maxsplit=1)[0] == OWN
        loaded = _loaded(module)
        found = getattr(loaded, name, None) if own else vars(loaded).get(name)
        return isinstance(found, type) and issubclass(found, kind)
    spec = _find(module)
    tree = None if spec is None else _tree(spec)
    if spec is None or tree is None:
        return False
    for statement in _statements(tree):
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            named = (ast.unparse(base) for base in statement.bases)
            if any(_named(spec, tree, base, kind, seen) for base in named):
                return True
    # Not written here: perhaps imported from where it is.
    return _imported(spec, tree, name, kind, seen)


def _named(
    spec: ModuleSpec, tree: ast.Module, base: str, kind: type, seen: set[tuple[str, str]]
) -> bool:
    """Whether a name in a module, perhaps with dots, is of a kind."""
    inside, dot, name = base.rpartition(".")
    if not dot:
        return _derives(spec.name, base, kind, seen)
    modules = _modules(spec, tree)
    return inside in modules and _derives(modules[inside], name, kind, seen)


def _modules(spec: ModuleSpec, tree: ast.Module) -> dict[str, str]:
    """Map the names that a module may know others by to these."""
    found: dict[str, str] = {}
    for statement in _statements(tree):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            before = f"{_origin(spec, statement)}." if isinstance(statement, ast.ImportFrom) else ""
            found |= {alias.asname or alias.name: before + alias.name for alias in statement.names}
    return found


def _imported(
    spec: ModuleSpec, tree: ast.Module, name: str, kind: type, seen: set[tuple[str, str]]
) -> bool:
    return any(
        _derives(_origin(spec, statement), alias.name, kind, seen)
        for statement in _statements(tree)
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
        if name == (alias.asname or alias.name)
    )


def _origin(spec: ModuleSpec, statement: ast.ImportFrom) -> str:
    """Name the module that a statement imports from."""
    if not statement.level:
        return statement.module or ""
    package = spec.name if spec.submodule_search_locations is not None else spec.parent or ""
    parts = package.split(".")[: len(package.split(".")) - statement.level + 1]
    return ".".join([*parts, *([statement.module] if statement.module else [])])


def _statements(tree: ast.Module | ast.If | ast.Try) -> Iterator[ast.stmt]:
    """List the statements of a module, also those under conditions."""
    for statement in tree.body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            yield from _statements(statement)


def _is_loaded(module: str) -> bool:
    return module in sys.modules or module.split(".", maxsplit=1)[0] == OWN


def _loaded(module: str) -> Any:
    if module not in sys.modules:
        try:
            __import__(module)
        except ImportError:
            return None
    return sys.modules[module]


def _find(module: str) -> ModuleSpec | None:
    """Find a module without importing it or the packages it is in."""
    if not module or not all(part.isidentifier() for part in module.split(".")):
        return None
    name, where, spec = "", None, None
    for part in module.split("."):
        name = f"{name}.{part}".strip(".")
        finders = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next((s for f in finders if (s := f.find_spec(name, where)) is not None), None)
        if spec is None:
            return None
        where = spec.submodule_search_locations or []
    return spec


def _tree(spec: ModuleSpec) -> ast.Module | None:
    """Parse the source of a module; None where there is none that can be read."""
    get_source = getattr(spec.loader, "get_source", None)
    try:
        source = get_source(spec.name) if get_source else None
        return ast.parse(source) if source else None
    except (ImportError, OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
