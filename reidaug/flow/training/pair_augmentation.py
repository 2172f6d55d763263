"""What training does to a batch of pairs to make it more varied than it is."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool
from pydantic import ConfigDict
from torch import Tensor

from reidaug.data.pairs import PosePair
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import OPENPOSE_18, Pose, mirror

FACE = tuple(
    OPENPOSE_18.index(name) for name in ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
)


@dataclass(frozen=True)
class PairAugmentation:
    """How training makes a batch more varied than it is.

    Attributes:
        mirror: Probability of a pair to be mirrored left to right.
        face: Of a pose to lose its five face joints, as pose estimators do from behind.
        joint: Of any joint to be lost.
        jitter: How far joints stray from where they are: scale of a Laplace distribution in x and
            in y, as a share of the image's height; most pose estimators err a little nearly
            always and much now and then.
        still: Of a pair to become its target twice, whose flow moves nothing.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    mirror: float = 0.5
    face: float = 0.1
    joint: float = 0.05
    jitter: float = 0.0
    still: float = 0.0

    def apply(self, batch: PosePair, generator: torch.Generator) -> PosePair:
        """Mirror pairs, still some, move joints and drop joints at random.

        Args:
            batch: A batch of pairs.
            generator: Source of randomness, on the CPU.

        Returns:
            The batch, disturbed.
        """
        chosen = torch.rand(batch.source.shape[0], generator=generator) < self.mirror
        batch = mirror_pairs(batch, chosen)
        if self.still:
            chosen = torch.rand(batch.source.shape[0], generator=generator) < self.still
            batch = still_pairs(batch, chosen)
        height = batch.source.shape[-2]
        poses = (batch.source_pose, batch.target_pose)
        if self.jitter:
            poses = (
                self.stray(poses[0], height, generator),
                self.stray(poses[1], height, generator),
            )
        return batch._replace(
            source_pose=self.drop(poses[0], generator), target_pose=self.drop(poses[1], generator)
        )

    def stray(self, pose: Pose, height: int, generator: torch.Generator) -> Pose:
        """Move joints a little at random.

        Args:
            pose: Joints (B, 18, 2) in pixels.
            height: Of the image, in pixels.
            generator: Source of randomness, on the CPU.

        Returns:
            The pose with joints that are not quite where they were.
        """
        even = torch.rand(pose.xy.shape, generator=generator).clamp_(1e-6, 1 - 1e-6) - 0.5
        laplace = -even.sign() * torch.log1p(-2 * even.abs())
        return Pose(pose.xy + (self.jitter * height * laplace).to(pose.xy), pose.visible)

    def drop(self, pose: Pose, generator: torch.Generator) -> Pose:
        """Mark joints as missing at random.

        Args:
            pose: Joints (B, 18, 2).
            generator: Source of randomness, on the CPU.

        Returns:
            The pose with fewer visible joints.
        """
        kept = torch.rand(pose.visible.shape, generator=generator) >= self.joint
        faceless = torch.rand(pose.visible.shape[0], generator=generator) < self.face
        kept[:, FACE] &= ~faceless[:, None]
        return Pose(pose.xy, pose.visible & kept.to(pose.visible.device))


def mirror_pairs(batch: PosePair, chosen: Bool[Tensor, " b"]) -> PosePair:
    """Mirror some pairs left to right: images, joints with their names, flow.

    Args:
        batch: A batch of pairs.
        chosen: (B,) which ones.

    Returns:
        The batch; a mirrored pair's exact flow leads to the mirrored source.
    """
    chosen = chosen.to(batch.source.device)
    width = batch.source.shape[-1]

    def pick(mirrored: Tensor, plain: Tensor) -> Tensor:
        return torch.where(chosen.view(-1, *[1] * (plain.ndim - 1)), mirrored, plain)

    def turned(pose: Pose) -> Pose:
        return Pose(*(pick(m, p) for m, p in zip(mirror(pose, width), pose, strict=True)))

    flow, visible = batch.flow, batch.visible
    if flow is not None and visible is not None:
        sign = torch.tensor((-1.0, 1.0), device=flow.device)[:, None, None]
        flow = pick(flow.flip(-1) * sign, flow)
        visible = pick(visible.flip(-1), visible)
    return PosePair(
        pick(batch.source.flip(-1), batch.source),
        pick(batch.target.flip(-1), batch.target),
        turned(batch.source_pose),
        turned(batch.target_pose),
        flow,
        visible,
    )


def still_pairs(batch: PosePair, chosen: Bool[Tensor, " b"]) -> PosePair:
    """Put the target in the source's place in some pairs.

    Args:
        batch: A batch of pairs.
        chosen: (B,) which ones.

    Returns:
        The batch; where a chosen pair's exact flow leads anywhere, it leads to the cell itself,
        which is visible there.
    """
    chosen = chosen.to(batch.source.device)

    def pick(still: Tensor, plain: Tensor) -> Tensor:
        return torch.where(chosen.view(-1, *[1] * (plain.ndim - 1)), still, plain)

    flow, visible = batch.flow, batch.visible
    if flow is not None and visible is not None:
        known = flow.isfinite()
        here = identity(flow.shape[-2], flow.shape[-1], device=flow.device)
        flow = pick(torch.where(known, here, flow), flow)
        visible = pick(known.all(1), visible)
    return batch._replace(
        source=pick(batch.target, batch.source),
        source_pose=Pose(*map(pick, batch.target_pose, batch.source_pose)),
        flow=flow,
        visible=visible,
    )
