"""Augmentation of training pairs: mirroring, joint noise, missing joints, unchanged poses."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool
from pydantic import ConfigDict
from torch import Tensor

from reidaug.data.pairs import PosePair
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import OPENPOSE_18, Pose, mirror
from reidaug.recipes import Share

FACE = tuple(
    OPENPOSE_18.index(name) for name in ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
)


@dataclass(frozen=True)
class PairAugmentation:
    """Random changes of training pairs; generators are on the CPU."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    mirror: Share = 0.5  # probability of mirroring a pair left to right
    # probability that a pose loses its five face joints, as in a view from behind
    face: Share = 0.1
    joint: Share = 0.05  # probability that any joint is lost
    # Joint noise: scale of a Laplace distribution in x and y, as a fraction of the image's
    # height. Pose estimators are slightly wrong nearly always and far off sometimes.
    jitter: Share = 0.0
    still: Share = 0.0  # probability that a pair becomes its target twice; its flow is the identity

    def apply(self, batch: PosePair, generator: torch.Generator) -> PosePair:
        """Augment a batch."""
        count, height = batch.source.shape[0], batch.source.shape[-2]
        batch = mirror_pairs(batch, torch.rand(count, generator=generator) < self.mirror)
        if self.still:
            batch = still_pairs(batch, torch.rand(count, generator=generator) < self.still)
        poses = [batch.source_pose, batch.target_pose]
        if self.jitter:
            poses = [self.move(pose, height, generator) for pose in poses]
        source, target = (self.drop(pose, generator) for pose in poses)
        return batch._replace(source_pose=source, target_pose=target)

    def move(self, pose: Pose, height: int, generator: torch.Generator) -> Pose:
        """Add noise to joint positions, in pixels of images of a height."""
        uniform = torch.rand(pose.xy.shape, generator=generator).clamp_(1e-6, 1 - 1e-6) - 0.5
        laplace = -uniform.sign() * torch.log1p(-2 * uniform.abs())
        return Pose(pose.xy + (self.jitter * height * laplace).to(pose.xy), pose.visible)

    def drop(self, pose: Pose, generator: torch.Generator) -> Pose:
        """Mark joints as missing."""
        kept = torch.rand(pose.visible.shape, generator=generator) >= self.joint
        faceless = torch.rand(pose.visible.shape[0], generator=generator) < self.face
        kept[:, FACE] &= ~faceless[:, None]
        return Pose(pose.xy, pose.visible & kept.to(pose.visible.device))


def mirror_pairs(batch: PosePair, chosen: Bool[Tensor, " b"]) -> PosePair:
    """Mirror the chosen pairs (B,): images, joints with names, and flow, to the mirrored source."""
    width, (flow, visible) = batch.source.shape[-1], (batch.flow, batch.visible)
    if flow is not None and visible is not None:
        sign = torch.tensor((-1.0, 1.0), device=flow.device)[:, None, None]
        flow, visible = flow.flip(-1) * sign, visible.flip(-1)
    mirrored = PosePair(
        batch.source.flip(-1),
        batch.target.flip(-1),
        mirror(batch.source_pose, width),
        mirror(batch.target_pose, width),
        flow,
        visible,
    )
    return _select(chosen, mirrored, batch)


def still_pairs(batch: PosePair, chosen: Bool[Tensor, " b"]) -> PosePair:
    """Replace the source by the target in the chosen pairs (B,).

    Where their exact flow is known, it becomes the identity, and the point is visible there.
    """
    flow, visible = batch.flow, batch.visible
    if flow is not None and visible is not None:
        known = flow.isfinite()
        here = identity(flow.shape[-2], flow.shape[-1], device=flow.device)
        flow, visible = torch.where(known, here, flow), known.all(1)
    still = batch._replace(
        source=batch.target, source_pose=batch.target_pose, flow=flow, visible=visible
    )
    return _select(chosen, still, batch)


def _select(chosen: Bool[Tensor, " b"], changed: PosePair, unchanged: PosePair) -> PosePair:
    """Take the chosen pairs of one batch and the others of another."""
    chosen = chosen.to(unchanged.source.device)

    def pick(one: Tensor, other: Tensor) -> Tensor:
        return torch.where(chosen.view(-1, *[1] * (other.ndim - 1)), one, other)

    def pick_known(one: Tensor | None, other: Tensor | None) -> Tensor | None:
        return None if one is None or other is None else pick(one, other)

    return PosePair(
        pick(changed.source, unchanged.source),
        pick(changed.target, unchanged.target),
        Pose(*map(pick, changed.source_pose, unchanged.source_pose)),
        Pose(*map(pick, changed.target_pose, unchanged.target_pose)),
        pick_known(changed.flow, unchanged.flow),
        pick_known(changed.visible, unchanged.visible),
    )
