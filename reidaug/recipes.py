"""Recipes: YAML files with the values that differ from the defaults of a schema."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reidaug.errors import ReidaugError, UsageError
from reidaug.files import read_text
from reidaug.yaml_values import YamlError, parse_yaml

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Recipe(BaseModel):
    """Base of every command's recipe: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


R = TypeVar("R", bound=Recipe)


def load(path: Path, schema: type[R], overrides: Sequence[str] = ()) -> R:
    """Read and validate a recipe file.

    Args:
        path: YAML file with the keys that differ from the schema's defaults.
        schema: Class of the recipe.
        overrides: ``key=value`` or ``key.inner=value``, the value in YAML.

    Raises:
        UsageError: The file is missing or no YAML mapping, or a key or value is wrong; the message
            names the file and the key.
    """
    return resolve(read(path, overrides), schema, where=str(path))


def read(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read the values of a recipe file without validation; arguments and errors as in `load`."""
    if not path.is_file():
        raise UsageError(f"{path}: no such recipe file")
    try:
        values = parse_yaml(read_text(path))
    except ReidaugError as error:
        raise UsageError(str(error)) from None
    except YamlError as error:
        raise UsageError(f"{path}: not valid YAML: {error}") from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise UsageError(f"{path}: expected 'key: value' lines, found {type(values).__name__}")
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
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_problem(dict(e), schema) for e in error.errors())
        raise UsageError(f"{where}: {problems}") from error


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge changes into the plain values of a recipe, key by key at any depth."""
    result = dict(values)
    for key, value in changes.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def _problem(error: dict[str, Any], schema: type[Recipe]) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "recipe"
    if error["type"] == "extra_forbidden":
        known = ", ".join(schema.model_fields) if len(error["loc"]) == 1 else ""
        return f"unknown key '{key}'" + (f" (known: {known})" if known else "")
    if error["type"] == "missing":
        return f"key '{key}' is missing"
    if error["type"] == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    return f"'{key}': {error['msg'][0].lower()}{error['msg'][1:]}, got {error['input']!r}"


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
