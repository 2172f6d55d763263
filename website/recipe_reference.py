"""Reference of the recipes' keys, from the classes that validate them and the comments in these."""

import ast
import inspect
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from io import StringIO
from pathlib import Path
from textwrap import dedent
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from reidaug.experiments.adaptation_config import AdaptationRecipe
from reidaug.experiments.arms import Arm
from reidaug.experiments.compare_config import Compare
from reidaug.experiments.finetune_config import FinetuneRecipe
from reidaug.flow.surface.training.recipe import TrainSurface
from reidaug.flow.training.recipe import TrainFlow

RECIPES: Mapping[str, tuple[type[BaseModel], str]] = {
    "finetune-eval": (FinetuneRecipe, "`reidaug finetune-eval`, supervised or across domains"),
    "adaptation": (AdaptationRecipe, "`reidaug finetune-eval` with `protocol: uda`"),
    "train-flow": (TrainFlow, "`reidaug train-flow`: an estimator that reads two skeletons"),
    "surface": (TrainSurface, "`reidaug train-flow` with `surfaces`: surface flow"),
    "compare": (Compare, "`reidaug compare`"),
}

_BOUNDS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}
_NAMES = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Path: "path",
}


class Key(NamedTuple):
    """A key of a recipe."""

    name: str
    kind: str  # its type and bounds, in words
    default: str  # as in YAML; empty where the key has to be given
    text: str  # what it means


def recipe_pages() -> dict[str, str]:
    """Write a page for every recipe; gives Markdown by the page's path."""
    pages = {}
    for name, (schema, title) in RECIPES.items():
        lines = [f"# Recipe of {title}", "", "Keys that are not given have their defaults.", ""]
        lines += [line for key in keys(schema) for line in _entry(key)]
        for inner in parts_of(schema):
            lines += ["", f"## {inner.__name__}", "", _summary(inner), ""]
            lines += [line for key in keys(inner) for line in _entry(key)]
        pages[f"reference/recipe-{name}.md"] = "\n".join([*lines, ""])
    return pages


def keys(schema: type[Any]) -> list[Key]:
    """List the keys of a recipe, or of a part of it, in their order."""
    texts = comments(schema)
    if issubclass(schema, BaseModel):
        found = schema.model_fields.items()
        return [
            Key(name, _kind(_annotated(f)), _default(f), f.description or texts.get(name, ""))
            for name, f in found
        ]
    hints = get_type_hints(schema, include_extras=True)
    result = []
    for part in fields(schema):
        default = part.default if part.default_factory is MISSING else part.default_factory()
        shown = "" if default is MISSING else _yaml(default)
        result.append(Key(part.name, _kind(hints[part.name]), shown, texts.get(part.name, "")))
    return result


def parts_of(schema: type[Any]) -> list[type[Any]]:
    """List the classes that a recipe's keys are made of, at any depth, each once."""
    found: dict[type[Any], None] = {}

    def visit(kind: Any) -> None:
        if _is_part(kind) and kind not in found:
            found[kind] = None
            for hint in get_type_hints(kind, include_extras=True).values():
                visit(hint)
        for inner in get_args(kind):
            visit(inner)

    for name, hint in get_type_hints(schema, include_extras=True).items():
        if name in schema.model_fields:
            visit(hint)
    return list(found)


def comments(schema: type[Any]) -> dict[str, str]:
    """Read what a class says of its fields: comments above and beside them, or ``Attributes``."""
    found: dict[str, str] = {}
    for kind in reversed(schema.__mro__):
        if kind.__module__.startswith("reidaug."):
            found |= _documented(kind) | _commented(kind)
    return found


def _documented(kind: type[Any]) -> dict[str, str]:
    section = re.search(r"\n\s*Attributes:\n(.*?)(\n\n|\Z)", kind.__doc__ or "", re.DOTALL)
    entries = re.findall(r"^ +(\w+): (.*(?:\n {12,}.*)*)", section[1] if section else "", re.M)
    return {name: " ".join(text.split()) for name, text in entries}


def _commented(kind: type[Any]) -> dict[str, str]:
    source = dedent(inspect.getsource(kind))
    lines, body = source.splitlines(), ast.parse(source).body[0]
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    said = {t.start[0]: t.string for t in tokens if t.type == tokenize.COMMENT}
    found = {}
    for node in body.body if isinstance(body, ast.ClassDef) else ():
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        first = node.lineno
        while first - 1 in said and lines[first - 2].lstrip().startswith("#"):
            first -= 1
        words = [said.get(k, "").lstrip("# ") for k in range(first, (node.end_lineno or first) + 1)]
        text = " ".join(word for word in words if word and not word.startswith(("noqa", "type:")))
        if text:
            found[node.target.id] = text
    return found


def _entry(key: Key) -> Iterator[str]:
    default = f"default `{key.default}`" if key.default else "**required**"
    text = key.text[:1].upper() + key.text[1:]
    text = re.sub(r"``(.+?)``", r"`\1`", text).replace("<", "&lt;")
    yield f"`{key.name}`"
    yield f":   {key.kind}; {default}<br>{text}"
    yield ""


def _summary(kind: type[Any]) -> str:
    text = inspect.cleandoc(kind.__doc__ or "").split("\nAttributes:")[0]
    return re.sub(r"``(.+?)``", r"`\1`", text)


def _is_part(kind: Any) -> bool:
    known = isinstance(kind, type) and (issubclass(kind, BaseModel) or is_dataclass(kind))
    return known and kind.__module__.startswith("reidaug.")


def _annotated(field: FieldInfo) -> Any:
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _kind(hint: Any) -> str:
    """Say of a type what values it has."""
    composed = _COMPOSED.get(get_origin(hint))
    if composed is not None:
        return composed(get_args(hint))
    if _is_part(hint):
        return f"the keys of [{hint.__name__}](#{hint.__name__.lower()})"
    return _NAMES.get(hint, "anything")


def _either(inner: tuple[Any, ...]) -> str:
    return " or ".join("`null`" if part is type(None) else _kind(part) for part in inner)


def _list(inner: tuple[Any, ...]) -> str:
    if len(inner) == 2 and inner[1] is Ellipsis:
        return f"list, each: {_kind(inner[0])}"
    same = len(set(map(str, inner))) == 1
    what = f"each: {_kind(inner[0])}" if same else ", ".join(map(_kind, inner))
    return f"list of {len(inner)}, {what}"


def _mapping(inner: tuple[Any, ...]) -> str:
    return f"names with values{'' if inner[1] is Any else f', each: {_kind(inner[1])}'}"


_COMPOSED: Mapping[Any, Callable[[tuple[Any, ...]], str]] = {
    Annotated: lambda inner: f"{_kind(inner[0])}{_bounds(inner[1:])}",
    Literal: lambda inner: " or ".join(f"`{value}`" for value in inner),
    Union: _either,
    UnionType: _either,
    tuple: _list,
    dict: _mapping,
}


def _bounds(metadata: tuple[Any, ...]) -> str:
    words: dict[str, str] = {}
    for bound in metadata:
        for part in getattr(bound, "metadata", None) or [bound]:
            for name, form in _BOUNDS.items():
                value = getattr(part, name, None)
                if value is not None:
                    words[name] = form.format(
                        f"{value:,}" if isinstance(value, int) else f"{value:g}"
                    )
    return " " + " ".join(words[name] for name in _BOUNDS if name in words) if words else ""


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        if field.default_factory in (dict, list):
            return _yaml(field.default_factory())
        return "auto"
    return "" if field.default is PydanticUndefined else _yaml(field.default)


def _yaml(value: Any) -> str:
    if isinstance(value, Arm):
        return "null" if value == Arm(crops=(None,)) else "..."
    if _is_part(type(value)):
        return "its own"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, bool) or value is None:
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)
