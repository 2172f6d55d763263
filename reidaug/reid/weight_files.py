"""Weight files of re-ID models: what networks they hold, read without executing code."""

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from reidaug.errors import ReidaugError
from reidaug.files import check_tensor_file
from reidaug.weight_places import instead_of_weights

# Keys of the weights in checkpoints that hold epoch, scores and optimiser too.
CONTAINERS = ("state_dict", "model", "model_state_dict", "net")
AVERAGED = ("_ema", "_averaged")  # ends of the names of containers
TRAINING = ("optimizer", "optimiser", "optim", "scheduler", "lr_scheduler")  # holds no network
DEEPEST = 4  # dictionaries in one another
SHOWN = 3  # names in a sentence
SAVE = "save the weights alone, torch.save(model.state_dict(), FILE), where it was trained"
AGAIN = "download or copy it again"
PART = re.compile(r"-\d{5}-of-(\d{5})\.|(\.index\.json$)")
"""Names of the parts of a model that was saved in several files, and of their index."""
IN_PARTS = "load it where it was trained, and save it as one file"
# First bytes of files that are no weights: what they are, and what to do.
KINDS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "it is a pointer of Git LFS: get the file by git lfs pull"),
    (b"\x1f\x8b", "it is packed by gzip: unpack it"),
    (b"7z\xbc\xaf", "it is a 7z archive: unpack it"),
    (b"Rar!", "it is a RAR archive: unpack it"),
    (b"%PDF", f"it is a PDF: {AGAIN}"),
    (b"\x89HDF", f"it is HDF5, as Keras writes it; weights of PyTorch are needed: {SAVE}"),
)


def read_networks(path: Path) -> dict[str, dict[str, Tensor]]:
    """Read the named tensors of each part of a file; most files are a single part, named "".

    Raises:
        ReidaugError: There is no such file, or it holds no named tensors.
    """
    if not path.is_file():
        raise ReidaugError(f"{path}: no such weight file{instead_of_weights(path)}")
    if (part := PART.search(path.name)) and part[1] != "00001":
        raise ReidaugError(f"{path}: one file of a model that was saved in several: {IN_PARTS}")
    check_tensor_file(path, what="weight file")
    with path.open("rb") as file:
        start = file.read(512)
    if kind := _kind(path, start):
        raise ReidaugError(f"{path}: not a readable weight file ({kind})")
    content = _content(path, safetensors=start[8:9] == b"{")  # after the length of its header
    if not isinstance(content, dict):
        raise ReidaugError(f"{path}: holds no named tensors")
    return _parts(content) or {"": {}}


def _content(path: Path, *, safetensors: bool) -> Any:
    try:
        if safetensors:  # whatever the file's name
            return load_file(path)
        with torch.serialization.safe_globals(_numpy_numbers()), path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files make the readers raise anything
        raise ReidaugError(f"{path}: not a readable weight file ({_reason(error)})") from None


def _parts(content: Any, depth: int = 0) -> dict[str, dict[str, Tensor]]:
    """Find the networks in dictionaries of dictionaries: those of a container, or of every key."""
    if not isinstance(content, dict) or depth > DEEPEST:
        return {}
    for key in CONTAINERS:
        if inside := _parts(content.get(key), depth + 1):
            # The average of the weights, as timm names it, is another network beside them.
            twins = {f"{key}{end}": content.get(f"{key}{end}") for end in AVERAGED}
            return {
                **inside,
                **{k: t for k, twin in twins.items() for t in _parts(twin, depth + 1).values()},
            }
    if tensors := _tensors(content):
        return {"": tensors}
    found: dict[str, dict[str, Tensor]] = {}
    for key, inner in content.items():
        if key not in TRAINING:
            parts = _parts(inner, depth + 1)
            found |= {f"{key}.{name}" if name else str(key): part for name, part in parts.items()}
    return found


def _tensors(part: Any) -> dict[str, Tensor]:
    """Tensors of a dictionary, without anything else in it."""
    if not isinstance(part, dict):
        return {}
    return {str(key): value for key, value in part.items() if isinstance(value, Tensor)}


def _kind(path: Path, start: bytes) -> str:
    """Say what a file is that holds no weights, and what to do; empty for any that may."""
    if not start:
        return f"it is empty: {AGAIN}"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")):
        return (
            "it is a web page, which a link gives that asks for a log-in or a confirmation: open "
            "the link in a browser and save the file itself"
        )
    if kind := next((kind for magic, kind in KINDS if start.startswith(magic)), ""):
        return kind
    if start.startswith(b"PK\x03\x04"):
        return _kind_of_archive(path)
    if start[8:9] != b"{" and not any(b < 9 or 13 < b < 32 for b in start) and start.isascii():
        return "it is text, not weights; is it really the file you mean?"
    return ""


def _kind_of_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return f"its end is missing, as of an interrupted download: {AGAIN}"
    if "constants.pkl" in names:
        return f"it is a program, TorchScript: {SAVE}"
    if "data.pkl" not in names:
        return f"it is an archive of {first_names(sorted(names - {''}))}: unpack it"
    return ""


def _numpy_numbers() -> list[Any]:
    """Types of a NumPy number in a pickle: torchreid stores its rank-1 as one."""
    # Files written with NumPy 1 name the same function by its old module.
    core: Any = np._core if hasattr(np, "_core") else np.core
    scalar = core.multiarray.scalar
    kinds = (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)
    return [
        *((scalar, f"numpy.{name}.multiarray.scalar") for name in ("core", "_core")),
        np.dtype,
        *(type(np.dtype(kind)) for kind in kinds),
    ]


def _reason(error: Exception) -> str:
    """The cause in one sentence, without the advice of torch's pickle reader."""
    text = str(error).partition("WeightsUnpickler error: ")[2] or str(error)
    if isinstance(error, KeyError) or not text.strip():
        return "no weights in it"
    if (found := re.search(r"GLOBAL ([\w.]+)", text)) and "Unsupported global" in text:
        return (
            f"it holds an object of the class {found[1]}, and to read that is to run code: {SAVE}"
        )
    if "operand" in text or "magic number" in text.lower():
        return f"it is no file of torch.save: {SAVE}"
    return text.strip().splitlines()[0].partition(". ")[0]


def first_names(names: Sequence[str]) -> str:
    """Join the first few names."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
