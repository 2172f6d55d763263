"""BlazePose's landmark network as a pose estimator.

The network's input is a square of 256 pixels with one person. A crop is put in its middle, scaled
to 1 / 1.25 of it, black around.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from PIL import Image
from torch import Tensor

from reidaug.errors import ReidaugError, require_extra
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import BLAZEPOSE_33, OPENPOSE_18, Pose, to_openpose18
from reidaug.perception.pose_estimator import PoseEstimate

SIDE = 256  # pixels of the network's square
PADDING = 1.25  # sides of the square in longer sides of the crop
CERTAIN = 0.5  # minimum probability of a visible joint, and of a pixel of the outline
LOGIT = 30.0  # beyond it a probability is 0 or 1 in 32 bits

_NECK = OPENPOSE_18.index("neck")
_SHOULDERS = [BLAZEPOSE_33.index(f"{side}_shoulder") for side in ("left", "right")]
_JOINTS = [BLAZEPOSE_33.index(name) if name != "neck" else 0 for name in OPENPOSE_18]


class Box(NamedTuple):
    """The part of the network's square that a crop fills, in its pixels."""

    top: int
    left: int
    height: int
    width: int


class BlazePose:
    """A pose estimator, see `reidaug.perception.pose_estimator.PoseEstimator`.

    It can be pickled and sent to other processes; each opens the network at its first crop, and
    computes with one thread, so that the same crop gives the same estimate everywhere on a machine.
    Threads must not share one.

    Args:
        model: The network's file, see `reidaug.perception.weights.find_model`.

    Raises:
        UsageError: The extra ``pose`` is not installed.
    """

    def __init__(self, model: Path) -> None:
        require_extra("pose", "ai_edge_litert")
        self.model = model
        self._network: _Network | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Drop the open network."""
        return {"model": self.model, "_network": None}

    def estimate(self, image: UInt8[np.ndarray, "h w 3"]) -> PoseEstimate:
        """Estimate the pose on one crop, RGB bytes (h, w, 3) of one person, upright; any size.

        Raises:
            ReidaugError: The model file cannot be opened.
        """
        if self._network is None:
            self._network = _Network(self.model)
        size = (image.shape[0], image.shape[1])
        box = letter_box(size)
        landmarks, person, logits = self._network(on_square(image, box))
        pose, certainty = joints(landmarks, box, size)
        return PoseEstimate(pose, certainty, person, outline(logits, box, size))


def letter_box(size: Size) -> Box:
    """Fit a crop of a (height, width) into the square's middle.

    The longer side becomes `SIDE` / `PADDING` pixels long.

    Source:
        BlazePose enlarges the square around a person by 1.25. Sides are whole pixels here, and each
        axis is scaled by its own exact factor: no crop has to be padded before it is shrunk.
    """
    scale = SIDE / (PADDING * max(size))
    height, width = (max(1, round(side * scale)) for side in size)
    return Box((SIDE - height) // 2, (SIDE - width) // 2, height, width)


def on_square(image: UInt8[np.ndarray, "h w 3"], box: Box) -> Float32[np.ndarray, "256 256 3"]:
    """Resize a crop, RGB bytes (h, w, 3), to the square in [0, 1], black around.

    Interpolation is cubic, smoothed before the crop is shrunk.
    """
    resized = Image.fromarray(image).resize((box.width, box.height), Image.Resampling.BICUBIC)
    square = np.zeros((SIDE, SIDE, 3), dtype=np.float32)
    square[_inside(box)] = np.asarray(resized, dtype=np.float32) / 255
    return square


def joints(
    landmarks: Float32[np.ndarray, "points 5"], box: Box, size: Size
) -> tuple[Pose, Float[Tensor, "18"]]:
    """Convert the network's points to the 18 joints.

    Args:
        landmarks: x, y, z, visibility, presence of 33 points or more. x and y in pixels of the
            square from its top-left corner, the last two as logits.
        box: The part of the square that the crop fills.
        size: (height, width) of the crop.

    Returns:
        The joints in pixels of the crop, and their probabilities (18,) to be visible. A joint is
        visible when its probability exceeds `CERTAIN` and it is inside the crop.
    """
    points = torch.from_numpy(landmarks[: len(BLAZEPOSE_33)].astype(np.float64))
    visibility = points[:, 3].clamp(-LOGIT, LOGIT).sigmoid()
    corner = torch.tensor([box.left, box.top], dtype=torch.float64)
    step = torch.tensor([size[1] / box.width, size[0] / box.height], dtype=torch.float64)
    # From the corner of the first pixel to its centre is half a pixel.
    xy = (points[:, :2] - corner) * step - 0.5
    pose = to_openpose18(Pose(xy.float(), visibility > CERTAIN), BLAZEPOSE_33)
    certainty = visibility[_JOINTS]
    certainty[_NECK] = visibility[_SHOULDERS].min()
    edge = torch.tensor([size[1], size[0]]) - 0.5
    visible = pose.visible & ((pose.xy >= -0.5) & (pose.xy <= edge)).all(-1)
    missing = torch.full_like(pose.xy, -1.0)
    return Pose(torch.where(visible[:, None], pose.xy, missing), visible), certainty.float()


def outline(
    logits: Float32[np.ndarray, "256 256"], box: Box, size: Size
) -> Bool[np.ndarray, "h w"]:
    """Crop a person's outline from the square: a probability of `CERTAIN` or more.

    Args:
        logits: The network's mask (256, 256), resized linearly.
        box: The part of the square that the crop fills.
        size: (height, width) of the crop.
    """
    probability = 1 / (1 + np.exp(-logits[_inside(box)].clip(-LOGIT, LOGIT)))
    resized = Image.fromarray(probability).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized) >= CERTAIN


def _inside(box: Box) -> tuple[slice, slice]:
    return slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)


class _Network:
    """The network, open, in this process."""

    def __init__(self, model: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            with _quiet():
                self._inner = Interpreter(str(model), num_threads=1)
                self._inner.allocate_tensors()
        except (OSError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ReidaugError(f"{model}: not readable as a pose model ({reason})") from None
        self._input = self._inner.get_input_details()[0]["index"]
        # By shape: the order of the outputs is not documented.
        found = {tuple(d["shape"]): d["index"] for d in self._inner.get_output_details()}
        shapes = ((1, 195), (1, 1), (1, SIDE, SIDE, 1))
        if not found.keys() >= set(shapes):
            raise ReidaugError(f"{model}: no pose landmark model of BlazePose")
        self._outputs = [found[shape] for shape in shapes]

    def __call__(
        self, square: Float32[np.ndarray, "256 256 3"]
    ) -> tuple[Float32[np.ndarray, "39 5"], float, Float32[np.ndarray, "256 256"]]:
        self._inner.set_tensor(self._input, square[None])
        self._inner.invoke()
        landmarks, person, mask = (self._inner.get_tensor(index) for index in self._outputs)
        return landmarks.reshape(-1, 5), float(person.item()), mask[0, ..., 0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the runtime's own messages off the screen: they have no switch."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
