"""The definitions that a script reaches, followed by name through its imports; nothing is run.

A definition is a function, a class with its methods, or a value at the top of a module. What it
names is reached too, in whichever module stands: names are followed through ``from ... import``,
through packages that import on use, and through strings such as ``reidaug.flow.unwarpme:UnWarpME``.
A local variable of the same name as a definition reaches it as well, and a class all its methods:
too much is reached rather than too little. Statements at the top of a module that define nothing
are reached with anything of it.

Of a definition its code counts: no comments, docstrings, layout, imports (what they lead to
counts by itself, so code may move), annotations of functions, nor what only refuses: calls of
``check...``, conditions that lead to nothing but an error, errors. (A refusal that somebody
catches, to leave a crop out say, goes unseen.)
"""

import ast
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

Find = Callable[[str], bytes | None]  # gives the source of a module
Key = tuple[str, str]  # module and name; the name is empty for its other statements, * for all
_PATH = re.compile(r"\b(reidaug(?:\.\w+)+):(\w+)")  # of a class, as recipes write it
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Definition(NamedTuple):
    """What a name stands for, at one place."""

    digest: str  # of its code
    names: frozenset[tuple[str, ...]]  # that it uses, with attributes: ``a.b.c``
    imports: tuple[tuple[str, str, str], ...]  # in its own body: alias, module, name


class Module(NamedTuple):
    """The definitions of a module."""

    defined: Mapping[str, tuple[Definition, ...]]
    imports: Mapping[str, tuple[str, str]]  # alias to module and name; no name: the module itself
    strings: Mapping[str, str]  # values of dictionaries of strings: submodules, where on use


def reached(
    starts: Iterable[Key],
    find: Find,
    *,
    hidden: Mapping[str, Iterable[Key]],
) -> dict[Key, str]:
    """Find all definitions that some lead to.

    Args:
        starts: Where to start.
        find: Gives the source of a module by its name; None of modules that do not count.
        hidden: By module, what it leads to without naming it.

    Returns:
        Digest of the code by module and name.
    """
    left, done, digests = list(starts), set[Key](), dict[Key, str]()
    modules = dict[str, Module | None]()
    while left:
        name, part = key = left.pop()
        if key in done:
            continue
        done.add(key)
        if name not in modules:
            source = find(name)
            modules[name] = None if source is None else _module(source)
            left += hidden.get(name, ())
        module = modules[name]
        if module is None:
            continue
        if part in module.defined:
            digests[key] = " ".join(sorted(each.digest for each in module.defined[part]))
        left += [(name, ""), *_leads_to(name, part, module, find)]
    return digests


def _leads_to(name: str, part: str, module: Module, find: Find) -> Iterator[Key]:
    """Yield what a part of a module leads to."""
    if part == "*":
        yield from ((name, each) for each in module.defined)
    elif part in module.defined:
        for each in module.defined[part]:
            local = {alias: (there, what) for alias, there, what in each.imports}
            yield from _followed(name, each, {**module.imports, **local}, find)
    elif part in module.imports:
        yield _imported(*module.imports[part], find)
    elif part in module.strings:  # a package that imports on use
        yield f"{name}.{module.strings[part]}", part


def _followed(
    module: str,
    definition: Definition,
    imports: Mapping[str, tuple[str, str]],
    find: Find,
) -> Iterator[Key]:
    """Yield what a definition names."""
    for first, *attributes in definition.names:
        if first.startswith(":"):
            yield first[1:], attributes[0]
        elif first not in imports:
            yield module, first
        else:
            there, what = _imported(*imports[first], find)
            while what == "*" and attributes:  # a module: follow its attributes
                there, what = _imported(there, attributes.pop(0), find)
            yield there, what


def _imported(module: str, name: str, find: Find) -> Key:
    """Say what an import gives: a definition, or a whole module."""
    if not name:
        return module, "*"
    below = f"{module}.{name}" if module else name
    return (below, "*") if find(below) else (module, name)


@cache
def _module(source: bytes) -> Module:
    defined = dict[str, list[Definition]]()
    imports, strings = dict[str, tuple[str, str]](), dict[str, str]()
    for statement in _statements(ast.parse(source).body):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports |= {alias: (there, what) for alias, there, what in _names(statement)}
            continue
        for name in _defines(statement):
            defined.setdefault(name, []).append(_definition(statement))
        value = getattr(statement, "value", None)
        if isinstance(value, ast.Dict):
            pairs = zip(value.keys, value.values, strict=True)
            strings |= {
                k.value: v.value for k, v in pairs
                if isinstance(k, ast.Constant) and isinstance(v, ast.Constant)
                and isinstance(k.value, str) and isinstance(v.value, str)
            }  # fmt: skip
    return Module({name: tuple(parts) for name, parts in defined.items()}, imports, strings)


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements at the top of a module, those under conditions one by one."""
    for statement in body:
        parts = [getattr(statement, part, []) for part in ("body", "orelse", "finalbody")]
        if isinstance(statement, ast.If | ast.Try) and any(
            isinstance(each, ast.Import | ast.ImportFrom) for part in parts for each in part
        ):
            for part in parts:
                yield from _statements(part)
        elif not _said_only(statement):
            yield statement


def _defines(statement: ast.stmt) -> list[str]:
    """List the names that a statement gives a meaning; an empty one where it only does."""
    if isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        stored = [node for target in targets for node in ast.walk(target)]
        names = [node.id for node in stored if isinstance(node, ast.Name)]
        if not any(isinstance(node, ast.Attribute | ast.Subscript) for node in stored):
            return names
    return [""]


def _names(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str, str]]:
    if isinstance(statement, ast.ImportFrom):
        for each in statement.names:
            yield each.asname or each.name, statement.module or "", each.name
    else:
        for each in statement.names:
            if each.asname:
                yield each.asname, each.name, ""
            else:
                first = each.name.partition(".")[0]
                yield first, first, ""


def _definition(statement: ast.stmt) -> Definition:
    reading = _Reading()
    reading.visit(statement)
    names = frozenset(reading.names)
    return Definition(reading.digest.hexdigest()[:16], names, tuple(reading.imports))


class _Reading:
    """What is read of a definition, part by part."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.names = set[tuple[str, ...]]()
        self.imports = list[tuple[str, str, str]]()
        self._inner = set[int]()  # parts of names with attributes, followed as a whole

    def visit(self, part: Any) -> None:
        if isinstance(part, list):
            self._write("[")
            for each in _that_decide(part):
                self.visit(each)
            self._write("]")
        elif isinstance(part, ast.Import | ast.ImportFrom):
            self.imports.extend(_names(part))
        elif isinstance(part, ast.AST):
            self._note_names(part)
            self._write(type(part).__name__)
            for field in part._fields:
                value = getattr(part, field, None)
                if _counts(part, field, value):
                    self._write(field)
                    self.visit(value)
            self._write("end")
        else:
            self._write(part)

    def _note_names(self, node: ast.AST) -> None:
        chain = () if id(node) in self._inner else _chain(node)
        if chain:
            self.names.add(chain)
            self._inner.update(map(id, ast.walk(node)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.names.update((f":{m[1]}", m[2]) for m in _PATH.finditer(node.value))

    def _write(self, value: Any) -> None:
        self.digest.update(repr(value).encode() + b"\0")


def _counts(node: ast.AST, field: str, value: Any) -> bool:
    """Whether a part of the code decides what it does, whatever the version of Python."""
    if value is None or value == [] or field in ("ctx", "type_comment", "type_params", "kind"):
        return False
    return field != "returns" and not (field == "annotation" and isinstance(node, ast.arg))


def _chain(node: ast.AST) -> tuple[str, ...]:
    """Read ``a.b.c`` as its names; nothing of other code."""
    found = list[str]()
    while isinstance(node, ast.Attribute):
        found.append(node.attr)
        node = node.value
    return (node.id, *reversed(found)) if isinstance(node, ast.Name) else ()


def _that_decide(nodes: list[Any]) -> Iterator[Any]:
    """Leave out statements that change nothing; what is only tried counts as it is."""
    for node in nodes:
        if isinstance(node, ast.Try) and _only_refuses(node.handlers):
            yield from _that_decide([*node.body, *node.orelse, *node.finalbody])
        elif not (isinstance(node, ast.stmt) and _changes_nothing(node)):
            yield node


def _changes_nothing(statement: ast.stmt) -> bool:
    """Whether a run that ended well would have ended the same without a statement."""
    if isinstance(statement, ast.If):
        return not statement.orelse and _only_raises(statement.body)
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = _chain(statement.value.func)
        return bool(called) and called[-1].lstrip("_").startswith("check")
    return _said_only(statement) or isinstance(statement, ast.Raise | ast.Assert)


def _only_refuses(handlers: list[ast.ExceptHandler]) -> bool:
    return bool(handlers) and all(_only_raises(handler.body) for handler in handlers)


def _only_raises(body: list[ast.stmt]) -> bool:
    return all(isinstance(each, ast.Raise) or _said_only(each) for each in body)


def _said_only(statement: ast.stmt) -> bool:
    """Whether a statement is nothing but a string."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
