"""FOMM from given joints: a first-order map around every joint, blended into one flow."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.data.pairs import PosePair
from reidaug.flow.components import Presets
from reidaug.flow.estimator import Motion
from reidaug.flow.rivals.dense_motion import DenseMotion
from reidaug.flow.rivals.fomm_jacobians import (
    JOINTS,
    JacobianNetwork,
    analytic_jacobians,
    jacobian_ratio,
)
from reidaug.flow.rivals.local_maps import aspect, local_maps
from reidaug.flow.rivals.parametric import ParametricEstimator, PartMotion, Scene, on_grid
from reidaug.flow.unwarpme.affine_task import move_pose
from reidaug.geometry.flow import Size, size_of
from reidaug.geometry.pose import Pose

JACOBIANS = ("learned", "analytic", "none")
DISTORTION = 0.05  # standard deviation of the equivariance loss's random maps


class FOMM(ParametricEstimator):
    """First Order Motion Model with the 18 joints as its keypoints.

    Around each joint that is visible in both images the source is read along a shift and a 2x2
    matrix; dense motion blends these maps and the background's, the identity.

    Args:
        scale: Share of the image's size that the grid has: 1, 1/2, 1/4 or 1/8.
        jacobian: ``learned`` from the poses, ``analytic`` from the neighbouring joints, or
            ``none``: shifts alone.
        expansion: Width of the dense-motion hourglass.
        jacobian_expansion: Width of the Jacobian network's hourglass.
        blocks: Number of halvings in hourglasses.
        limit: Most channels in an hourglass.

    Raises:
        ValueError: A keyword is out of range.

    Source:
        Siarohin et al. 2019; from given joints by our reading: the detector is dropped, and the
        equivariance loss keeps its Jacobian part.
    """

    PRESETS: ClassVar[Presets] = {
        "paper": {},
        "small": {"scale": 0.5, "expansion": 16, "jacobian_expansion": 8, "limit": 256},
    }
    """``paper``: 256x256, 64x64 grid, FOMM's widths; ``small``: 128x64, 64x32 grid, widths / 4."""

    def __init__(
        self,
        *,
        scale: float = 0.25,
        jacobian: str = "learned",
        expansion: int = 64,
        jacobian_expansion: int = 32,
        blocks: int = 5,
        limit: int = 1024,
    ) -> None:
        super().__init__(scale)
        if jacobian not in JACOBIANS:
            raise ValueError(f"jacobian must be one of {JACOBIANS}, got {jacobian!r}")
        self.jacobian = jacobian
        self.dense_motion = DenseMotion(
            JOINTS, evidence=JOINTS, expansion=expansion, blocks=blocks, limit=limit
        )
        self.jacobians = (
            JacobianNetwork(expansion=jacobian_expansion, blocks=blocks, limit=limit)
            if jacobian == "learned"
            else None
        )

    def part_motion(self, scene: Scene) -> PartMotion:
        """Estimate the first-order map around every joint."""
        known, (map_s, map_t), (p_s, p_t) = scene.shared, scene.maps, scene.points
        jacobians = self.jacobians(torch.cat(scene.maps)) if self.jacobians else None
        with torch.autocast(p_s.device.type, enabled=False):
            if jacobians is not None:
                pairs = p_s.shape[0]
                matrix = jacobian_ratio(jacobians[:pairs], jacobians[pairs:])
            elif self.jacobian == "analytic":
                matrix = analytic_jacobians(p_s, p_t, known)
            else:
                matrix = torch.eye(2, device=p_s.device).expand(*known.shape, 2, 2)
            moved = local_maps(scene.cells, matrix, p_s, p_t, known)
        return PartMotion(moved, map_t - map_s, known)

    def own_losses(
        self, batch: PosePair, motion: Motion, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Compute ``equivariance`` of the target poses, if Jacobians are learned.

        Source:
            FOMM's equivariance of Jacobians: mean|I - J_D^-1 T' J_T| with p_T = T^-1(p_D).
        """
        del motion
        if self.jacobians is None:
            return {}
        pose = batch.target_pose
        with torch.autocast(pose.xy.device.type, enabled=False):
            moved, matrix = distort(pose, size_of(batch.target), generator)
            _, maps = on_grid(batch.target, self.scale, (pose, moved))
        jacobians = self.jacobians(torch.cat(maps))
        with torch.autocast(pose.xy.device.type, enabled=False):
            original, distorted = jacobians.chunk(2)
            round_trip = jacobian_ratio((matrix[:, None] @ distorted).mT, original.mT)
            apart = (round_trip - torch.eye(2, device=matrix.device)).abs().mean((-2, -1))
            return {"equivariance": (apart * pose.visible).sum() / pose.visible.sum().clamp_min(1)}


def distort(
    pose: Pose, size: Size, generator: torch.Generator
) -> tuple[Pose, Float[Tensor, "b 2 2"]]:
    """Move poses by random affine maps near the identity.

    Args:
        pose: Joints p_D (B, J, 2) in pixels.
        size: (height, width) of the image they belong to.
        generator: Random generator, on the CPU.

    Returns:
        Joints p_T with T(p_T) = p_D, and the matrices of T in square units (B, 2, 2).

    Source:
        FOMM's random transformation I + N(0, 0.05), without its thin-plate part.
    """
    noise = DISTORTION * torch.randn(pose.xy.shape[0], 2, 3, generator=generator)
    noise = noise.to(pose.xy.device)
    matrix, offset = noise[..., :2] + torch.eye(2, device=noise.device), noise[..., 2]
    unit = aspect(size, noise)
    xy = torch.where(pose.visible[..., None], pose.xy, torch.zeros_like(pose.xy))
    flat = matrix * unit / unit[:, None]  # the same map in normalised coordinates
    return move_pose(Pose(xy, pose.visible), flat, offset / unit, size), matrix
