"""MRAA from given joints: an affine map a body region, blended into one flow."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.flow.components import Presets
from reidaug.flow.estimator import Motion, MotionEstimator
from reidaug.flow.rivals.background_motion import BackgroundMotion, wants_prediction
from reidaug.flow.rivals.dense_motion import DenseMotion, check_scale, see, with_background
from reidaug.flow.rivals.local_maps import as_flows, local_maps
from reidaug.flow.rivals.mraa_regions import (
    REGIONS,
    known_regions,
    moments,
    oriented_matrices,
    region_maps,
    svd_matrices,
)
from reidaug.geometry.pose import Pose

AXES = {"oriented": oriented_matrices, "svd": svd_matrices}


class MRAA(MotionEstimator):
    """Motion Representations for Articulated Animation with ten body regions made of joints.

    Each region moves by the turn and stretch that carry its axes in the target to those in the
    source; a network blends these maps and the background's into one flow. Equal poses give the
    identity flow, whatever the weights, unless the background's motion is predicted and trained.

    Convention: see `reidaug.geometry.flow`.

    Args:
        scale: Part of the image's size that the grid has: 1, 1/2, 1/4 or 1/8.
        axes: ``oriented``, by which joint is which: any turn; or ``svd``, MRAA's principal axes,
            which tell turns up to 90 degrees.
        background: ``identity``, or ``predicted`` from the two poses.
        expansion: Width of the dense-motion hourglass.
        background_expansion: Channels of the background network's first block.
        blocks: How often the hourglass, and the background network, halve the grid.
        limit: Most channels in the hourglass.

    Raises:
        ValueError: A keyword is out of range.

    Source:
        Siarohin et al. 2021; regions from given joints are our reading, and so are the ``oriented``
        axes, which favour this rival.
    """

    PRESETS: ClassVar[Presets] = {
        "paper": {},
        "small": {"scale": 0.5, "expansion": 16, "limit": 256, "background_expansion": 16},
    }
    """``paper`` (256x256 images, 64x64 grid, MRAA's widths) or ``small`` (128x64 crops, 64x32
    grid, a quarter of the widths)."""

    def __init__(
        self,
        *,
        scale: float = 0.25,
        axes: str = "oriented",
        background: str = "identity",
        expansion: int = 64,
        background_expansion: int = 64,
        blocks: int = 5,
        limit: int = 1024,
    ) -> None:
        super().__init__()
        check_scale(scale)
        if axes not in AXES:
            raise ValueError(f"axes must be one of {tuple(AXES)}, got {axes!r}")
        self.scale, self.axes = scale, axes
        self.dense_motion = DenseMotion(
            len(REGIONS), evidence=len(REGIONS), expansion=expansion, blocks=blocks, limit=limit
        )
        self.background = (
            BackgroundMotion("downs", expansion=background_expansion, blocks=blocks)
            if wants_prediction(background)
            else None
        )

    def motion(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Motion:
        """Estimate flow and one occlusion map, both on the grid.

        Args:
            source: Source images (B, 3, H, W) in [0, 1].
            source_pose: Source joints (B, 18, 2).
            target_pose: Target joints (B, 18, 2).

        Returns:
            The motion.

        Raises:
            ValueError: The grid does not suit the hourglass.
        """
        joints = source_pose.visible & target_pose.visible
        seen = see(source, self.scale, source_pose, target_pose)
        (p_s, p_t), cells = seen.points, seen.cells
        with torch.autocast(source.device.type, enabled=False):
            known = known_regions(joints)
            c_s, c_t = (moments(points, joints)[0] for points in (p_s, p_t))
            matrix = AXES[self.axes](p_s, p_t, joints)
            moved = as_flows(local_maps(cells, matrix, c_s, c_t, known), seen.grid, seen.size)
            evidence = region_maps(p_t, target_pose.visible, cells)
            evidence = evidence - region_maps(p_s, source_pose.visible, cells)
        behind = None if self.background is None else self.background.flow(*seen.maps)
        maps = with_background(moved, behind)
        return self.dense_motion(seen.small, maps, evidence.unflatten(-1, seen.grid), known)
