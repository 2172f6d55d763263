"""Body poses: joints in pixels, skeletons and their conversions, pose maps.

The internal skeleton has the 18 OpenPose joints in PATN's order. Readers convert every other
skeleton with `to_openpose18` and mark missing joints.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.flow import Size, to_normalised, to_pixels

TAIL = 1e-12  # smaller values of a Gaussian are set to 0


class Pose(NamedTuple):
    """Joints of one or more people."""

    # Positions (..., J, 2) in pixels, x then y; (0, 0) is the centre of the first pixel.
    xy: Float[Tensor, "*b j 2"]
    visible: Bool[Tensor, "*b j"]  # (..., J) booleans; where False, ``xy`` is meaningless


OPENPOSE_18 = (
    "nose", "neck",
    "right_shoulder", "right_elbow", "right_wrist",
    "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle",
    "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip

COCO_17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip

BLAZEPOSE_33 = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer",
    "right_eye_inner", "right_eye", "right_eye_outer", "left_ear", "right_ear",
    "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle", "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip

MARKET_14 = (
    "head_top", "neck",
    "right_shoulder", "right_elbow", "right_wrist",
    "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle",
    "left_hip", "left_knee", "left_ankle",
)  # fmt: skip

FLIP_18 = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)
"""Index of each joint's mirror twin in OPENPOSE_18."""

TORSO = tuple(
    OPENPOSE_18.index(name) for name in ("right_shoulder", "left_shoulder", "right_hip", "left_hip")
)


def shows_torso(pose: Pose) -> bool:
    """Decide whether both shoulders and both hips of one pose are visible, as PATN requires."""
    return bool(pose.visible[list(TORSO)].all())


def to_openpose18(pose: Pose, skeleton: Sequence[str]) -> Pose:
    """Convert joints (..., J, 2) of a skeleton to the 18 joints of OPENPOSE_18.

    Joints are matched by name. A missing neck is the middle of the shoulders, visible when both
    are; any other missing joint is not visible (the 14 joints of Market-1501 have no face).

    Args:
        pose: Joints (..., J, 2) in the order of ``skeleton``.
        skeleton: Names of the J joints: COCO_17, BLAZEPOSE_33, MARKET_14 or OPENPOSE_18.

    Raises:
        ValueError: The pose has another number of joints than the skeleton.
    """
    if pose.xy.shape[-2] != len(skeleton):
        raise ValueError(f"{len(skeleton)} joints expected, got {pose.xy.shape[-2]}")
    indices = {name: k for k, name in enumerate(skeleton)}
    index = torch.tensor([indices.get(name, 0) for name in OPENPOSE_18])
    known = torch.tensor([name in indices for name in OPENPOSE_18])
    xy = pose.xy[..., index, :].clone()
    visible = pose.visible[..., index] & known.to(pose.visible.device)
    if "neck" not in indices:
        shoulders = [indices["left_shoulder"], indices["right_shoulder"]]
        xy[..., 1, :] = pose.xy[..., shoulders, :].mean(-2)
        visible[..., 1] = pose.visible[..., shoulders].all(-1)
    return Pose(torch.where(visible[..., None], xy, torch.full_like(xy, -1.0)), visible)


def normalised(pose: Pose, size: Size) -> Float[Tensor, "*b j 2"]:
    """Convert joint positions (..., J, 2) to the normalised coordinates of flows."""
    return to_normalised(pose.xy, size)


def on_canvas(pose: Pose, size: Size, canvas: Size) -> Pose:
    """Rescale a pose from an image of ``size`` to a canvas, keeping its normalised coordinates."""
    if tuple(size) == tuple(canvas):
        return pose
    return Pose(to_pixels(to_normalised(pose.xy, size), canvas), pose.visible)


def mirror(pose: Pose, width: int) -> Pose:
    """Mirror 18 joints in an image ``width`` columns wide, exchanging left and right names."""
    order = list(FLIP_18)
    xy = pose.xy[..., order, :].clone()
    xy[..., 0] = (width - 1) - xy[..., 0]
    return Pose(xy, pose.visible[..., order])


def select(pose: Pose, index: int | slice | Tensor | Sequence[int]) -> Pose:
    """Index a batch of poses (B, ..., J, 2) along its first dimension."""
    return Pose(pose.xy[index], pose.visible[index])


def stack(poses: Sequence[Pose]) -> Pose:
    """Stack one or more poses of equal shape along a new first dimension."""
    return Pose(torch.stack([p.xy for p in poses]), torch.stack([p.visible for p in poses]))


def pose_maps(pose: Pose, size: Size, *, canvas: Size, sigma: float) -> Float[Tensor, "b j h w"]:
    """Draw one Gaussian per joint (B, J, 2): maps (B, J, *canvas) in [0, 1], 1 at the joint.

    Args:
        pose: Joints in pixels of an image of ``size``; a missing joint's map is zero.
        size: (height, width) of that image.
        canvas: (height, width) of the maps.
        sigma: Width of the Gaussian in pixels of the canvas; PATN uses 6 at 256x256.

    Source:
        UnWarpME Sec. 4, the pose maps p_s and p_t; PATN's heat maps.
    """
    xy = on_canvas(pose, size, canvas).xy
    rows = torch.arange(canvas[0], device=xy.device, dtype=xy.dtype)
    columns = torch.arange(canvas[1], device=xy.device, dtype=xy.dtype)
    # A Gaussian is separable: two vectors per joint instead of a distance map. The position of a
    # missing joint may be anything, even NaN, so it is replaced first.
    xy = torch.where(pose.visible[..., None], xy, torch.zeros_like(xy))
    across = _bell(columns - xy[..., :1], sigma)
    down = _bell(rows - xy[..., 1:], sigma) * pose.visible[..., None]
    return down[..., :, None] * across[..., None, :]


def _bell(distance: Tensor, sigma: float) -> Tensor:
    # Denormal numbers are set to 0: processors are many times slower with them.
    bell = torch.exp(-(distance**2) / (2 * sigma**2))
    return torch.where(bell > TAIL, bell, torch.zeros_like(bell))
