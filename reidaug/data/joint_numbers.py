"""Numbers of keypoint files: lists checked one by one, and joints of any skeleton as 18.

Entries are what the readers of all formats give, see `reidaug.data.keypoints.read_keypoints`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from reidaug.geometry.pose import Pose, to_openpose18

MISSING = -1
FARTHEST = 1e6  # pixels; larger coordinates are errors

# An entry as a format's reader gives it: its position in the file, the image's name, and the joints
# (18, 3) as x, y, visible (0 or 1), or the reason why there are none.
Entry = tuple[str, str, NDArray[np.float64] | str]


def numbers(values: Any, count: int) -> NDArray[np.float64] | str:
    """Check a JSON list of ``count`` plain numbers; the reason when it is none."""
    if not isinstance(values, list):
        return "not a list of numbers"
    if len(values) != count:
        return f"{count} numbers expected, {len(values)} found"
    if not all(type(v) in (int, float) and abs(v) <= FARTHEST for v in values):
        return "not a list of plain numbers"
    return np.array(values, dtype=np.float64)


def at_origin(joints: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each joint (J, 2 or 3) of a person is one of several, but not all, at exactly (0, 0).

    None is there: many programs write zeros for a joint that they did not find, some of them with a
    score or a visibility.
    """
    zero: NDArray[np.bool_] = (joints[:, :2] == 0).all(-1)
    return zero & (1 < zero.sum() < len(zero))


def as_pose(table: Float[torch.Tensor, "*n j 3"]) -> Pose:
    """Convert joints (..., J, 3) as x, y, visible (0 or 1) to a pose; missing ones lie at -1."""
    visible = table[..., 2] > 0
    xy = table[..., :2].float()
    return Pose(torch.where(visible[..., None], xy, torch.full_like(xy, MISSING)), visible)


def converted(table: NDArray[np.float64], skeleton: Sequence[str]) -> NDArray[np.float64]:
    """Convert joints (..., J, 3) in the order of a skeleton to the 18 joints (..., 18, 3)."""
    pose = to_openpose18(as_pose(torch.from_numpy(table)), skeleton)
    return torch.cat((pose.xy, pose.visible[..., None]), -1).double().numpy()


def read_joints(
    record: Any, key: str, skeletons: Sequence[tuple[str, ...]]
) -> tuple[NDArray[np.float64], tuple[str, ...]] | str:
    """Read the joints (J, 3) of a record, as x, y and a third number, and their skeleton.

    They are a flat list x, y, v, x, y, v, ... or one of such triples; or, as MMPose has them, one
    of pairs, with ``keypoint_scores`` beside it. The reason where they are none of these.
    """
    values = record.get(key) if isinstance(record, Mapping) else None
    if not isinstance(values, list):
        return f"no list {key!r}"
    if values and all(isinstance(one, list) for one in values):
        values = _triples(values, record.get("keypoint_scores"))
        if isinstance(values, str):
            return f"{key}: {values}"
    fitting = [names for names in skeletons if 3 * len(names) == len(values)]
    if not fitting:
        expected = " or ".join(str(3 * len(names)) for names in skeletons)
        return f"{key}: {expected} numbers expected, {len(values)} found"
    found = numbers(values, len(values))
    if isinstance(found, str):
        return f"{key}: {found}"
    return found.reshape(-1, 3), fitting[0]


def _triples(joints: Sequence[list[Any]], scores: Any) -> list[Any] | str:
    """Write a list of joints, and their scores if these are apart, as a flat list of triples."""
    length = len(joints[0])
    if any(len(joint) != length for joint in joints):
        return "joints of several lengths"
    if length == 3 and scores is None:
        return [value for joint in joints for value in joint]
    if length == 3:
        return "positions in space; joints on the image are needed, x and y"
    if length != 2 or not isinstance(scores, list) or len(scores) != len(joints):
        return "each joint is x and y, with a list 'keypoint_scores', or x, y and a score"
    pairs = zip(joints, scores, strict=True)
    return [value for joint, score in pairs for value in (*joint, score)]
