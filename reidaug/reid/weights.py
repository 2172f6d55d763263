"""Weights of re-ID models: files of other people's layouts, loaded as far as they fit."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor, nn

from reidaug.errors import ReidaugError
from reidaug.files import write_atomically
from reidaug.finite import check_weights as check_finite
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.weight_files import SAVE, first_names, read_networks
from reidaug.reid.weight_hints import option_hint, resnet_names
from reidaug.weight_places import instead_of_weights

# Prefixes of wrappers in files, and of adapters in our models.
WRAPPERS = (
    "module.", "_orig_mod.", "model.", "network.", "net.", "backbone.", "base.", "encoder."
)  # fmt: skip
INSIDE = ("", "network.", "backbone.")
REST = "(without a prefix)"
"""Name of the network of a file whose other networks have prefixes."""
COUNTER = "num_batches_tracked"  # of batch norm; unused, and missing in old files


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
    def doubtful(self) -> bool:
        """Whether the file may not be what was meant: tensors are not in it, or others fit too."""
        return bool(self.missing or self.rivals or self.hint)

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
    own, parts = model.state_dict(), read_networks(path)
    count = sum(map(len, parts.values()))
    if not count:
        raise ReidaugError(f"{path}: holds no named tensors")
    split = {name: _networks(model, state, name) for name, state in parts.items()}
    several = {name for inner in split.values() for name in inner}
    parts = {k: s for n, state in parts.items() for k, s in (split[n] or {n: state}).items()}
    fits = {name: _Fit.of(model.own_names(state), own) for name, state in parts.items()}
    if not any(map(_holds_layers, fits.values())):
        for name, state in [
            pair
            for part, inner in parts.items()
            for depth in (1, 2, 3)
            for pair in _inside(inner, part, depth)
        ]:
            fit = _Fit.of(model.own_names(state), own)
            if 2 * len(fit.fitting) > len(own):  # not some layer that happens to fit
                parts, fits = parts | {name: state}, fits | {name: fit}
    # Of equals the first; names of containers come first.
    part = max(fits, key=lambda name: len(fits[name].fitting))
    stored, (fitting, skipped) = parts[part], fits[part]
    rivals = tuple(
        n
        for n, f in fits.items()
        if n != part and (f.fitting.keys() == fitting.keys() or n in several)
    )
    hint = option_hint(model, _plain(model.own_names(stored)), path)
    if not _holds_layers(fits[part]):
        asks = f"; {hint}" if hint else ""
        if odd := [key for key in skipped if key in stored and not _is_plain(stored[key])]:
            asks += (
                f"; {len(odd)} of them, such as {odd[0]}, are quantised, whole, complex or sparse "
                f"numbers, or none at all: {SAVE}"
            )
        asks = instead_of_weights(path) or asks
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


def _inside(
    state: Mapping[str, Tensor], part: str, depth: int
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Split a part by the first so many words of its names: wrappers that we need not know."""
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        *names, rest = key.split(".", depth)
        if len(names) == depth:
            found.setdefault(".".join([part, *names] if part else names), {})[rest] = value
    yield from found.items()


def _networks(
    model: ReIDModel, state: Mapping[str, Tensor], part: str
) -> dict[str, dict[str, Tensor]]:
    """Split a part with several networks, which prefixes tell apart, such as ``model.``, ``ema.``.

    Each fits more than half of the model, so that they cannot be parts of one. None where there
    are not several: what is under no such prefix is one of them.
    """
    own = model.state_dict()

    def fits(inner: Mapping[str, Tensor]) -> bool:
        enough = len(own) / 2
        return len(inner) > enough < len(_Fit.of(model.own_names(inner), own).fitting)

    for depth in (1, 2, 3):
        groups = [(name, group) for name, group in _inside(state, part, depth) if fits(group)]
        if not groups:
            continue
        under = tuple(f"{name.removeprefix(part).removeprefix('.')}." for name, _ in groups)
        rest = {key: value for key, value in state.items() if not key.startswith(under)}
        named = {**({REST: rest} if fits(rest) else {}), **dict(groups)}
        if len(named) > 1:
            return named
    return {}


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
