"""Networks that recipes name by import path: estimators, image generators, discriminators."""

import re
import reprlib
from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import signature
from typing import Any, ClassVar, TypeVar

from torch import nn

from reidaug.errors import ReidaugError, UsageError
from reidaug.flow.class_sources import derives
from reidaug.network_size import check_size
from reidaug.recipes import check_arguments

Kind = TypeVar("Kind", bound=nn.Module)
Presets = Mapping[str, Mapping[str, Any]]
LARGEST_NUMBER = 2**16  # in the keywords of a network
LARGEST_NETWORK = 2**31  # parameters; 8 GiB


class Component(nn.Module):
    """A network whose keywords may come as a preset."""

    PRESETS: ClassVar[Presets] = {}  # keywords by preset, such as ``paper`` and ``small``

    @classmethod
    def preset(cls, name: str) -> dict[str, Any]:
        """Copy the keywords of a preset, a key of `PRESETS`; `UsageError` if there is none."""
        if not cls.PRESETS:
            raise UsageError(f"{cls.__name__} has no presets")
        if name not in cls.PRESETS:
            known = ", ".join(cls.PRESETS)
            raise UsageError(f"{cls.__name__} has no preset '{name}' (known: {known})")
        return dict(cls.PRESETS[name])


def build_component(
    description: Mapping[str, Any], kind: type[Kind], *, key: str, **arguments: Callable[[], Any]
) -> Kind:
    """Build an untrained network by its import path.

    Args:
        description: ``class`` as in ``reidaug.flow.unwarpme:UnWarpME``, perhaps ``preset``, and
            keywords, see `without_preset`.
        kind: The required base class.
        key: The description's key in the recipe, for error messages.
        arguments: Factories of arguments that no recipe can write, for classes with such keywords.

    Raises:
        UsageError: There is no such class, it is of another kind, or a keyword is wrong.
    """
    keywords = without_preset(description, key=key)
    path = keywords.pop("class")
    found = _find_class(path, key)
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise UsageError(f"{key}.class: {path} is no {_as_words(kind)}")
    known = signature(found).parameters
    check_arguments(found, keywords, where=key)
    keywords |= {name: make() for name, make in arguments.items() if name in known}
    try:
        check_size(
            lambda: found(**keywords), keywords,
            largest_number=LARGEST_NUMBER, most_parameters=LARGEST_NETWORK,
        )  # fmt: skip
        return found(**keywords)
    except ReidaugError:
        raise
    except Exception as error:  # numbers of a recipe reach all that a constructor does
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(f"{key} {path}: {reason}") from None


def check_source(description: Mapping[str, Any], kind: type[Kind], *, key: str) -> None:
    """Check that a description of somebody else's names a network, before its module is run.

    Args:
        description: As for `build_component`.
        kind: The required base class.
        key: The description's key in the recipe, for error messages.

    Raises:
        UsageError: There is no such module, or no class of this kind is written in it.
    """
    path = str(description.get("class"))
    found = derives(path, kind)
    if found is None:
        raise UsageError(f"{key}.class: no {path!r}; is its folder in PYTHONPATH?")
    if not found:
        raise UsageError(
            f"{key}.class: {path} is no {_as_words(kind)} by its source, so it is not imported"
        )


def without_preset(description: Mapping[str, Any], *, key: str = "estimator") -> dict[str, Any]:
    """Replace a preset's name by its keywords, so that a checkpoint outlives the preset.

    Args:
        description: ``class``, perhaps ``preset``, a name in the class's `PRESETS`, and keywords,
            which win over the preset's; plain YAML values.
        key: The description's key in the recipe, for error messages.

    Raises:
        UsageError: There is no such class or preset.
    """
    path, name = str(description.get("class")), description.get("preset")
    keywords = {k: v for k, v in description.items() if k not in ("class", "preset")}
    found = _find_class(path, key)
    if name is not None:
        if not (isinstance(found, type) and issubclass(found, Component)):
            raise UsageError(f"{key}.preset: {path} has no presets")
        if not isinstance(name, str):
            raise UsageError(f"{key}.preset: the name of a preset, got {reprlib.repr(name)}")
        try:
            keywords = {**found.preset(name), **keywords}
        except UsageError as error:
            raise UsageError(f"{key}.preset: {error}") from None
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in keywords.items()}
    return {"class": path, **plain}


def _find_class(path: str, key: str) -> Any:
    """Return what an import path names; None where its module has no such name."""
    module, _, name = path.partition(":")
    try:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ImportError(module)
        return getattr(import_module(module), name, None)
    except (ImportError, ValueError, TypeError):
        raise UsageError(f"{key}.class: no {path!r}; write package.module:Class") from None
    except Exception as error:  # code of other people may raise anything
        reason = " ".join(str(error).split())
        raise UsageError(f"{key}.class: importing {module} failed: {reason}") from None


def _as_words(kind: type) -> str:
    """Write a class's name as words: FlowEstimator becomes flow estimator."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", kind.__name__).lower()
