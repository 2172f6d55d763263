"""Pairs of images of one person, read when they are asked for."""

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import Dataset

from reidaug.data.deepfashion import PairList
from reidaug.data.images import read_image, resize, resize_mask, to_float
from reidaug.errors import ReidaugError
from reidaug.files import write_atomically
from reidaug.geometry.flow import Size
from reidaug.geometry.flow import resize as resize_flow
from reidaug.geometry.pose import Pose, on_canvas, stack


class PosePair(NamedTuple):
    """One pair of images of a person, or a batch of them.

    Attributes:
        source: Images (..., 3, H, W) in [0, 1].
        target: Images (..., 3, H, W) in [0, 1].
        source_pose: Joints (..., 18, 2) in pixels of the source.
        target_pose: Joints (..., 18, 2) in pixels of the target.
        flow: Exact flow (..., 2, H, W), see `reidaug.geometry.flow`; None for photographs.
        visible: (..., H, W), True where the target's surface point is seen in the source; None
            without an exact flow.
    """

    source: Float[Tensor, "*b 3 H W"]
    target: Float[Tensor, "*b 3 H W"]
    source_pose: Pose
    target_pose: Pose
    flow: Float[Tensor, "*b 2 H W"] | None = None
    visible: Bool[Tensor, "*b H W"] | None = None


class PairDataset(Dataset[PosePair]):
    """The pairs of a list as tensors. Image files are opened only when a pair is asked for.

    Where images have several annotations, a pair stands here once for each combination of its
    images' annotations, so that an estimator hears of everything a pose estimator may say. An image
    that an annotation leaves out keeps its first one.

    Args:
        pairs: The list, as `reidaug.data.deepfashion.read_deepfashion` gives it.
        size: (height, width) everything is brought to: images, joints, flow; None keeps what the
            files have.
    """

    def __init__(self, pairs: PairList, *, size: Size | None) -> None:
        self.folder = pairs.folder
        self.flows = pairs.flows
        self.size = size
        self.annotated_size = pairs.annotated_size
        # One table instead of a tensor an image: small, and cheap to hand to worker processes.
        self._names = sorted({name for pair in pairs.pairs for name in pair})
        place = {name: k for k, name in enumerate(self._names)}
        self._pairs = np.array(
            [[place[source], place[target]] for source, target in pairs.pairs], dtype=np.int64
        ).reshape(-1, 2)
        annotations = ({**pairs.poses, **other} for other in ({}, *pairs.others))
        self._poses = [stack([known[name] for name in self._names]) for known in annotations]

    def __len__(self) -> int:
        return len(self._pairs) * len(self._poses) ** 2

    def __getitem__(self, index: int) -> PosePair:
        """Read one pair.

        Args:
            index: Which one.

        Returns:
            The pair.

        Raises:
            ReidaugError: An image or a flow cannot be read.
            IndexError: There is no such pair.
        """
        pair, combination = self._place(index)
        source, target = (int(place) for place in self._pairs[pair])
        told = divmod(combination, len(self._poses))
        source_image, source_pose = self._read(source, told[0])
        target_image, target_pose = self._read(target, told[1])
        flow = visible = None
        if self.flows is not None:
            path = self.flows / flow_name(self._names[source], self._names[target])
            flow, visible = read_flow(path)
            size = self.size or (target_image.shape[-2], target_image.shape[-1])
            flow = resize_flow(flow[None], size)[0]
            visible = resize_mask(visible, size)
        return PosePair(source_image, target_image, source_pose, target_pose, flow, visible)

    def names(self, index: int) -> tuple[str, str]:
        """Name the files of a pair.

        Args:
            index: Which one.

        Returns:
            File names, source then target.
        """
        source, target = self._pairs[self._place(index)[0]]
        return self._names[source], self._names[target]

    def _place(self, index: int) -> tuple[int, int]:
        """Part an index into the pair and the combination of annotations."""
        combination, pair = divmod(index, len(self._pairs))
        if not 0 <= combination < len(self._poses) ** 2:
            raise IndexError(f"no pair {index} among {len(self)}")
        return pair, combination

    def _read(self, place: int, annotation: int) -> tuple[Float[Tensor, "3 h w"], Pose]:
        image = to_float(read_image(self.folder / self._names[place]))
        own = (image.shape[-2], image.shape[-1])
        size = self.size or own
        pose = Pose(*(part[place] for part in self._poses[annotation]))
        return resize(image, size), on_canvas(pose, self.annotated_size or own, size)


def collate(pairs: Sequence[PosePair]) -> PosePair:
    """Put pairs into one batch.

    Args:
        pairs: At least one, all of one size, all with an exact flow or all without.

    Returns:
        The pairs along a new first dimension.

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
    """Name the file of a pair's exact flow.

    Args:
        source: File name of the source image.
        target: File name of the target image.

    Returns:
        ``<source stem>___<target stem>.npz``.
    """
    return f"{Path(source).stem}___{Path(target).stem}.npz"


def write_flow(path: Path, flow: Float[Tensor, "2 H W"], visible: Bool[Tensor, "H W"]) -> None:
    """Write an exact flow, compressed, as half-precision numbers; equal flows give equal bytes.

    Args:
        path: The file, named by `flow_name`; its folder must exist.
        flow: Flow (2, H, W), see `reidaug.geometry.flow`.
        visible: (H, W), True where the target's surface point is seen in the source.
    """
    arrays = {"flow": flow.cpu().numpy().astype(np.float16), "visible": visible.cpu().numpy()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            # numpy.savez would note the time of day; ZipInfo alone says 1980.
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content.getvalue())
    write_atomically(path, stream.getvalue())


def read_flow(path: Path) -> tuple[Float[Tensor, "2 H W"], Bool[Tensor, "H W"]]:
    """Read an exact flow.

    Args:
        path: The file.

    Returns:
        The flow (2, H, W) as float32, and where it means something (H, W).

    Raises:
        ReidaugError: The file is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes())) as arrays:
            flow = arrays["flow"].astype(np.float32)
            visible = arrays["visible"].astype(np.bool_)
    except FileNotFoundError:
        raise ReidaugError(f"{path}: no such flow") from None
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        raise ReidaugError(f"{path}: not readable as a flow with its visible cells") from None
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
