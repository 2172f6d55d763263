"""ONNX files of flow estimators: written, compared with torch, and only then put in place."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor

from reidaug import __version__
from reidaug.errors import UsageError
from reidaug.files import check_writable, write_result
from reidaug.flow.builtin import INSIDE, UNTRAINED
from reidaug.flow.checkpoint import WEIGHTS, trained_size
from reidaug.flow.estimator import NamedFlow
from reidaug.flow.onnx_graph import PRODUCER, write_graph
from reidaug.flow.onnx_parity import Parity, open_session, parity
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose

SIZE: Size = (128, 64)
OURS = "Apache-2.0"
THEIRS = "of the weights: their maker's; of the code: Apache-2.0"


class Exported(NamedTuple):
    """What an ONNX file holds."""

    bytes: int
    outputs: dict[str, str]  # shapes by name, such as ``batch x 2 x 32 x 16``
    parity: list[Parity]


def size_for(flow: NamedFlow) -> Size:
    """Choose the (height, width) of an estimator's graph: that of its training, else 128 x 64."""
    return (trained_size(flow.folder) if flow.folder else None) or SIZE


def export(
    flow: NamedFlow,
    out: Path,
    *,
    size: Size,
    opset: int,
    pose: Pose,
    outline: Bool[Tensor, "n H W"],
) -> Exported:
    """Write an estimator as an ONNX file, once its flows are those of torch.

    Args:
        flow: The estimator.
        out: The file; an earlier export may be there, and nothing else.
        size: (height, width) of the images.
        opset: See `reidaug.flow.onnx_graph.OPSETS`.
        pose: Joints (N, 18, 2) in pixels of these images, among which pairs are drawn.
        outline: The people in these poses (N, H, W).

    Raises:
        ReidaugError: No graph can hold the estimator, or it is not the same.
        UsageError: The file cannot be written, or the estimator takes no images of this size.
    """
    check_place(out)
    estimator = flow.estimator()
    content = write_graph(estimator, label(flow), size=size, opset=opset, about=about(flow))
    rows = parity(content, estimator, pose, outline)
    told = open_session(content).get_outputs()
    write_result(out, content)
    shapes = {value.name: " x ".join(map(str, value.shape)) for value in told}
    return Exported(len(content), shapes, rows)


def label(flow: NamedFlow) -> str:
    """Name an estimator in its file: without the folders of this machine."""
    return flow.name if flow.name in (*INSIDE, *UNTRAINED) else Path(flow.name).name


def about(flow: NamedFlow) -> dict[str, str]:
    """Say where an estimator is from: version, licence, and the digest of its weights."""
    ours = flow.name in (*INSIDE, *UNTRAINED)
    entries = {"reidaug": __version__, "torch": torch.__version__.split("+")[0]}
    entries["licence"] = OURS if ours else THEIRS
    if flow.folder is not None:
        with (flow.folder / WEIGHTS).open("rb") as file:
            entries["checkpoint_sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return entries


def check_place(out: Path) -> None:
    """Check that an ONNX file may be written: its folder is there, and no file of the user's.

    Raises:
        UsageError: It may not.
    """
    check_writable(out, what="--out")
    if out.exists() and not is_export(out):
        raise UsageError(f"--out {out}: is there already, and no earlier export; name another file")


def is_export(path: Path) -> bool:
    """Whether a file is an ONNX file that `export` wrote."""
    import onnx

    try:
        return onnx.load(path, load_external_data=False).producer_name == PRODUCER
    except Exception:  # protobuf raises what it likes about files that are none of its own
        return False
