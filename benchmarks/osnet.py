"""Retrieval features of crops by a re-ID network in an ONNX file, such as OSNet's.

The network takes RGB (N, 3, 256, 128) normalised by ImageNet's statistics.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from joblib import delayed
from torch import Tensor
from torchvision.transforms.functional import InterpolationMode, resize

from reidaug.data.images import read_image
from reidaug.errors import ReidaugError
from reidaug.files import atomic_write
from reidaug.jobs import chunks_of, run_tasks
from reidaug.machine import cores
from reidaug.reid.crops import normalise
from reidaug.runs import counter

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SIZE = (256, 128)
CHUNK = 64  # crops a task


def features_of(
    network: Path, crops: Sequence[Path], file: Path, *, workers: int | None = None
) -> Float[Tensor, "n d"]:
    """Compute the features (N, D) of crops, or read them from an .npz file of the same ones."""
    made_of = _fingerprint(network, crops)
    kept = _read(file, made_of)
    if kept is not None:
        return kept
    chunks = chunks_of(crops, CHUNK)
    parts: list[Float[np.ndarray, "b d"]] = []
    with counter(total=len(crops), what="features", unit="crop") as advance:
        tasks = (delayed(_features)(network, chunk) for chunk in chunks)
        for part in run_tasks(tasks, min(workers or cores(), len(chunks))):
            parts.append(part)
            advance(len(part))
    found = np.concatenate(parts)
    with atomic_write(file) as partial, partial.open("wb") as opened:
        np.savez(opened, features=found, made_of=made_of)
    return torch.from_numpy(found)


def check_network(network: Path) -> None:
    """Check before the work that a file is such a network."""
    try:
        inputs = _session(network).get_inputs()
    except Exception as error:  # onnxruntime's own exceptions have no common base
        reason = " ".join(str(error).split())
        raise ReidaugError(f"{network}: not readable as an ONNX network ({reason})") from None
    if len(inputs) != 1 or tuple(inputs[0].shape[1:]) != (3, *SIZE):
        raise ReidaugError(f"{network}: a network of crops of 3 x {SIZE[0]} x {SIZE[1]} is needed")


def _features(network: Path, crops: Sequence[Path]) -> Float[np.ndarray, "b d"]:
    """Compute the features of one chunk of crops, by one thread."""
    session = _session(network)
    # Bilinear, as torchreid's networks are trained.
    images = torch.stack(
        [resize(read_image(p), list(SIZE), InterpolationMode.BILINEAR) for p in crops]
    )
    values = {session.get_inputs()[0].name: normalise(images).contiguous().numpy()}
    found: Float[np.ndarray, "b d"] = session.run(None, values)[0]
    return found


@lru_cache(maxsize=1)
def _session(network: Path) -> "InferenceSession":
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = 1
    return InferenceSession(str(network), options, providers=["CPUExecutionProvider"])


def _fingerprint(network: Path, crops: Sequence[Path]) -> str:
    """Hash the network and the pictures: a warp of other options has the same name."""
    digest = hashlib.sha256(network.read_bytes())
    for path in crops:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _read(file: Path, made_of: str) -> Float[Tensor, "n d"] | None:
    if not file.is_file():
        return None
    with np.load(file) as kept:
        return torch.from_numpy(kept["features"]) if str(kept["made_of"]) == made_of else None
