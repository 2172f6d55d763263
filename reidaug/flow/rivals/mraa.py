"""MRAA from given joints: an affine map a body region, blended into one flow."""

from typing import ClassVar

import torch

from reidaug.flow.components import Presets
from reidaug.flow.rivals.background_motion import build_background
from reidaug.flow.rivals.dense_motion import DenseMotion
from reidaug.flow.rivals.local_maps import local_maps
from reidaug.flow.rivals.mraa_regions import (
    REGIONS,
    known_regions,
    moments,
    oriented_matrices,
    region_maps,
    svd_matrices,
)
from reidaug.flow.rivals.parametric import ParametricEstimator, PartMotion, Scene

AXES = {"oriented": oriented_matrices, "svd": svd_matrices}


class MRAA(ParametricEstimator):
    """Motion Representations for Articulated Animation with ten body regions made of joints.

    Each region moves by the turn and stretch that carry its axes in the target to those in the
    source; dense motion blends these maps and the background's.

    Args:
        scale: Share of the image's size that the grid has: 1, 1/2, 1/4 or 1/8.
        axes: ``oriented``, by which joint is which: any turn; or ``svd``, MRAA's principal axes,
            which determine turns up to 90 degrees.
        background: ``identity``, or ``predicted`` from the two poses.
        expansion: Width of the dense-motion hourglass.
        background_expansion: Channels of the background network's first block.
        blocks: Number of halvings in the hourglass and in the background network.
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
    """``paper``: 256x256, 64x64 grid, MRAA's widths; ``small``: 128x64, 64x32 grid, widths / 4."""

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
        super().__init__(scale)
        if axes not in AXES:
            raise ValueError(f"axes must be one of {tuple(AXES)}, got {axes!r}")
        self.axes = axes
        self.dense_motion = DenseMotion(
            len(REGIONS), evidence=len(REGIONS), expansion=expansion, blocks=blocks, limit=limit
        )
        self.background = build_background(
            background, "downs", expansion=background_expansion, blocks=blocks
        )

    def part_motion(self, scene: Scene) -> PartMotion:
        """Estimate the affine map of every region."""
        joints, (p_s, p_t), cells = scene.shared, scene.points, scene.cells
        with torch.autocast(p_s.device.type, enabled=False):
            known = known_regions(joints)
            c_s, c_t = (moments(points, joints)[0] for points in scene.points)
            matrix = AXES[self.axes](p_s, p_t, joints)
            moved = local_maps(cells, matrix, c_s, c_t, known)
            map_s, map_t = (
                region_maps(points, visible, cells)
                for points, visible in zip(scene.points, scene.visible, strict=True)
            )
        return PartMotion(moved, (map_t - map_s).unflatten(-1, scene.grid), known)
