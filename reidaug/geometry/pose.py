"""Body poses: joints in pixels, skeletons and their conversions, pose maps.

The internal skeleton has the 18 OpenPose joints in PATN's order. Readers turn every other skeleton
into it with `to_openpose18` and mark what is missing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.flow import Size, to_normalised, to_pixels

TAIL = 1e-12  # of a Gaussian: what is smaller counts as 0


class Pose(NamedTuple):
    """Joints of one or many people.

    Attributes:
        xy: Positions (..., J, 2) in pixels of the image they belong to, x then y; (0, 0) is the
            centre of the top-left pixel.
        visible: (..., J) booleans; where False, ``xy`` means nothing.
    """

    xy: Float[Tensor, "*b j 2"]
    visible: Bool[Tensor, "*b j"]


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
"""Where each joint's mirror twin stands in OPENPOSE_18."""

TORSO = tuple(
    OPENPOSE_18.index(name) for name in ("right_shoulder", "left_shoulder", "right_hip", "left_hip")
)


def shows_torso(pose: Pose) -> bool:
    """Tell whether both shoulders and both hips are visible.

    Args:
        pose: One pose of 18 joints.

    Returns:
        Whether they are.

    Source:
        PATN keeps the pairs for which this holds.
    """
    return bool(pose.visible[list(TORSO)].all())


def to_openpose18(pose: Pose, skeleton: Sequence[str]) -> Pose:
    """Convert a named skeleton into the internal one.

    Joints are taken by name. A neck the skeleton does not have is the middle of the shoulders and
    visible when both are; any other joint the skeleton does not have is marked missing (the 14
    joints of Market-1501 have no face).

    Args:
        pose: Joints (..., J, 2) in the order of ``skeleton``.
        skeleton: Names of the J joints: COCO_17, BLAZEPOSE_33, MARKET_14 or OPENPOSE_18.

    Returns:
        The 18 joints of OPENPOSE_18.

    Raises:
        ValueError: The pose has another number of joints than the skeleton.
    """
    if pose.xy.shape[-2] != len(skeleton):
        raise ValueError(f"{len(skeleton)} joints expected, got {pose.xy.shape[-2]}")
    places = {name: k for k, name in enumerate(skeleton)}
    index = torch.tensor([places.get(name, 0) for name in OPENPOSE_18])
    known = torch.tensor([name in places for name in OPENPOSE_18])
    xy = pose.xy[..., index, :].clone()
    visible = pose.visible[..., index] & known.to(pose.visible.device)
    if "neck" not in places:
        shoulders = [places["left_shoulder"], places["right_shoulder"]]
        xy[..., 1, :] = pose.xy[..., shoulders, :].mean(-2)
        visible[..., 1] = pose.visible[..., shoulders].all(-1)
    return Pose(torch.where(visible[..., None], xy, torch.full_like(xy, -1.0)), visible)


def normalised(pose: Pose, size: Size) -> Float[Tensor, "*b j 2"]:
    """Give joint positions in the normalised coordinates of flows.

    Args:
        pose: Joints in pixels.
        size: (height, width) of the image they belong to.

    Returns:
        Positions (..., J, 2); meaningless where the joint is not visible.
    """
    return to_normalised(pose.xy, size)


def on_canvas(pose: Pose, size: Size, canvas: Size) -> Pose:
    """Carry a pose to a canvas of another size, keeping its normalised coordinates.

    Args:
        pose: Joints in pixels of an image of ``size``.
        size: (height, width) of that image.
        canvas: (height, width) of the new one.

    Returns:
        The pose in pixels of the canvas, consistent with a flow resized to it.
    """
    if tuple(size) == tuple(canvas):
        return pose
    return Pose(to_pixels(to_normalised(pose.xy, size), canvas), pose.visible)


def mirror(pose: Pose, width: int) -> Pose:
    """Mirror an 18-joint pose left to right, exchanging the names of left and right joints.

    Args:
        pose: The 18 joints in pixels.
        width: Columns of the image.

    Returns:
        The pose of the mirrored image.
    """
    order = list(FLIP_18)
    xy = pose.xy[..., order, :].clone()
    xy[..., 0] = (width - 1) - xy[..., 0]
    return Pose(xy, pose.visible[..., order])


def select(pose: Pose, index: int | slice | Tensor | Sequence[int]) -> Pose:
    """Take poses out of a batch by its first dimension.

    Args:
        pose: Batch of poses (B, ..., J, 2).
        index: What to take.

    Returns:
        The poses taken.
    """
    return Pose(pose.xy[index], pose.visible[index])


def stack(poses: Sequence[Pose]) -> Pose:
    """Put poses of equal shape into one batch.

    Args:
        poses: At least one pose.

    Returns:
        A pose with a new first dimension.
    """
    return Pose(torch.stack([p.xy for p in poses]), torch.stack([p.visible for p in poses]))


def pose_maps(pose: Pose, size: Size, *, canvas: Size, sigma: float) -> Float[Tensor, "b j h w"]:
    """Draw one small Gaussian a joint.

    Args:
        pose: Joints (B, J, 2) in pixels of an image of ``size``.
        size: (height, width) of that image.
        canvas: (height, width) of the maps.
        sigma: Width of the Gaussian in pixels of the canvas; PATN uses 6 at 256x256.

    Returns:
        Maps (B, J, *canvas) in [0, 1], 1 at the joint; all zero where the joint is missing.

    Source:
        UnWarpME Sec. 4, the pose maps p_s and p_t; PATN's heat maps.
    """
    xy = on_canvas(pose, size, canvas).xy
    rows = torch.arange(canvas[0], device=xy.device, dtype=xy.dtype)
    columns = torch.arange(canvas[1], device=xy.device, dtype=xy.dtype)
    # A Gaussian is separable: two short vectors a joint instead of a full distance map. A missing
    # joint's position may be anything, even NaN, so it is replaced before it is used.
    xy = torch.where(pose.visible[..., None], xy, torch.zeros_like(xy))
    across = _bell(columns - xy[..., :1], sigma)
    down = _bell(rows - xy[..., 1:], sigma) * pose.visible[..., None]
    return down[..., :, None] * across[..., None, :]


def _bell(distance: Tensor, sigma: float) -> Tensor:
    # What is next to nothing is nothing: processors take many times as long over numbers too small
    # for their usual form.
    bell = torch.exp(-(distance**2) / (2 * sigma**2))
    return torch.where(bell > TAIL, bell, torch.zeros_like(bell))
