"""Checkpoints of flow estimators: weights, and the recipe that rebuilds the model."""

import sys
from collections.abc import Mapping
from functools import cache
from multiprocessing import current_process
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from reidaug.checksums import SUMS, Checksums, describe, flaw_of, sealed, unsealed
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import collected_checksums, read_text, remove_partials, write_atomically
from reidaug.finite import check_weights
from reidaug.flow.components import build_component, check_source
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.image_generator import ImageGenerator
from reidaug.own_code import classes_in, own_code
from reidaug.runs import notice
from reidaug.weight_places import instead_of_flow
from reidaug.yaml_values import YamlError, parse_yaml

Network = TypeVar("Network", bound=nn.Module)
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
"""Of Python, on which digests of code depend."""
WEIGHTS, GENERATOR, RECIPE = "model.safetensors", "generator.safetensors", "recipe.yaml"
CODE = "code.json"
"""Digests of the code of own classes that a checkpoint was trained by; see `reidaug.own_code`."""


def build_estimator(description: Mapping[str, Any]) -> FlowEstimator:
    """Build an untrained estimator; see `reidaug.flow.components.build_component`."""
    return build_component(description, FlowEstimator, key="estimator")  # type: ignore[type-abstract]


def save_checkpoint(
    folder: Path,
    estimator: FlowEstimator,
    recipe: Mapping[str, Any],
    *,
    generator: ImageGenerator | None = None,
    half_precision: bool = False,
) -> None:
    """Write a checkpoint folder: ``model.safetensors``, ``recipe.yaml``, of own code ``code.json``.

    Args:
        folder: The folder; created if missing.
        estimator: The trained estimator.
        recipe: Plain YAML values; its ``estimator`` rebuilds the model, see `build_estimator`.
        generator: The image generator it was trained with, if any: ``generator.safetensors``.
        half_precision: Store weights in 16 bits, except batch-norm statistics; they are read as 32.

    Raises:
        ValueError: The recipe has no ``estimator`` with a ``class``.
    """
    if "class" not in (recipe.get("estimator") or {}):
        raise ValueError("a checkpoint's recipe needs 'estimator' with a 'class'")
    folder.mkdir(parents=True, exist_ok=True)
    remove_partials(folder)
    text = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
    with collected_checksums() as sums:
        for name, network in ((WEIGHTS, estimator), (GENERATOR, generator)):
            if network is not None:
                state = network.state_dict().items()
                stored = {key: _stored(key, value, half_precision) for key, value in state}
                write_atomically(folder / name, save(stored), lasting=True)
        write_atomically(folder / RECIPE, text.encode(), lasting=True)
        if code := own_code(classes_in(recipe)):
            kept = {"python": VERSION, "modules": code}
            write_atomically(folder / CODE, sealed(kept), lasting=True)
    Checksums(folder / SUMS).write({path.name: own for path, own in sums.items()})


def is_whole(folder: Path, known: Mapping[str, str] | None = None) -> bool:
    """Whether a folder holds a checkpoint that `save_checkpoint` finished, and nobody changed.

    Args:
        folder: The folder.
        known: Checksums kept elsewhere, which count beside its own: by file name, or none.
    """
    sums = Checksums(folder / SUMS)
    own = {name: value for name, value in (known or {}).items() if name != SUMS}
    damaged = any(flaw_of(folder / name, value) for name, value in own.items())
    if sums.read() is None and WEIGHTS in own and not damaged:
        sums.write(own)
    return not damaged and WEIGHTS in (sums.read() or {}) and not sums.changed()


def load_checkpoint(folder: Path, **keywords: Any) -> FlowEstimator:
    """Read the estimator of a checkpoint folder, on the CPU, in ``eval`` mode and 32 bits.

    Args:
        folder: As `save_checkpoint` writes it.
        keywords: Replace keywords of the estimator's training; its weights stay as they are.

    Its recipe names a class, whose module is imported only if its source says that it is an
    estimator: nothing else that a checkpoint of somebody else's names is run.

    Raises:
        ReidaugError: The folder is no checkpoint, or a file in it is damaged or fits no other.
    """
    for name in (WEIGHTS, RECIPE):
        if not (folder / name).is_file():
            meant = instead_of_flow(folder)
            raise ReidaugError(f"{folder}: no flow checkpoint here ({name} is missing){meant}")
    if changed := Checksums(folder / SUMS).changed():
        raise ReidaugError(
            f"{folder}: {describe(changed)}; train it again, or remove {SUMS} beside it if the "
            "change is meant"
        )
    kind: type[FlowEstimator] = FlowEstimator  # type: ignore[type-abstract]
    estimator = _load(folder, WEIGHTS, kind, keywords, key="estimator")
    if current_process().name == "MainProcess":  # and not once more in each worker
        _tell_changed_code(folder.resolve(), changed_code(folder))
    return estimator


def changed_code(folder: Path) -> tuple[str, ...]:
    """Name the modules of the user's own whose code is not what a checkpoint was trained by.

    None where the checkpoint, whose classes are imported, does not tell.
    """
    try:
        kept = unsealed(read_text(folder / CODE))
        known = dict(kept["modules"]) if kept["python"] == VERSION else {}
        now = own_code(classes_in(parse_yaml(read_text(folder / RECIPE))))
    except (ReidaugError, YamlError, ValueError, KeyError, TypeError):
        return ()
    return tuple(name for name, own in known.items() if now.get(name, own) != own)


@cache
def _tell_changed_code(folder: Path, modules: tuple[str, ...]) -> None:
    if modules:
        notice(
            f"{folder}: the code of {', '.join(modules)} is not what it was trained by: its "
            "weights may mean something else there; train it again if more than words changed"
        )


def trained_size(folder: Path) -> tuple[int, int] | None:
    """Read at which (height, width) a checkpoint was trained; None where its recipe has no size."""
    try:
        size = parse_yaml(read_text(folder / RECIPE))["size"]
        height, width = (int(side) for side in size)
    except (ReidaugError, YamlError, KeyError, TypeError, ValueError):
        return None
    return (height, width)


def load_generator(folder: Path) -> ImageGenerator | None:
    """Read a checkpoint folder's image generator, None without one; see `load_checkpoint`."""
    if not (folder / GENERATOR).is_file():
        return None
    kind: type[ImageGenerator] = ImageGenerator  # type: ignore[type-abstract]
    return _load(folder, GENERATOR, kind, {}, key="generator")


def _load(
    folder: Path, name: str, kind: type[Network], keywords: Mapping[str, Any], *, key: str
) -> Network:
    try:
        recipe = parse_yaml(read_text(folder / RECIPE))
        description = {**recipe[key], **keywords}
    except (ReidaugError, YamlError, KeyError, TypeError):
        raise ReidaugError(f"{folder / RECIPE}: names no {key}") from None
    try:
        check_source(description, kind, key=key)
        network = build_component(description, kind, key=key)
        state = load_file(folder / name)
        check_weights(state, folder / name)
        if flaw := _flaw(state, network.state_dict()):
            raise ReidaugError(f"{folder / name}: does not fit {RECIPE}: {flaw}")
        network.load_state_dict(
            {name: t.float() if t.is_floating_point() else t for name, t in state.items()}
        )
    except UsageError as error:
        raise ReidaugError(f"{folder / RECIPE}: {error}") from None
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(":")
        raise ReidaugError(f"{folder / name}: does not fit {RECIPE}: {reason}") from None
    return network.eval()


def _flaw(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Say why tensors cannot be those of a network; empty where they can."""
    if lacking := [name for name in own if name not in state]:
        return f"it lacks {len(lacking)} of {len(own)} tensors, such as {lacking[0]}"
    if unknown := [name for name in state if name not in own]:
        return f"the network has no place for {len(unknown)} tensors, such as {unknown[0]}"
    for name, value in state.items():
        if value.shape != own[name].shape:
            return f"{name} is {tuple(value.shape)}, not {tuple(own[name].shape)}"
        if value.is_floating_point() != own[name].is_floating_point():
            kind, wanted = (str(v.dtype).removeprefix("torch.") for v in (value, own[name]))
            return f"{name} holds numbers of the kind {kind}, not {wanted}"
    return ""


def _stored(name: str, tensor: Tensor, half_precision: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if half_precision and tensor.dtype == torch.float32 and "running_" not in name:
        return tensor.half()
    return tensor
