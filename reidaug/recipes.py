"""Recipes: YAML files with the values that differ from the defaults of a schema."""

import math
import os
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reidaug.errors import ReidaugError, UsageError, nearest
from reidaug.files import read_text
from reidaug.yaml_values import YamlError, parse_yaml

# Every number of a recipe has a least and a largest value: what is beyond them is a slip of the
# pen, and would end in a training that never ends, no memory, or numbers that are none.
LARGEST_COUNT, LARGEST_SEED = 10**9, 2**32 - 1
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Part = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]  # neither nothing nor all
Weight = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]  # learning rate
Decay = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]  # weight decay, or a rate
Beta = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]  # of Adam
Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
Steps = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Megabytes = Annotated[int, Field(ge=0, le=2**24)]
LARGEST_BATCH = 2**28
"""Pixels of the images of one batch: some 3 GiB of 32-bit numbers."""

_LARGEST = 2**53  # of any number in a recipe: integers up to here are exact as 64-bit floats
_LONGEST_TEXT, _LONGEST_NAME, _DEEPEST = 4096, 255, 32


class Recipe(BaseModel):
    """Base of every command's recipe: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True
    )

    @model_validator(mode="before")
    @classmethod
    def _check_values(cls, values: Any) -> Any:
        if problem := truth_for_number(cls, values) or _empty_path(cls, values):
            raise ValueError(problem)
        return values

    @model_validator(mode="after")
    def _expand_paths(self) -> "Recipe":
        for key in type(self).model_fields:
            value = getattr(self, key)
            if isinstance(value, Path):
                object.__setattr__(self, key, _expanded(value, key))  # before anybody has it
            elif isinstance(value, tuple) and any(isinstance(part, Path) for part in value):
                paths = (_expanded(p, key) if isinstance(p, Path) else p for p in value)
                object.__setattr__(self, key, tuple(paths))
        return self


def _empty_path(kind: type[BaseModel], values: Any) -> str | None:
    """Find an empty text where a path is asked for: `Path` would take it as the current folder."""
    for key, field in kind.model_fields.items() if isinstance(values, Mapping) else ():
        value = values.get(key)
        if _holds_path(field.annotation) and (
            value == "" or (isinstance(value, list | tuple) and "" in value)
        ):
            return f"'{key}': the path is empty; the current folder is ."
    return None


def _expanded(path: Path, key: str) -> Path:
    """Check a path, and give it with the home folder in place of ``~``."""
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        raise ValueError(f"'{key}': a file name in it is longer than {_LONGEST_NAME} bytes")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"'{key}': {path}: there is no such user") from None


R = TypeVar("R", bound=Recipe)


def load(
    path: Path, schema: type[R], overrides: Sequence[str] = (), *, command: str | None = None
) -> R:
    """Read and validate a recipe file.

    Args:
        path: YAML file with the keys that differ from the schema's defaults.
        schema: Class of the recipe.
        overrides: ``key=value`` or ``key.inner=value``, the value in YAML.
        command: The command that it is for: the recipes that runs keep say so.

    Raises:
        UsageError: The file is missing or no YAML mapping, or a key or value is wrong; the message
            names the file and the key. Or it is the recipe of a run of another command.
    """
    return resolve(read(path, overrides, command=command), schema, where=str(path))


def read(
    path: Path, overrides: Sequence[str] = (), *, command: str | None = None
) -> dict[str, Any]:
    """Read the values of a recipe file without validation; arguments and errors as in `load`."""
    if not path.is_file():
        raise UsageError(f"{path}: no such recipe file")
    try:
        values = parse_yaml(read_text(path))
    except ReidaugError as error:
        raise UsageError(str(error)) from None
    except YamlError as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise UsageError(f"{path}: expected 'key: value' lines, found {type(values).__name__}")
    if command is not None and isinstance(of_run := values.get("command"), str):
        if of_run.partition(" --")[0] != command:
            raise UsageError(f"{path}: is the recipe of a run of {of_run}, not of {command}")
        del values["command"]
    for override in overrides:
        _override(values, override)
    return values


def resolve(values: dict[str, Any], schema: type[R], *, where: str) -> R:
    """Validate the values of a recipe.

    Args:
        values: The values.
        schema: Class of the recipe.
        where: Start of error messages, such as the file.

    Raises:
        UsageError: A key or value is wrong.
    """
    if problem := senseless(values):
        raise UsageError(f"{where}: {problem}")
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{where}: {_problems(error, schema)}") from error


def place_keys(kind: Any) -> frozenset[str]:
    """List the keys of a recipe, at any depth, whose values are paths.

    Args:
        kind: Class of the recipe, or of a part of it.
    """
    parts = _parts(kind)
    own = {name for name, part in parts.items() if _holds_path(part)}
    return frozenset(own).union(*map(place_keys, (*parts.values(), *get_args(kind))))


def _holds_path(kind: Any) -> bool:
    return kind is Path or any(map(_holds_path, get_args(kind)))


def senseless(value: Any, key: str = "") -> str | None:
    """Find a value that no recipe can mean, at any depth; None where there is none.

    Numbers that are not finite or beyond 2 to the 53rd, text with characters that no file name
    has or of more than 4096 characters, keys that are no text, and values deeper than 32 keys.

    Returns:
        What is wrong, with its key.
    """
    return _senseless(value, key, 0, set())


def _senseless(value: Any, key: str, depth: int, seen: set[int]) -> str | None:
    if not isinstance(value, Mapping | list | tuple):
        problem = _senseless_plain(value)
        return f"'{key}': {problem}" if problem else None
    if id(value) in seen:
        return None
    seen.add(id(value))  # aliases are looked at once
    if depth > _DEEPEST:
        return f"'{key}': more than {_DEEPEST} keys deep"
    if odd := [k for k in value if not isinstance(k, str)] if isinstance(value, Mapping) else []:
        return f"'{key}': keys are text, got {reprlib.repr(odd[0])}; write it in quotes"
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    inner = (_senseless(v, f"{key}.{k}" if key else str(k), depth + 1, seen) for k, v in items)
    return next((problem for problem in inner if problem), None)


def _senseless_plain(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a finite number"
    if isinstance(value, int | float) and abs(value) > _LARGEST:
        return "a number beyond all bounds"
    if isinstance(value, str):
        broken = "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value)
        if broken or len(value) > _LONGEST_TEXT:
            return f"no text that a recipe can hold: {reprlib.repr(value)}"
    return None


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge changes into the plain values of a recipe, key by key at any depth."""
    result = dict(values)
    for key, value in changes.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def truth_for_number(kind: Any, value: Any, key: str = "") -> str | None:
    """Find a true or false where a number is asked for, at any depth; None where there is none.

    To Python, and to pydantic, they are 1 and 0, and YAML reads yes, no, on and off as them.

    Args:
        kind: The type that is asked for: of a recipe, a part of it, or an argument.
        value: Plain YAML values.
        key: The key of the value.

    Returns:
        What is wrong, with its key.
    """
    kinds = set(_plain_kinds(kind))
    if isinstance(value, bool):
        wrong = kinds & {int, float} and not kinds & {bool, Any}
        said = f"'{key}': a number is asked for, got {str(value).lower()}"
        return f"{said} (as YAML reads yes, no, on and off)" if wrong else None
    if isinstance(value, Mapping):
        parts = {name: part for one in kinds for name, part in _parts(one).items()}
        named = ((parts.get(k, kind), v, f"{key}.{k}" if key else str(k)) for k, v in value.items())
        return next(filter(None, (truth_for_number(*one) for one in named)), None)
    if isinstance(value, list | tuple):
        numbered = ((kind, v, f"{key}.{k}") for k, v in enumerate(value))
        return next(filter(None, (truth_for_number(*one) for one in numbered)), None)
    return None


def check_arguments(make: Callable[..., Any], keywords: Mapping[Any, Any], *, where: str) -> None:
    """Raise `UsageError` where a class or function would get true or false for a number."""
    known = signature(make).parameters
    named = ((known[k].annotation, v, k) for k, v in keywords.items() if k in known)
    if problem := next(filter(None, (truth_for_number(*one) for one in named)), None):
        raise UsageError(f"{where}: {problem}")


def _plain_kinds(kind: Any) -> Iterator[Any]:
    """List the types that a type is made of; of those of functions none is that of a value."""
    inside, origin = get_args(kind), get_origin(kind)
    if origin is Annotated:
        inside = inside[:1]
    if not inside or origin is Callable:
        yield kind
        return
    for one in inside:
        yield from _plain_kinds(one)


def _parts(kind: Any) -> dict[str, Any]:
    """List the keys of a recipe, or of a part of it, with their types."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        return get_type_hints(kind)
    return {}


def _problems(error: ValidationError, schema: type[Recipe]) -> str:
    errors = error.errors()
    inside = {e["loc"][:-1] for e in errors}  # a list that is too short without its wrong items
    errors = [e for e in errors if e["type"] != "too_short" or e["loc"] not in inside]
    return "; ".join(_problem(dict(e), schema) for e in errors)


def _problem(error: dict[str, Any], schema: type[Recipe]) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "recipe"
    if error["type"] == "extra_forbidden":
        known = ", ".join(schema.model_fields) if len(error["loc"]) == 1 else ""
        near = nearest(key, schema.model_fields) if known else ""
        return f"unknown key '{key}'" + (f" (known: {known}){near}" if known else "")
    if error["type"] == "missing":
        return f"key '{key}' is missing"
    if error["type"] == "value_error":
        cause = error.get("ctx", {}).get("error")
        if isinstance(cause, ValidationError):  # of an arm: the recipe with its changes
            return _problems(cause, schema)
        return str(error["msg"]).removeprefix("Value error, ")
    return (
        f"'{key}': {error['msg'][0].lower()}{error['msg'][1:]}, got {reprlib.repr(error['input'])}"
    )


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {override}: expected key=value")
    *path, last = key.split(".")
    for part in path:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise UsageError(f"--set {override}: '{part}' has no keys of its own")
    try:
        values[last] = parse_yaml(text)
    except YamlError as error:
        raise UsageError(f"--set {override}: the value is not valid YAML") from error
