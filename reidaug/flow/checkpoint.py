"""Trained estimators on disk: weights without pickles, and the recipe that rebuilds the model."""

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from reidaug.errors import ReidaugError, UsageError
from reidaug.files import write_atomically
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.image_generator import ImageGenerator

Part = TypeVar("Part")
Network = TypeVar("Network", bound=nn.Module)
WEIGHTS, GENERATOR, RECIPE = "model.safetensors", "generator.safetensors", "recipe.yaml"


def build_estimator(description: Mapping[str, Any]) -> FlowEstimator:
    """Build an estimator by its import path.

    Args:
        description: ``class`` as in ``reidaug.flow.unwarpme:UnWarpME``; the other keys are its
            keywords. ``preset`` is replaced first, see `without_preset`.

    Returns:
        The estimator, untrained.

    Raises:
        UsageError: There is no such class, it is no flow estimator, or a keyword is wrong.
    """
    return build_part(description, FlowEstimator, key="estimator")  # type: ignore[type-abstract]


def build_part(
    description: Mapping[str, Any], kind: type[Part], *, key: str, **handed: Callable[[], Any]
) -> Part:
    """Build a network of a method by its import path.

    Args:
        description: ``class``, keywords, and perhaps ``preset``, see `build_estimator`.
        kind: What it has to be.
        key: Where the description stands in a recipe, for what is said of mistakes.
        handed: What no recipe can write: made for, and handed to, a class that has keywords of
            these names.

    Returns:
        The network, untrained.

    Raises:
        UsageError: There is no such class, it is of another kind, or a keyword is wrong.
    """
    keywords = without_preset(description, key=key)
    path = keywords.pop("class")
    found = getattr(_module(path, key), path.partition(":")[2], None)
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise UsageError(f"{key}.class: {path} is no {_words(kind)}")
    known = signature(found).parameters
    keywords |= {name: make() for name, make in handed.items() if name in known}
    try:
        return found(**keywords)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{key} {path}: {error}") from None


def without_preset(description: Mapping[str, Any], *, key: str = "estimator") -> dict[str, Any]:
    """Replace the name of a preset by its keywords, so that a checkpoint outlives the preset.

    Args:
        description: ``class``, keywords, and perhaps ``preset``, which the function ``preset`` of
            the class's module looks up. Keywords written beside it win.
        key: Where the description stands in a recipe, for what is said of mistakes.

    Returns:
        The description without ``preset``, in plain YAML values.

    Raises:
        UsageError: There is no such class or preset.
    """
    path, name = str(description.get("class")), description.get("preset")
    keywords = {k: v for k, v in description.items() if k not in ("class", "preset")}
    module = _module(path, key)
    if name is not None:
        if not hasattr(module, "preset"):
            raise UsageError(f"{key}.preset: {module.__name__} has no presets")
        keywords = {**module.preset(name), **keywords}
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in keywords.items()}
    return {"class": path, **plain}


def save_checkpoint(
    folder: Path,
    estimator: FlowEstimator,
    recipe: Mapping[str, Any],
    *,
    generator: ImageGenerator | None = None,
    half: bool = False,
) -> None:
    """Write a checkpoint folder: ``model.safetensors`` and ``recipe.yaml``.

    Args:
        folder: Where; made if it is missing.
        estimator: What was trained.
        recipe: Plain YAML values; its ``estimator`` rebuilds the model, see `build_estimator`.
        generator: The image generator it was trained with, if any: ``generator.safetensors``.
        half: Whether to store weights in 16 bits: half the size, read back in 32. Statistics of
            batch norm keep 32 bits.

    Raises:
        ValueError: The recipe has no ``estimator`` with a ``class``.
    """
    if "class" not in (recipe.get("estimator") or {}):
        raise ValueError("a checkpoint's recipe needs 'estimator' with a 'class'")
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in ((WEIGHTS, estimator), (GENERATOR, generator)):
        if network is not None:
            state = {key: _stored(key, value, half) for key, value in network.state_dict().items()}
            write_atomically(folder / name, save(state))
    text = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
    write_atomically(folder / RECIPE, text.encode())


def load_checkpoint(folder: Path, **keywords: Any) -> FlowEstimator:
    """Read a checkpoint folder.

    Args:
        folder: As `save_checkpoint` writes it.
        keywords: Keywords of the estimator that win over those it was trained with, for what does
            not change its weights.

    Returns:
        The estimator on the CPU, ready for use (``eval`` mode, 32 bits).

    Raises:
        ReidaugError: The folder is no checkpoint, or a file in it is damaged or fits no other.
    """
    for name in (WEIGHTS, RECIPE):
        if not (folder / name).is_file():
            raise ReidaugError(f"{folder}: no flow checkpoint here ({name} is missing)")
    kind: type[FlowEstimator] = FlowEstimator  # type: ignore[type-abstract]
    return _load(folder, WEIGHTS, kind, keywords, key="estimator")


def load_generator(folder: Path) -> ImageGenerator | None:
    """Read the image generator of a checkpoint folder.

    Args:
        folder: As `save_checkpoint` writes it.

    Returns:
        The network on the CPU, ready for use; None where the estimator was trained without one.

    Raises:
        ReidaugError: A file is damaged or fits no other.
    """
    if not (folder / GENERATOR).is_file():
        return None
    kind: type[ImageGenerator] = ImageGenerator  # type: ignore[type-abstract]
    return _load(folder, GENERATOR, kind, {}, key="generator")


def _load(
    folder: Path, name: str, kind: type[Network], keywords: Mapping[str, Any], *, key: str
) -> Network:
    try:
        recipe = yaml.safe_load((folder / RECIPE).read_text(encoding="utf-8"))
        description = {**recipe[key], **keywords}
    except (OSError, yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        raise ReidaugError(f"{folder / RECIPE}: names no {key}") from None
    try:
        network = build_part(description, kind, key=key)
        state = load_file(folder / name)
        network.load_state_dict(
            {name: t.float() if t.is_floating_point() else t for name, t in state.items()}
        )
    except UsageError as error:
        raise ReidaugError(f"{folder / RECIPE}: {error}") from None
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(":")
        raise ReidaugError(f"{folder / name}: does not fit {RECIPE}: {reason}") from None
    return network.eval()


def _words(kind: type) -> str:
    """Write a class's name as words: FlowEstimator becomes flow estimator."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", kind.__name__).lower()


def _module(path: str, key: str) -> ModuleType:
    name = path.partition(":")[0]
    try:
        return import_module(name)
    except (ImportError, ValueError):
        raise UsageError(f"{key}.class: no {path!r}; write package.module:Class") from None


def _stored(name: str, tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if half and tensor.dtype == torch.float32 and "running_" not in name:
        return tensor.half()
    return tensor
