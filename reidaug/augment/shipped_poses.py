"""Target poses that come with the package: rendered people from all sides.

``benchmarks/pose_pool.py`` makes the file. Joints and outlines are exact, and no photograph is in
it: it serves where a dataset's own poses are too few or too poor.
"""

import io
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from reidaug.augment.target_poses import TargetPoses, choose
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, on_canvas, select
from reidaug.geometry.silhouette import resized

FILE = "shipped_poses.npz"
COUNT = 50
SIZE: Size = (128, 64)  # (height, width) in pixels of the file
PREFIX = "shipped_"


class ShippedPoses(NamedTuple):
    """Poses of rendered people, 128 x 64 pixels."""

    pose: Pose  # joints (50, 18, 2); those hidden by the body are not visible
    outline: Bool[Tensor, "t h w"]  # the people (50, 128, 64)
    # Direction (50,) the person faces in radians: 0 to the camera, pi/2 to the right edge, pi away.
    yaw: Float[ndarray, "t"]
    posture: Float[ndarray, "t angles"]  # joint angles, see ``angles``
    angles: tuple[str, ...]  # their names, fields of `reidaug.people3d.motion.Posture`


@cache
def load_shipped() -> ShippedPoses:
    """Read the poses, shared within the process."""
    content = (files("reidaug.augment") / FILE).read_bytes()
    with np.load(io.BytesIO(content)) as file:
        bits = np.unpackbits(file["outline"], axis=1)[:, : SIZE[0] * SIZE[1]]
        return ShippedPoses(
            Pose(torch.from_numpy(file["xy"]), torch.from_numpy(file["visible"])),
            torch.from_numpy(bits.reshape(-1, *SIZE).astype(bool)),
            file["yaw"],
            file["posture"],
            tuple(str(name) for name in file["angles"]),
        )


def save_shipped(poses: ShippedPoses) -> bytes:
    """Write the poses as the content of a file; the same poses give the same bytes."""
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        xy=poses.pose.xy.numpy(),
        visible=poses.pose.visible.numpy(),
        outline=np.packbits(poses.outline.numpy().reshape(len(poses.outline), -1), axis=1),
        yaw=poses.yaw,
        posture=poses.posture,
        angles=np.array(poses.angles),
    )
    return stream.getvalue()


def shipped_name(number: int) -> str:
    """Name a pose by its number: ``shipped_017``; no image file has such a name."""
    return f"{PREFIX}{number:03d}"


def is_shipped(name: str) -> bool:
    """Whether a target pose of this name comes with the package."""
    return name.startswith(PREFIX) and name.removeprefix(PREFIX).isdecimal()


def shipped_targets(
    count: int = 25, *, size: Size = SIZE, how: str = "random", seed: int = 0
) -> TargetPoses:
    """Choose target poses among those that come with the package.

    Args:
        count: Number of poses, at most `COUNT`.
        size: (height, width) of the warps, to which the poses are rescaled.
        how: How they are chosen, see `reidaug.augment.target_poses.choose`.
        seed: Random seed.

    Raises:
        ReidaugError: There are fewer poses than ``count``.
    """
    everyone = load_shipped().pose
    numbers = {shipped_name(k): k for k in range(COUNT)}
    poses = {name: select(everyone, k) for name, k in numbers.items()}
    images = choose(poses, count, how=how, seed=seed).images
    pose = on_canvas(select(everyone, [numbers[name] for name in images]), SIZE, size)
    return TargetPoses(size, seed, images, pose)


def shipped_outline(name: str, size: Size) -> Bool[Tensor, "height width"] | None:
    """Give the outline of a shipped pose, in a (height, width); None for any other name."""
    if not is_shipped(name):
        return None
    mask = load_shipped().outline[int(name.removeprefix(PREFIX))]
    return resized(mask, size)
