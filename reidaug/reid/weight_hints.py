"""Hints about weight files: which backbone and options the tensors of a ResNet's file ask for."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from reidaug.errors import ReidaugError
from reidaug.files import read_text
from reidaug.yaml_values import YamlError, parse_yaml

OPTIONS = "opts.yaml"
"""File that Person_reID_baseline_pytorch writes beside ``net_last.pth``, with its options."""
_BLOCKS = {
    ("basic", (2, 2, 2, 2)): "resnet18",
    ("basic", (3, 4, 6, 3)): "resnet34",
    ("bottleneck", (3, 4, 6, 3)): "resnet50",
    ("bottleneck", (3, 4, 23, 3)): "resnet101",
}
_UNNUMBERED = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")


def resnet_names(keys: Mapping[str, Any]) -> dict[str, str]:
    """Name the layers of a ResNet that a file counts, as SpCL's and cluster-contrast's do.

    Theirs is a `torch.nn.Sequential`, with or without the ReLU: ``base.0.weight`` is that of
    ``conv1``, and of those that follow the six that have tensors are ``bn1`` and the four stages.

    Returns:
        The names of these tensors, ``base.conv1.weight``, by those in the file.
    """
    found: dict[str, dict[int, list[str]]] = {}
    for key in keys:
        if match := re.match(r"((?:[A-Za-z_]\w*\.)*)(\d+)\.", key):
            found.setdefault(match[1], {}).setdefault(int(match[2]), []).append(key)
    names: dict[str, str] = {}
    for prefix, layers in found.items():
        if len(layers) != len(_UNNUMBERED) or f"{prefix}0.weight" not in keys:
            continue
        for name, number in zip(_UNNUMBERED, sorted(layers), strict=True):
            for key in layers[number]:
                names[key] = f"{prefix}{name}{key[len(f'{prefix}{number}') :]}"
    return names


def option_hint(model: nn.Module, stored: Mapping[str, Tensor], path: Path) -> str:
    """Say what to set where a file's ResNet differs from a model's; nothing where it does not.

    Args:
        model: The model.
        stored: The file's tensors, by names without prefixes, heads named as ours.
        path: The file; what training it came from may stand in `OPTIONS` beside it.
    """
    own = {key.removeprefix("backbone."): value for key, value in model.state_dict().items()}
    fastreid = "backbone.conv1.weight" in model.state_dict()
    mine, theirs = _form(own), _form(stored)
    if not mine.get("blocks") or not theirs.get("blocks"):
        return ""
    if hasattr(model, "last_stride") and any("classifier" in key for key in stored):
        mine["last_stride"] = model.last_stride
        theirs["last_stride"] = _trained_with(path).get("stride", model.last_stride)
    wanted = {
        key: value for key, value in theirs.items() if value != mine.get(key) and value is not None
    }
    kind, name = ("block", "blocks"), ""
    if any(key in wanted for key in kind):
        shape = (theirs["block"], tuple(theirs["blocks"]))
        name = _BLOCKS.get(shape, "")
        name = f"fastreid:{name}" if name and (fastreid or name == "resnet101") else name
        wanted = {key: value for key, value in wanted.items() if not name or key not in kind}
    parts = [f"backbone: {name}"] if name else []
    if wanted:
        options = ", ".join(f"{key}: {_text(value)}" for key, value in wanted.items())
        parts.append(f"backbone_options: {{{options}}}")
    return f"the file asks for {' and '.join(parts)}" if parts else ""


def _form(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read from tensors the options of the ResNet they are of, as far as these leave traces."""
    stages = [_count(state, rf"layer{stage}\.(\d+)\.") for stage in range(1, 5)]
    if not all(stages) or "conv1.weight" not in state:
        return {}
    form: dict[str, Any] = {
        "block": "bottleneck" if "layer1.0.conv3.weight" in state else "basic",
        "blocks": stages,
        "width": state["conv1.weight"].shape[0],
        "ibn": any(key.endswith(".bn1.IN.weight") for key in state),
        "nonlocal_blocks": [_count(state, rf"NL_{stage}\.(\d+)\.") for stage in range(1, 5)],
    }
    if heads := _count(state, r"heads\.(\d+)\.norm\."):
        form["dropouts"] = [0.5, 0.75][:heads] if heads < 3 else [0.5] * heads
        linear = state.get("heads.0.bottleneck.weight")
        form["embedding"] = 0 if linear is None else linear.shape[0]
    elif "heads.bottleneck.0.weight" in state:
        linear = state["heads.bottleneck.0.weight"]
        form["embedding"] = linear.shape[0] if linear.ndim == 4 else 0
        form["pooling"] = "gem_learnt" if "heads.pool_layer.p" in state else None
    return form


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    numbers = [int(found[1]) for key in state if (found := re.match(pattern, key))]
    return max(numbers, default=-1) + 1


def _trained_with(path: Path) -> dict[str, Any]:
    """Read the options beside a file; none where they are missing or damaged."""
    try:
        values = parse_yaml(read_text(path.with_name(OPTIONS)))
    except (ReidaugError, YamlError):
        return {}
    return values if isinstance(values, dict) else {}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
