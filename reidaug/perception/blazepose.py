"""A person's joints and outline, read from a crop by BlazePose's landmark network.

The network looks at one square of 256 pixels with one person in it. A crop is laid in its middle,
shrunk or enlarged to 1 / 1.25 of it, black around.
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

SIDE = 256  # pixels of the network's square
PADDING = 1.25  # sides of the square in longer sides of the crop
CERTAIN = 0.5  # least probability of a joint that counts as visible, and of a pixel
LEAST_PERSON, LEAST_CERTAINTY = 0.1, 0.6  # of a person, and the mean over the joints
LEAST_JOINTS = 4
LEAST_SHARE = 0.05  # of the crop
LOGIT = 30.0  # beyond it a probability is 0 or 1 in 32 bits

_NECK = OPENPOSE_18.index("neck")
_SHOULDERS = [BLAZEPOSE_33.index(f"{side}_shoulder") for side in ("left", "right")]
_PLACES = [BLAZEPOSE_33.index(name) if name != "neck" else 0 for name in OPENPOSE_18]


class Reading(NamedTuple):
    """What a crop shows.

    Attributes:
        pose: The 18 joints (18, 2) in pixels of the crop. Those that are probably hidden, or
            outside the crop, are missing.
        certainty: Probability (18,) in [0, 1] that each joint is in sight; of the neck, the
            smaller one of the two shoulders.
        person: Probability in [0, 1] that somebody is there at all; see `shows_person`.
        mask: True on the person (h, w), of the crop's size.
    """

    pose: Pose
    certainty: Float[Tensor, "18"]
    person: float
    mask: Bool[np.ndarray, "h w"]


class Box(NamedTuple):
    """Where a crop lies in the network's square, in its pixels.

    Attributes:
        top: First row.
        left: First column.
        height: Number of rows.
        width: Number of columns.
    """

    top: int
    left: int
    height: int
    width: int


class PersonReader:
    """Reads joints and outline of the person a crop shows.

    It can be pickled and sent to other processes; each opens the network when it first reads, and
    computes with one thread, so that the same crop gives the same answer everywhere on a machine.
    Threads must not share one.

    Args:
        model: The network's file, as `reidaug.perception.models.find_model` gives it.

    Raises:
        UsageError: The extra ``pose`` is not installed.
    """

    def __init__(self, model: Path) -> None:
        require_extra("pose", "ai_edge_litert")
        self.model = model
        self._network: _Network | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open network behind."""
        return {"model": self.model, "_network": None}

    def read(self, image: UInt8[np.ndarray, "h w 3"]) -> Reading:
        """Read one crop.

        Args:
            image: RGB bytes (h, w, 3) of one person, upright; any size.

        Returns:
            What it shows.

        Raises:
            ReidaugError: The model file cannot be opened.
        """
        if self._network is None:
            self._network = _Network(self.model)
        size = (image.shape[0], image.shape[1])
        box = letter_box(size)
        landmarks, person, logits = self._network(on_square(image, box))
        pose, certainty = joints(landmarks, box, size)
        return Reading(pose, certainty, person, outline(logits, box, size))


def shows_person(reading: Reading) -> bool:
    """Tell whether a reading is of a person.

    Args:
        reading: What a crop shows.

    Returns:
        Whether the network thinks so at all and is sure of the joints, at least `LEAST_JOINTS` are
        visible and the outline is no smaller than `LEAST_SHARE` of the crop. The network's word
        alone is not enough: it takes noise for a person, and a person without feet for none. How
        often either is wrong is measured by ``benchmarks/pose_errors.py``.
    """
    return bool(
        reading.person > LEAST_PERSON
        and float(reading.certainty.mean()) > LEAST_CERTAINTY
        and int(reading.pose.visible.sum()) >= LEAST_JOINTS
        and reading.mask.mean() >= LEAST_SHARE
    )


def letter_box(size: Size) -> Box:
    """Find the place of a crop in the square.

    Args:
        size: (height, width) of the crop.

    Returns:
        Its place: in the middle, the longer side `SIDE` / `PADDING` pixels long.

    Source:
        BlazePose enlarges the square around a person by 1.25. Sides are whole pixels here, and each
        axis is scaled by its own exact factor: no crop has to be padded before it is shrunk.
    """
    scale = SIDE / (PADDING * max(size))
    height, width = (max(1, round(side * scale)) for side in size)
    return Box((SIDE - height) // 2, (SIDE - width) // 2, height, width)


def on_square(image: UInt8[np.ndarray, "h w 3"], box: Box) -> Float32[np.ndarray, "256 256 3"]:
    """Lay a crop on black.

    Args:
        image: RGB bytes (h, w, 3).
        box: Its place.

    Returns:
        The square in [0, 1]; resized by cubic interpolation, smoothed before it is shrunk.
    """
    resized = Image.fromarray(image).resize((box.width, box.height), Image.Resampling.BICUBIC)
    square = np.zeros((SIDE, SIDE, 3), dtype=np.float32)
    square[_inside(box)] = np.asarray(resized, dtype=np.float32) / 255
    return square


def joints(
    landmarks: Float32[np.ndarray, "points 5"], box: Box, size: Size
) -> tuple[Pose, Float[Tensor, "18"]]:
    """Turn the network's points into the 18 joints.

    Args:
        landmarks: x, y, z, visibility, presence of 33 points or more. x and y in pixels of the
            square from its top-left corner, the last two as logits.
        box: Where the crop lies.
        size: (height, width) of the crop.

    Returns:
        The joints in pixels of the crop, and the probability (18,) that each is in sight. A joint
        is visible when that is more than `CERTAIN` and the joint lies inside the crop.
    """
    points = torch.from_numpy(landmarks[: len(BLAZEPOSE_33)].astype(np.float64))
    seen = points[:, 3].clamp(-LOGIT, LOGIT).sigmoid()
    corner = torch.tensor([box.left, box.top], dtype=torch.float64)
    step = torch.tensor([size[1] / box.width, size[0] / box.height], dtype=torch.float64)
    # From the corner of the first pixel to its centre is half a pixel.
    xy = (points[:, :2] - corner) * step - 0.5
    pose = to_openpose18(Pose(xy.float(), seen > CERTAIN), BLAZEPOSE_33)
    certainty = seen[_PLACES]
    certainty[_NECK] = seen[_SHOULDERS].min()
    edge = torch.tensor([size[1], size[0]]) - 0.5
    visible = pose.visible & ((pose.xy >= -0.5) & (pose.xy <= edge)).all(-1)
    missing = torch.full_like(pose.xy, -1.0)
    return Pose(torch.where(visible[:, None], pose.xy, missing), visible), certainty.float()


def outline(
    logits: Float32[np.ndarray, "256 256"], box: Box, size: Size
) -> Bool[np.ndarray, "h w"]:
    """Cut a person's outline out of the square.

    Args:
        logits: The network's mask (256, 256).
        box: Where the crop lies.
        size: (height, width) of the crop.

    Returns:
        True on the person (h, w): where the probability, resized linearly, is `CERTAIN` or more.
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
        # By shape, for the order of the outputs is nobody's promise.
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
    """Keep what the runtime says of itself off the screen: its log has no switch."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
