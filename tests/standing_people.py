"""People standing on crops of any size: joints for tests of keypoint files."""

import numpy as np
import torch
from stick_market import STANDING
from torch import Tensor

from reidaug.geometry.pose import Pose


def standing_people(
    count: int, seed: int, size: tuple[int, int] = (128, 64), *, visible: float = 0.8
) -> tuple[Pose, Tensor]:
    """Draw people who fill their crops; their joints (N, 18, 2) and (height, width), (N, 2)."""
    rng = np.random.default_rng(seed)
    joints = STANDING + rng.normal(0, 0.012, (count, *STANDING.shape))
    height, width = size
    moved = rng.normal(0, 0.05, (count, 1, 1)).clip(-0.1, 0.1)
    xy = np.concatenate(
        (0.5 * width + joints[..., :1] * min(height, 2 * width), joints[..., 1:]), -1
    )
    xy[..., :1] += moved * width
    xy[..., 1] *= height
    seen = rng.random((count, 18)) < visible
    seen[:, [2, 5, 8, 11]] = True
    xy = np.clip(xy, 0, [width - 1, height - 1])
    sizes = torch.tensor([size], dtype=torch.float32).repeat(count, 1)
    return Pose(torch.tensor(xy, dtype=torch.float32), torch.from_numpy(seen)), sizes
