"""Weight files of re-ID models: read without running what is in them, loaded as far as they fit."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from reidaug.errors import ReidaugError
from reidaug.reid.backbones import ReIDModel, TorchreidModel


class Loaded(NamedTuple):
    """What became of a weight file's entries.

    Attributes:
        fitted: Names of the parameters and buffers that were loaded.
        skipped: Names in the file that the model has not, or has in another shape.
    """

    fitted: tuple[str, ...]
    skipped: tuple[str, ...]


def load_weights(model: ReIDModel, path: Path) -> Loaded:
    """Load what fits of a weight file: torchvision's, torchreid's, fast-reid's or our own.

    Classifiers of other people than the model's are left out, and so is whatever else does not
    fit by name and shape.

    Args:
        model: Changed in place.
        path: A ``.safetensors`` file or a PyTorch file of tensors.

    Returns:
        Which entries were loaded and which not.

    Raises:
        ReidaugError: The file cannot be read, holds no tensors, or none of them fits.
    """
    stored = _read_state(path)
    own = model.state_dict()
    prefix = "network." if isinstance(model, TorchreidModel) else ""
    fitting: dict[str, Tensor] = {}
    skipped = []
    for key, value in stored.items():
        bare = key.removeprefix("module.").removeprefix("backbone.")
        name = next((n for n in (bare, prefix + bare) if n in own), None)
        if name is None or own[name].shape != value.shape:
            skipped.append(key)
        else:
            fitting[name] = value
    if not any(value.ndim > 1 for value in fitting.values()):
        raise ReidaugError(f"{path}: none of its {len(stored)} tensors fits this backbone")
    model.load_state_dict(fitting, strict=False)
    return Loaded(tuple(fitting), tuple(skipped))


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ReidaugError(f"{path}: no such weight file")
    # Checkpoints of torchreid carry their rank-1 as a NumPy number.
    scalar: Any = np._core.multiarray.scalar  # type: ignore[attr-defined]
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            with torch.serialization.safe_globals(
                [scalar, np.dtype, np.dtypes.Float32DType, np.dtypes.Float64DType]
            ):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the readers raise whatever they stumble upon
        raise ReidaugError(f"{path}: not a readable weight file ({_reason(error)})") from None
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise ReidaugError(f"{path}: holds no named tensors")
    return {str(k): v for k, v in content.items() if isinstance(v, Tensor)}


def _reason(error: Exception) -> str:
    """Give the one sentence that says what is wrong; torch's pickle reader wraps it in advice."""
    text = str(error).partition("WeightsUnpickler error: ")[2] or str(error)
    if isinstance(error, KeyError) or not text.strip():
        return "no weights in it"
    return text.strip().splitlines()[0].partition(". ")[0]
