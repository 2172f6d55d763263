"""Pairs of images of one person with their joints and, where known, the exact flow."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import Dataset

from reidaug.data.arrays import read_arrays, write_arrays
from reidaug.data.deepfashion import PairList
from reidaug.data.images import read_image, resize, resize_mask, to_float
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.flow import resize as resize_flow
from reidaug.geometry.pose import Pose, on_canvas, stack


class PosePair(NamedTuple):
    """One pair of images of a person, or a batch of them."""

    source: Float[Tensor, "*b 3 H W"]  # images (..., 3, H, W) in [0, 1]
    target: Float[Tensor, "*b 3 H W"]  # images (..., 3, H, W) in [0, 1]
    source_pose: Pose  # joints (..., 18, 2) in pixels of the source
    target_pose: Pose  # joints (..., 18, 2) in pixels of the target
    # Exact flow (..., 2, H, W), see `reidaug.geometry.flow`; None for photographs.
    flow: Float[Tensor, "*b 2 H W"] | None = None
    # Where the target's surface point is visible in the source (..., H, W); None without flow.
    visible: Bool[Tensor, "*b H W"] | None = None


class PairDataset(Dataset[PosePair]):
    """The pairs of a list as tensors; image files are read on access.

    Images with several annotations give one pair for each combination, so that an estimator learns
    the variation of a pose estimator. An image missing in a further annotation keeps its first one.

    Args:
        pairs: The list, as `reidaug.data.deepfashion.read_deepfashion` returns it.
        size: (height, width) of images, joints and flow; None keeps those of the files.
    """

    def __init__(self, pairs: PairList, *, size: Size | None) -> None:
        self.folder = pairs.folder
        self.flows = pairs.flows
        self.size = size
        self.annotated_size = pairs.annotated_size
        # One table instead of a tensor an image: small, and cheap to pickle for workers.
        self._names = sorted({name for pair in pairs.pairs for name in pair})
        index = {name: k for k, name in enumerate(self._names)}
        self._pairs = np.array(
            [[index[source], index[target]] for source, target in pairs.pairs], dtype=np.int64
        ).reshape(-1, 2)
        annotations = ({**pairs.poses, **other} for other in ({}, *pairs.more_poses))
        self._poses = [stack([known[name] for name in self._names]) for known in annotations]

    def __len__(self) -> int:
        return len(self._pairs) * len(self._poses) ** 2

    def __getitem__(self, index: int) -> PosePair:
        """Read one pair.

        Raises:
            ReidaugError: An image or a flow cannot be read.
            IndexError: There is no such pair.
        """
        pair, combination = self._locate(index)
        source, target = (int(image) for image in self._pairs[pair])
        annotations = divmod(combination, len(self._poses))
        source_image, source_pose = self._read(source, annotations[0])
        target_image, target_pose = self._read(target, annotations[1])
        flow = visible = None
        if self.flows is not None:
            path = self.flows / flow_name(self._names[source], self._names[target])
            flow, visible = read_flow(path)
            size = self.size or (target_image.shape[-2], target_image.shape[-1])
            flow = resize_flow(flow[None], size)[0]
            visible = resize_mask(visible, size)
        return PosePair(source_image, target_image, source_pose, target_pose, flow, visible)

    def names(self, index: int) -> tuple[str, str]:
        """Return the file names of a pair, source then target."""
        source, target = self._pairs[self._locate(index)[0]]
        return self._names[source], self._names[target]

    def _locate(self, index: int) -> tuple[int, int]:
        """Divide an index into the pair and the combination of annotations."""
        combination, pair = divmod(index, len(self._pairs))
        if not 0 <= combination < len(self._poses) ** 2:
            raise IndexError(f"no pair {index} among {len(self)}")
        return pair, combination

    def _read(self, index: int, annotation: int) -> tuple[Float[Tensor, "3 h w"], Pose]:
        image = to_float(read_image(self.folder / self._names[index]))
        stored = (image.shape[-2], image.shape[-1])
        size = self.size or stored
        pose = Pose(*(part[index] for part in self._poses[annotation]))
        return resize(image, size), on_canvas(pose, self.annotated_size or stored, size)


def collate(pairs: Sequence[PosePair]) -> PosePair:
    """Stack pairs of one size, all with an exact flow or all without, into a batch.

    Raises:
        ReidaugError: The images have different sizes.
        ValueError: Some pairs have an exact flow and some have none.
    """
    shapes = {tuple(image.shape) for pair in pairs for image in (pair.source, pair.target)}
    if len(shapes) > 1:
        found = " and ".join(f"{w}x{h}" for _, h, w in sorted(shapes)[:2])
        raise ReidaugError(f"images of different sizes, {found}: set one size for all")
    return PosePair(
        torch.stack([pair.source for pair in pairs]),
        torch.stack([pair.target for pair in pairs]),
        stack([pair.source_pose for pair in pairs]),
        stack([pair.target_pose for pair in pairs]),
        _stack_known([pair.flow for pair in pairs]),
        _stack_known([pair.visible for pair in pairs]),
    )


def flow_name(source: str, target: str) -> str:
    """Name the file of a pair's exact flow: ``<source stem>___<target stem>.npz``."""
    return f"{Path(source).stem}___{Path(target).stem}.npz"


def write_flow(path: Path, flow: Float[Tensor, "2 H W"], visible: Bool[Tensor, "H W"]) -> None:
    """Write an exact flow (2, H, W) in half precision, compressed and deterministic.

    ``path`` is named by `flow_name`, in an existing folder; ``visible`` (H, W) is True where the
    target's surface point is visible in the source. See `reidaug.geometry.flow`.
    """
    arrays = {"flow": flow.cpu().numpy().astype(np.float16), "visible": visible.cpu().numpy()}
    write_arrays(path, arrays)


def read_flow(path: Path) -> tuple[Float[Tensor, "2 H W"], Bool[Tensor, "H W"]]:
    """Read an exact flow (2, H, W) as float32, and where it is valid (H, W).

    Raises:
        ReidaugError: The file is missing or damaged.
    """
    arrays = read_arrays(path, ("flow", "visible"), what="a flow with its visible cells")
    flow, visible = arrays["flow"].astype(np.float32), arrays["visible"].astype(np.bool_)
    if flow.ndim != 3 or flow.shape[0] != 2 or visible.shape != flow.shape[1:]:
        raise ReidaugError(f"{path}: flow {flow.shape} and visible {visible.shape} do not fit")
    return torch.from_numpy(flow), torch.from_numpy(visible)


def _stack_known(tensors: Sequence[Tensor | None]) -> Tensor | None:
    known = [tensor for tensor in tensors if tensor is not None]
    if not known:
        return None
    if len(known) < len(tensors):
        raise ValueError("some pairs have an exact flow and some have none")
    return torch.stack(known)
