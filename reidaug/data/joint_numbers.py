"""Numbers of keypoint files: lists checked one by one, and joints of any skeleton as 18.

Entries are what the readers of all formats give, see `reidaug.data.keypoints.read_keypoints`.
"""

from collections.abc import Sequence
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


def as_pose(table: Float[torch.Tensor, "*n j 3"]) -> Pose:
    """Convert joints (..., J, 3) as x, y, visible (0 or 1) to a pose; missing ones lie at -1."""
    visible = table[..., 2] > 0
    xy = table[..., :2].float()
    return Pose(torch.where(visible[..., None], xy, torch.full_like(xy, MISSING)), visible)


def converted(table: NDArray[np.float64], skeleton: Sequence[str]) -> NDArray[np.float64]:
    """Convert joints (..., J, 3) in the order of a skeleton to the 18 joints (..., 18, 3)."""
    pose = to_openpose18(as_pose(torch.from_numpy(table)), skeleton)
    return torch.cat((pose.xy, pose.visible[..., None]), -1).double().numpy()
