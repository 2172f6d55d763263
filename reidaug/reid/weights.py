"""Weight files of re-ID models, read without executing code and loaded as far as they fit."""

from collections.abc import Collection, Iterator, Sequence
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

# Keys of the weights in checkpoints that hold epoch, scores and optimiser too.
CONTAINERS = ("state_dict", "model", "model_state_dict")
# Prefixes of wrappers in files, and of adapters in our models.
WRAPPERS = ("module.", "_orig_mod.", "model.", "network.", "backbone.")
INSIDE = ("", "network.", "backbone.")
COUNTER = "num_batches_tracked"  # of batch norm; unused, and missing in old files
SHOWN = 3  # names in a sentence


class LoadedWeights(NamedTuple):
    """Entries of a weight file that were loaded into a model, and those that were not."""

    fitted: tuple[str, ...]  # names of the parameters and buffers that were loaded
    skipped: tuple[str, ...]  # names in the file that the model lacks or has in another shape
    missing: tuple[str, ...]  # names of the parameters and buffers that were not in the file
    # Skipped names inside a module of the model that is no classifier: parts of the network that
    # the model was built without.
    extra: tuple[str, ...]

    @property
    def summary(self) -> str:
        """Loaded, skipped and missing tensors in one line."""
        parts = [f"{len(self.fitted)} tensors loaded"]
        if self.skipped:
            parts.append(f"{len(self.skipped)} left out ({first_names(self.skipped)})")
        if self.missing:
            parts.append(f"{len(self.missing)} not in it ({first_names(self.missing)})")
        return ", ".join(parts)


def load_weights(model: ReIDModel, path: Path) -> LoadedWeights:
    """Load a weight file of torchvision, torchreid, fast-reid, timm or our own.

    Entries that do not fit by name and shape, such as classifiers of other identities, are skipped.

    Args:
        model: Changed in place.
        path: A ``.safetensors`` file or a PyTorch file of tensors.

    Raises:
        ReidaugError: The file cannot be read, holds no tensors, none of them fits, or a number in
            one that does is not finite.
    """
    stored = model.own_names(_read_state(path))
    own = model.state_dict()
    fitting: dict[str, Tensor] = {}
    skipped = []
    for key, value in stored.items():
        name = next((n for n in _names(key) if n in own and n not in fitting), None)
        if name is None or own[name].shape != value.shape:
            skipped.append(key)
        else:
            fitting[name] = value
    if not any(value.ndim > 1 for value in fitting.values()):
        raise ReidaugError(f"{path}: none of its {len(stored)} tensors fits this backbone")
    check_finite(fitting, path)
    model.load_state_dict(fitting, strict=False)
    missing = tuple(n for n in own if n not in fitting and not n.endswith(COUNTER))
    modules = {name for name, _ in model.named_modules()}
    extra = tuple(key for key in skipped if _is_extra(key, own, modules))
    return LoadedWeights(tuple(fitting), tuple(skipped), missing, extra)


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model to a ``.safetensors`` file, whole or not at all; its folder is made."""
    state = {key: value.contiguous().cpu() for key, value in model.state_dict().items()}
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, save(state))


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


def _is_extra(key: str, own: Collection[str], modules: Collection[str]) -> bool:
    """Whether a skipped tensor is in a module of the model that has no such tensor."""
    if "classifier" in key or key.endswith(COUNTER) or any(name in own for name in _names(key)):
        return False
    around = (
        bare.rsplit(".", depth)[0] for bare in _bare(key) for depth in range(1, bare.count(".") + 1)
    )
    return any(inside + module in modules for module in around for inside in INSIDE)


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ReidaugError(f"{path}: no such weight file")
    check_tensor_file(path, what="weight file")
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            with torch.serialization.safe_globals(_numpy_numbers()):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files make the readers raise anything
        raise ReidaugError(f"{path}: not a readable weight file ({_reason(error)})") from None
    for key in CONTAINERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise ReidaugError(f"{path}: holds no named tensors")
    return {str(k): v for k, v in content.items() if isinstance(v, Tensor)}


def _numpy_numbers() -> list[Any]:
    """Types of a NumPy number in a pickle: torchreid stores its rank-1 as one."""
    # Files written with NumPy 1 name the same function by its old module.
    scalar: Any = np._core.multiarray.scalar  # type: ignore[attr-defined]
    kinds = (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)
    return [
        *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
        np.dtype,
        *(type(np.dtype(kind)) for kind in kinds),
    ]


def _reason(error: Exception) -> str:
    """The cause in one sentence, without the advice of torch's pickle reader."""
    text = str(error).partition("WeightsUnpickler error: ")[2] or str(error)
    if isinstance(error, KeyError) or not text.strip():
        return "no weights in it"
    return text.strip().splitlines()[0].partition(". ")[0]


def first_names(names: Sequence[str]) -> str:
    """Join the first few names."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
