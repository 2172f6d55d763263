"""Parametric flows: a map a body part, and the background's, blended by dense motion."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.flow.estimator import Images, Motion, MotionEstimator
from reidaug.flow.gaussian_filter import downsample
from reidaug.flow.rivals.background_motion import BackgroundMotion
from reidaug.flow.rivals.dense_motion import DenseMotion
from reidaug.flow.rivals.local_maps import as_flows, in_square_units, square_grid
from reidaug.geometry.flow import Size, identity, size_of
from reidaug.geometry.pose import Pose, pose_maps

SPREAD = 0.1  # width of a joint's Gaussian in normalised units: a variance of 0.01


class Scene(NamedTuple):
    """A pair on the grid of the flow."""

    size: Size  # (height, width) of the images
    grid: Size  # (height, width) of the flow
    small: Float[Tensor, "b 3 h w"]  # the source on the grid
    # pose maps of source and target
    maps: tuple[Float[Tensor, "b j h w"], Float[Tensor, "b j h w"]]
    # joints of source and target in square units; zero where missing
    points: tuple[Float[Tensor, "b j 2"], Float[Tensor, "b j 2"]]
    visible: tuple[Bool[Tensor, "b j"], Bool[Tensor, "b j"]]  # visible joints of source and target
    cells: Float[Tensor, "n 2"]  # the grid's cells in square units, n = h * w

    @property
    def shared(self) -> Bool[Tensor, "b j"]:
        """Joints visible in both images."""
        return self.visible[0] & self.visible[1]


class PartMotion(NamedTuple):
    """Motion of the parts of a scene."""

    moved: Float[Tensor, "b k n 2"]  # where each part's map takes the cells, in square units
    evidence: Float[Tensor, "b c h w"]  # evidence of the parts' positions, see `DenseMotion`
    known: Bool[Tensor, "b k"]  # False for the parts to leave out


class ParametricEstimator(MotionEstimator):
    """Estimates a map a part from the joints and blends the maps into one flow.

    Equal poses give the identity flow, whatever the weights, unless the background's motion is
    predicted and trained. Convention: see `reidaug.geometry.flow`.

    Args:
        scale: Share of the image's size that the grid has: 1, 1/2, 1/4 or 1/8; else `ValueError`.

    Attributes:
        dense_motion: Blends the maps.
        background: Predicts the background's map; None for the identity.
    """

    dense_motion: DenseMotion

    def __init__(self, scale: float) -> None:
        super().__init__()
        halvings(scale)
        self.scale = scale
        self.background: BackgroundMotion | None = None

    @abstractmethod
    def part_motion(self, scene: Scene) -> PartMotion:
        """Estimate the motion of every part of the pairs in a scene."""

    def motion(self, source: Images, source_pose: Pose, target_pose: Pose) -> Motion:
        """Estimate flow and occlusion on the grid; `ValueError` if it cannot be halved so often."""
        scene = observe(source, self.scale, source_pose, target_pose)
        parts = self.part_motion(scene)
        with torch.autocast(source.device.type, enabled=False):
            maps = as_flows(parts.moved, scene.grid, scene.size)
        background = None if self.background is None else self.background.flow(*scene.maps)
        maps = with_background(maps, background)
        return self.dense_motion(scene.small, maps, parts.evidence, parts.known)


def halvings(scale: float) -> int:
    """Return the halvings, 0 to 3, of a scale of 1, 1/2, 1/4 or 1/8; else raise `ValueError`."""
    if scale not in (1, 0.5, 0.25, 0.125):
        raise ValueError(f"scale must be 1, 0.5, 0.25 or 0.125, got {scale}")
    return round(-math.log2(scale))


def observe(
    source: Float[Tensor, "b 3 H W"], scale: float, source_pose: Pose, target_pose: Pose
) -> Scene:
    """Bring pairs to the flow's grid, ``scale`` of the image's size, in 32 bits."""
    size = size_of(source)
    with torch.autocast(source.device.type, enabled=False):
        small, (map_s, map_t) = on_grid(source, scale, (source_pose, target_pose))
        points = (in_square_units(source_pose, size), in_square_units(target_pose, size))
        cells = square_grid(size_of(small), size, points[0])
    visible = (source_pose.visible, target_pose.visible)
    return Scene(size, size_of(small), small, (map_s, map_t), points, visible, cells)


def on_grid(
    source: Float[Tensor, "b 3 H W"], scale: float, poses: Sequence[Pose]
) -> tuple[Float[Tensor, "b 3 h w"], list[Float[Tensor, "b j h w"]]]:
    """Shrink source images (B, 3, H, W) to the grid of the flow, and draw pose maps on it.

    Args:
        source: The images.
        scale: Share of the image's size that the grid has.
        poses: Poses (B, J, 2) in pixels of the image; each gets maps (B, J, h, w).

    Source:
        FOMM's Gaussians have a variance of 0.01 in normalised units. Where the image is not square,
        the shorter side counts, so that they stay round in pixels.
    """
    small = downsample(source, scale)
    grid = size_of(small)
    sigma = SPREAD * max(min(grid) - 1, 1) / 2
    size = size_of(source)
    return small, [pose_maps(pose, size, canvas=grid, sigma=sigma) for pose in poses]


def with_background(
    maps: Float[Tensor, "b k 2 h w"], background: Float[Tensor, "b 2 h w"] | None = None
) -> Float[Tensor, "b n 2 h w"]:
    """Prepend the background's map, by default the identity, to those of the parts."""
    if background is None:
        background = identity(*size_of(maps), device=maps.device).expand_as(maps[:, 0])
    return torch.cat((background[:, None], maps), dim=1)
