"""Weight files of re-ID models, read without executing code and loaded as far as they fit."""

import re
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from reidaug.errors import ReidaugError
from reidaug.files import check_tensor_file, write_atomically
from reidaug.finite import check_weights as check_finite
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.weight_hints import option_hint, resnet_names

# Keys of the weights in checkpoints that hold epoch, scores and optimiser too.
CONTAINERS = ("state_dict", "model", "model_state_dict", "net")
AVERAGED = ("_ema", "_averaged")  # ends of the names of containers
TRAINING = ("optimizer", "optimiser", "optim", "scheduler", "lr_scheduler")  # holds no network
DEEPEST = 4  # dictionaries in one another
# Prefixes of wrappers in files, and of adapters in our models.
WRAPPERS = (
    "module.", "_orig_mod.", "model.", "network.", "net.", "backbone.", "base.", "encoder."
)  # fmt: skip
INSIDE = ("", "network.", "backbone.")
COUNTER = "num_batches_tracked"  # of batch norm; unused, and missing in old files
SHOWN = 3  # names in a sentence
SAVE = "save the weights alone, torch.save(model.state_dict(), FILE), where it was trained"
AGAIN = "download or copy it again"
# First bytes of files that are no weights: what they are, and what to do.
KINDS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "it is a pointer of Git LFS: get the file by git lfs pull"),
    (b"\x1f\x8b", "it is packed by gzip: unpack it"),
    (b"7z\xbc\xaf", "it is a 7z archive: unpack it"),
    (b"Rar!", "it is a RAR archive: unpack it"),
    (b"%PDF", f"it is a PDF: {AGAIN}"),
    (b"\x89HDF", f"it is HDF5, as Keras writes it; weights of PyTorch are needed: {SAVE}"),
)


class LoadedWeights(NamedTuple):
    """Entries of a weight file that were loaded into a model, and those that were not."""

    fitted: tuple[str, ...]  # names of the parameters and buffers that were loaded
    skipped: tuple[str, ...]  # names in the file that the model lacks or has in another shape
    missing: tuple[str, ...]  # names of the parameters and buffers that were not in the file
    # Skipped names inside a module of the model that is no classifier: parts of the network that
    # the model was built without.
    extra: tuple[str, ...]
    resized: tuple[str, ...] = ()  # names in the file of position embeddings of another grid
    part: str = ""  # the part that was read of a file with several
    rivals: tuple[str, ...] = ()  # other parts of the file that fit as well
    hint: str = ""  # the options that the file asks for, where the model has others

    @property
    def summary(self) -> str:
        """Loaded, skipped and missing tensors in one line."""
        parts = [
            f"{len(self.fitted)} tensors loaded" + f" of its part '{self.part}'" * bool(self.part)
        ]
        if self.rivals:
            parts.append(
                f"'{first_names(self.rivals)}' would fit as well: to take that, save it alone"
            )
        if self.resized:
            parts.append(f"{len(self.resized)} resized ({first_names(self.resized)})")
        if self.skipped:
            parts.append(f"{len(self.skipped)} left out ({first_names(self.skipped)})")
        if self.missing:
            parts.append(f"{len(self.missing)} not in it ({first_names(self.missing)})")
        if self.hint:
            parts.append(self.hint)
        return ", ".join(parts)


def load_weights(model: ReIDModel, path: Path) -> LoadedWeights:
    """Load a weight file of torchvision, torchreid, fast-reid, timm, Person_reID or our own.

    Entries that do not fit by name and shape, such as classifiers of other identities, are skipped.
    Of a file with several networks, such as DG-Net's, the one that fits best is read.

    Args:
        model: Changed in place.
        path: A ``.safetensors`` file or a PyTorch file of tensors.

    Raises:
        ReidaugError: The file cannot be read, holds no tensors, none of them fits, or a number in
            one that does is not finite.
    """
    own, parts = model.state_dict(), _read_states(path)
    count = sum(map(len, parts.values()))
    if not count:
        raise ReidaugError(f"{path}: holds no named tensors")
    fits = {name: _Fit.of(model.own_names(state), own) for name, state in parts.items()}
    if not any(map(_holds_layers, fits.values())):
        for name, state in [pair for part, inner in parts.items() for pair in _inside(inner, part)]:
            fit = _Fit.of(model.own_names(state), own)
            if 2 * len(fit.fitting) > len(own):  # not some layer that happens to fit
                parts, fits = parts | {name: state}, fits | {name: fit}
    # Of equals the first; names of containers come first.
    part = max(fits, key=lambda name: len(fits[name].fitting))
    stored, (fitting, skipped) = parts[part], fits[part]
    rivals = tuple(n for n, f in fits.items() if n != part and f.fitting.keys() == fitting.keys())
    hint = option_hint(model, _plain(model.own_names(stored)), path)
    if not _holds_layers(fits[part]):
        asks = f"; {hint}" if hint else ""
        if odd := [key for key in skipped if key in stored and not _is_plain(stored[key])]:
            asks += (
                f"; {len(odd)} of them, such as {odd[0]}, are quantised, whole, complex or sparse "
                f"numbers, or none at all: {SAVE}"
            )
        raise ReidaugError(f"{path}: none of its {count} tensors fits this backbone{asks}")
    check_finite(fitting, path)
    model.load_state_dict(fitting, strict=False)
    missing = tuple(n for n in own if n not in fitting and not n.endswith(COUNTER))
    modules = {name for name, _ in model.named_modules()}
    extra = tuple(key for key in skipped if _is_extra(key, own, modules))
    resized = tuple(
        key
        for key, value in model.own_names(stored).items()
        if key in stored and stored[key].shape != value.shape
    )
    return LoadedWeights(
        tuple(fitting),
        skipped,
        missing,
        extra,
        resized,
        part if len(parts) > 1 else "",
        rivals,
        hint,
    )


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model to a ``.safetensors`` file, whole or not at all; its folder is made."""
    state = {key: value.contiguous().cpu() for key, value in model.state_dict().items()}
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, save(state), lasting=True)


class _Fit(NamedTuple):
    """What a model can take of the tensors of a file."""

    fitting: dict[str, Tensor]  # by their names in the model
    skipped: tuple[str, ...]  # names in the file

    @classmethod
    def of(cls, stored: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> "_Fit":
        fitting: dict[str, Tensor] = {}
        skipped = []
        numbered = resnet_names(stored)
        for key, value in stored.items():
            candidates = (*_names(key), *_names(numbered.get(key, key)))
            name = next((n for n in candidates if n in own and n not in fitting), None)
            if name is None or not _is_of_kind(value, own[name]):
                skipped.append(key)
            else:
                fitting[name] = value
        return cls(fitting, tuple(skipped))


def _holds_layers(fit: _Fit) -> bool:
    """Whether there is more than vectors, which have the same shapes in many networks."""
    return any(value.ndim > 1 for value in fit.fitting.values())


def _is_of_kind(value: Tensor, own: Tensor) -> bool:
    """Whether a tensor can be one of the model: numbers of its kind and shape."""
    if own.is_floating_point() and not _is_plain(value):
        return False
    return own.shape == value.shape and value.layout == torch.strided and not value.is_meta


def _is_plain(value: Tensor) -> bool:
    return value.is_floating_point() and value.layout == torch.strided and not value.is_meta


def _inside(state: Mapping[str, Tensor], part: str) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Split a part by wrappers that we do not know, such as ``student.`` and ``teacher.``."""
    for depth in (1, 2, 3):
        found: dict[str, dict[str, Tensor]] = {}
        for key, value in state.items():
            *names, rest = key.split(".", depth)
            if len(names) == depth:
                found.setdefault(".".join([part, *names] if part else names), {})[rest] = value
        yield from found.items()


def _bare(key: str) -> Iterator[str]:
    """Strip prefixes from a stored name, one after another."""
    while True:
        yield key
        wrapper = next((w for w in WRAPPERS if key.startswith(w)), None)
        if wrapper is None:
            return
        key = key.removeprefix(wrapper)


def _names(key: str) -> Iterator[str]:
    """Candidate names in the model of a stored name, the likeliest first."""
    return (inside + bare for bare in _bare(key) for inside in INSIDE)


def _plain(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Strip all prefixes from names, and name what a file counts."""
    numbered = resnet_names(stored)
    return {[*_bare(numbered.get(key, key))][-1]: value for key, value in stored.items()}


def _is_extra(key: str, own: Collection[str], modules: Collection[str]) -> bool:
    """Whether a skipped tensor is in a module of the model that has no such tensor."""
    if "classifier" in key or key.endswith(COUNTER) or any(name in own for name in _names(key)):
        return False
    if key.endswith("_embed"):  # of cameras, as TransReID adds them to all tokens
        return True
    around = (
        bare.rsplit(".", depth)[0] for bare in _bare(key) for depth in range(1, bare.count(".") + 1)
    )
    return any(inside + module in modules for module in around for inside in INSIDE)


def _read_states(path: Path) -> dict[str, dict[str, Tensor]]:
    """Read the named tensors of each part of a file; most files are a single part, named ""."""
    if not path.is_file():
        raise ReidaugError(f"{path}: no such weight file")
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
