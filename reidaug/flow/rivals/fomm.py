"""FOMM from given joints: a first-order map around every joint, blended into one flow."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.components import Presets
from reidaug.flow.estimator import Motion, MotionEstimator
from reidaug.flow.rivals.dense_motion import DenseMotion, check_scale, on_grid, see, with_background
from reidaug.flow.rivals.hourglass import Hourglass
from reidaug.flow.rivals.local_maps import (
    analytic_jacobians,
    as_flows,
    aspect,
    local_maps,
    ratio,
)
from reidaug.flow.unwarpme.affine_task import move_pose
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import OPENPOSE_18, Pose

JOINTS = len(OPENPOSE_18)
JACOBIANS = ("learned", "analytic", "none")
SINGULAR = 0.05**2  # pull on J J^T: what |det J| >= 0.05 guards against
DISTORTION = 0.05  # standard deviation of the equivariance loss's random maps


class JacobianNetwork(nn.Module):
    """Estimates how the body is turned and stretched around every joint, from one pose alone.

    At first every Jacobian is the identity.

    Args:
        expansion: Width of the hourglass.
        blocks: How often the hourglass halves the grid.
        limit: Most channels in the hourglass.

    Source:
        The Jacobian head of FOMM's keypoint detector, with pose maps as its input; UnWarpME
        Sec. 3.1 says that another autoencoder estimates what joints do not tell.
    """

    def __init__(self, *, expansion: int = 32, blocks: int = 5, limit: int = 1024) -> None:
        super().__init__()
        self.hourglass = Hourglass(JOINTS, expansion=expansion, blocks=blocks, limit=limit)
        self.head = nn.Conv2d(self.hourglass.channels[-1], 4 * JOINTS, 7, padding=3)
        nn.init.zeros_(self.head.weight)
        self.head.bias = nn.Parameter(torch.tensor((1.0, 0.0, 0.0, 1.0)).repeat(JOINTS))

    def forward(self, maps: Float[Tensor, "b 18 h w"]) -> Float[Tensor, "b 18 2 2"]:
        """Estimate one Jacobian a joint.

        Args:
            maps: Pose maps (B, 18, h, w).

        Returns:
            Jacobians (B, 18, 2, 2): the mean of the network's answers around the joint; the
            identity where a joint is missing or far outside the picture.
        """
        answer = self.head(self.hourglass(maps)[-1]).float().unflatten(1, (JOINTS, 4))
        weight = maps / (maps.sum((-2, -1), keepdim=True) + 1e-3)
        mean = (weight[:, :, None] * answer).sum((-2, -1))
        rest = 1 - weight.sum((-2, -1))
        matrix: Tensor = mean.unflatten(-1, (2, 2))
        return matrix + rest[..., None, None] * torch.eye(2, device=maps.device)


class FOMM(MotionEstimator):
    """First Order Motion Model with the 18 joints as its keypoints.

    Around each joint that both images show the source is read along a shift and a 2x2 matrix; a
    network that sees the source warped by each of these maps blends them, and the identity for the
    background, into one flow. Equal poses give the identity flow, whatever the weights.

    Convention: see `reidaug.geometry.flow`.

    Args:
        scale: Part of the image's size that the grid has: 1, 1/2, 1/4 or 1/8.
        jacobian: ``learned`` from the poses, ``analytic`` from the neighbouring joints, or
            ``none``: shifts alone.
        expansion: Width of the dense-motion hourglass.
        jacobian_expansion: Width of the Jacobian network's hourglass.
        blocks: How often hourglasses halve the grid.
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
    """``paper`` (256x256 images, 64x64 grid, FOMM's widths) or ``small`` (128x64 crops, 64x32
    grid, a quarter of the widths)."""

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
        super().__init__()
        check_scale(scale)
        if jacobian not in JACOBIANS:
            raise ValueError(f"jacobian must be one of {JACOBIANS}, got {jacobian!r}")
        self.scale, self.jacobian = scale, jacobian
        self.dense_motion = DenseMotion(
            JOINTS, evidence=JOINTS, expansion=expansion, blocks=blocks, limit=limit
        )
        self.jacobians = (
            JacobianNetwork(expansion=jacobian_expansion, blocks=blocks, limit=limit)
            if jacobian == "learned"
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
        known = source_pose.visible & target_pose.visible
        seen = see(source, self.scale, source_pose, target_pose)
        (map_s, map_t), (p_s, p_t) = seen.maps, seen.points
        jacobians = self.jacobians(torch.cat(seen.maps)) if self.jacobians else None
        with torch.autocast(source.device.type, enabled=False):
            if jacobians is not None:
                matrix = jacobian_ratio(*jacobians.chunk(2))
            elif self.jacobian == "analytic":
                matrix = analytic_jacobians(p_s, p_t, known)
            else:
                matrix = torch.eye(2, device=source.device).expand(*known.shape, 2, 2)
            moved = local_maps(seen.cells, matrix, p_s, p_t, known)
            maps = with_background(as_flows(moved, seen.grid, seen.size))
        return self.dense_motion(seen.small, maps, map_t - map_s, known)

    def own_losses(
        self, batch: PosePair, motion: Motion, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Ask that learned Jacobians turn with the body, whatever map moves it.

        Args:
            batch: Pairs, of which the target poses are used.
            motion: Not looked at.
            generator: Source of the random maps, on the CPU.

        Returns:
            ``equivariance``; nothing where Jacobians are not learned.

        Source:
            FOMM's equivariance of Jacobians: mean|I - J_D^-1 T' J_T| with p_T = T^-1(p_D).
        """
        del motion
        if self.jacobians is None:
            return {}
        pose, size = batch.target_pose, (batch.target.shape[-2], batch.target.shape[-1])
        with torch.autocast(pose.xy.device.type, enabled=False):
            moved, matrix = distorted(pose, size, generator)
            _, maps = on_grid(batch.target, self.scale, (pose, moved))
        jacobians = self.jacobians(torch.cat(maps))
        with torch.autocast(pose.xy.device.type, enabled=False):
            there, here = jacobians.chunk(2)
            round_trip = jacobian_ratio((matrix[:, None] @ here).mT, there.mT)
            apart = (round_trip - torch.eye(2, device=matrix.device)).abs().mean((-2, -1))
            return {"equivariance": (apart * pose.visible).sum() / pose.visible.sum().clamp_min(1)}


def distorted(
    pose: Pose, size: Size, generator: torch.Generator
) -> tuple[Pose, Float[Tensor, "b 2 2"]]:
    """Move poses by random affine maps near the identity.

    Args:
        pose: Joints p_D (B, J, 2) in pixels.
        size: (height, width) of the image they belong to.
        generator: Source of chance, on the CPU.

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


def jacobian_ratio(
    source: Float[Tensor, "*b 2 2"], target: Float[Tensor, "*b 2 2"]
) -> Float[Tensor, "*b 2 2"]:
    """Divide Jacobians, J_S J_D^-1, safely.

    Args:
        source: J_S (..., 2, 2).
        target: J_D (..., 2, 2), which may be singular.

    Returns:
        Matrices (..., 2, 2): the identity where both are equal, finite everywhere.

    Source:
        FOMM's J_S J_D^-1; a ridge on J_D J_D^T stands in for keeping |det J_D| from zero.
    """
    return ratio(source @ target.mT, target @ target.mT, SINGULAR)
