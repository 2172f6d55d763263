"""Trained estimators on disk: weights without pickles, and the recipe that rebuilds the model."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from reidaug.data.files import write_atomically
from reidaug.errors import ReidaugError, UsageError
from reidaug.flow.estimator import FlowEstimator

WEIGHTS, RECIPE = "model.safetensors", "recipe.yaml"


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
    keywords = without_preset(description)
    path = keywords.pop("class")
    found = getattr(_module(path), path.partition(":")[2], None)
    if not (isinstance(found, type) and issubclass(found, FlowEstimator)):
        raise UsageError(f"estimator.class: {path} is no flow estimator")
    try:
        estimator: FlowEstimator = found(**keywords)
    except (TypeError, ValueError) as error:
        raise UsageError(f"estimator {path}: {error}") from None
    return estimator


def without_preset(description: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the name of a preset by its keywords, so that a checkpoint outlives the preset.

    Args:
        description: ``class``, keywords, and perhaps ``preset``, which the function ``preset`` of
            the class's module looks up. Keywords written beside it win.

    Returns:
        The description without ``preset``, in plain YAML values.

    Raises:
        UsageError: There is no such class or preset.
    """
    path, name = str(description.get("class")), description.get("preset")
    keywords = {k: v for k, v in description.items() if k not in ("class", "preset")}
    module = _module(path)
    if name is not None:
        if not hasattr(module, "preset"):
            raise UsageError(f"estimator.preset: {module.__name__} has no presets")
        keywords = {**module.preset(name), **keywords}
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in keywords.items()}
    return {"class": path, **plain}


def save_checkpoint(
    folder: Path, estimator: FlowEstimator, recipe: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write a checkpoint folder: ``model.safetensors`` and ``recipe.yaml``.

    Args:
        folder: Where; made if it is missing.
        estimator: What was trained.
        recipe: Plain YAML values; its ``estimator`` rebuilds the model, see `build_estimator`.
        half: Whether to store weights in 16 bits: half the size, read back in 32. Statistics of
            batch norm keep 32 bits.

    Raises:
        ValueError: The recipe has no ``estimator`` with a ``class``.
    """
    if "class" not in (recipe.get("estimator") or {}):
        raise ValueError("a checkpoint's recipe needs 'estimator' with a 'class'")
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: _stored(name, tensor, half) for name, tensor in estimator.state_dict().items()}
    write_atomically(folder / WEIGHTS, save(state))
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
    try:
        recipe = yaml.safe_load((folder / RECIPE).read_text(encoding="utf-8"))
        description = {**recipe["estimator"], **keywords}
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        raise ReidaugError(f"{folder / RECIPE}: names no estimator") from None
    try:
        estimator = build_estimator(description)
        state = load_file(folder / WEIGHTS)
        estimator.load_state_dict(
            {name: t.float() if t.is_floating_point() else t for name, t in state.items()}
        )
    except UsageError as error:
        raise ReidaugError(f"{folder / RECIPE}: {error}") from None
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(":")
        raise ReidaugError(f"{folder / WEIGHTS}: does not fit {RECIPE}: {reason}") from None
    return estimator.eval()


def _module(path: str) -> ModuleType:
    name = path.partition(":")[0]
    try:
        return import_module(name)
    except (ImportError, ValueError):
        raise UsageError(f"estimator.class: no {path!r}; write package.module:Class") from None


def _stored(name: str, tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if half and tensor.dtype == torch.float32 and "running_" not in name:
        return tensor.half()
    return tensor
