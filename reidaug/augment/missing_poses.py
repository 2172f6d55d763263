"""Stand-ins for poses that were not found: of the nearest frame, or of a person standing."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.augment.outlines import mask_file
from reidaug.data.crop_names import frame_of
from reidaug.data.images import read_image, read_mask
from reidaug.data.market1501 import Person
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import OPENPOSE_18, Pose, on_canvas
from reidaug.perception.pose_estimator import MIN_SHARE

PoseFrom = Literal["given", "first", "second", "nearest", "mask", "crop"]
"""Where the pose of an image comes from: a keypoint file, the network's first estimate or a second
try; or, where it found none, the nearest frame, or a person standing in the mask or the crop."""
POSE_FROM: tuple[PoseFrom, ...] = get_args(PoseFrom)
STAND_INS = frozenset[PoseFrom]({"nearest", "mask", "crop"})
WORDS: Mapping[PoseFrom, str] = {
    "given": "poses given",
    "first": "poses found at once",
    "second": "found at a second try",
    "nearest": "taken from the person's nearest frame",
    "mask": "with a standing pose in the outline",
    "crop": "with a standing pose in the whole crop",
}

# A person standing, seen from the front, in the box of the outline: from left to right and from top
# to bottom. Medians over Market-1501's crops with all joints visible, made symmetrical.
_STANDING = {
    "nose": (0.5, 0.11), "neck": (0.5, 0.21),
    "right_shoulder": (0.27, 0.21), "right_elbow": (0.13, 0.34), "right_wrist": (0.16, 0.41),
    "left_shoulder": (0.73, 0.21), "left_elbow": (0.87, 0.34), "left_wrist": (0.84, 0.41),
    "right_hip": (0.37, 0.51), "right_knee": (0.34, 0.7), "right_ankle": (0.39, 0.89),
    "left_hip": (0.63, 0.51), "left_knee": (0.66, 0.7), "left_ankle": (0.61, 0.89),
}  # fmt: skip
_INSIDE = 0.5  # of the joints, at least, inside an outline that fits them


class StandIn(NamedTuple):
    """A pose for an image in which none was found."""

    pose: Pose  # 18 joints (18, 2) in pixels of the image
    pose_from: PoseFrom  # ``nearest``, ``mask`` or ``crop``
    mask_fits: bool  # whether the image's own mask, where there is one, goes with the pose


class StandIns:
    """Stand-ins for the images of a dataset in which no pose was found.

    Args:
        found: The images whose poses were found or given, in name order, with their poses.
        masks: Folder of person masks, or None.
    """

    def __init__(self, found: Iterable[tuple[Person, Pose]], masks: Path | None) -> None:
        self._masks = masks
        self._found: dict[tuple[int, int], list[tuple[Person, Pose]]] = {}
        for person, pose in found:
            self._found.setdefault((person.pid, person.camid), []).append((person, pose))

    def of(self, person: Person) -> StandIn:
        """Find a pose for an image.

        It is that of the nearest frame of the same person and camera. Without one it is that of a
        person standing, in the box of the image's mask or, without a mask, in the whole image:
        nothing of it is seen in the image but the box.

        Raises:
            ReidaugError: An image or a mask cannot be read.
        """
        size = _size(person)
        path = mask_file(person.key, self._masks)
        mask = read_mask(path) if path is not None else torch.zeros(1, 1, dtype=torch.bool)
        usable = float(mask.float().mean()) >= MIN_SHARE
        nearest = self.nearest(person)
        if nearest is not None:
            other, pose = nearest
            pose = on_canvas(pose, _size(other), size)
            return StandIn(pose, "nearest", usable and _inside(pose, size, mask) >= _INSIDE)
        if usable:
            return StandIn(on_canvas(standing(mask), _size_of(mask), size), "mask", True)
        return StandIn(standing(torch.ones(size, dtype=torch.bool)), "crop", False)

    def nearest(self, person: Person) -> tuple[Person, Pose] | None:
        """Find the nearest frame of the same person and camera: the image and its pose, or None.

        Frames of the same sequence come first, by their distance in frames, then those of other
        sequences; where names give no frames, the nearest in name order. Of equals the earlier one.
        """
        candidates = self._found.get((person.pid, person.camid), [])
        before = sum(other.path.name < person.path.name for other, _ in candidates)
        frame = frame_of(person.path.name)

        def distance(k: int) -> tuple[bool, int, int]:
            other = frame_of(candidates[k][0].path.name)
            places = before - k if k < before else k - before + 1
            if frame is None or other is None:
                return True, 0, places
            apart = abs(other.number - frame.number)
            return other.sequence != frame.sequence, apart, places

        order = sorted(range(len(candidates)), key=distance)
        return candidates[order[0]] if order else None


def standing(mask: Bool[Tensor, "h w"]) -> Pose:
    """Fit the joints (18, 2) of a person standing, without eyes and ears, into the box of a mask.

    Args:
        mask: True on the person (h, w), somewhere.
    """
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    first = torch.stack((columns[0], rows[0])).float()
    last = torch.stack((columns[-1], rows[-1])).float()
    xy, visible = torch.full((len(OPENPOSE_18), 2), -1.0), torch.zeros(18, dtype=torch.bool)
    for joint, name in enumerate(OPENPOSE_18):
        if name in _STANDING:
            # From edge to edge: half a pixel beyond the centres of the outer ones.
            xy[joint] = first - 0.5 + torch.tensor(_STANDING[name]) * (last - first + 1)
            visible[joint] = True
    return Pose(xy, visible)


def _inside(pose: Pose, size: Size, mask: Bool[Tensor, "h w"]) -> float:
    """Compute the share of a pose's joints, in pixels of a ``size``, that lie inside a mask."""
    xy: Float[Tensor, "j 2"] = on_canvas(pose, size, _size_of(mask)).xy[pose.visible]
    x = xy[:, 0].round().long().clamp(0, mask.shape[1] - 1)
    y = xy[:, 1].round().long().clamp(0, mask.shape[0] - 1)
    return float(mask[y, x].float().mean())


def _size(person: Person) -> Size:
    image = read_image(person.path)
    return image.shape[1], image.shape[2]


def _size_of(mask: Bool[Tensor, "h w"]) -> Size:
    return mask.shape[0], mask.shape[1]
