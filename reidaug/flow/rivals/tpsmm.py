"""TPSMM from given joints: thin-plate splines through groups of joints, blended into one flow."""

from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.data.pairs import PosePair
from reidaug.flow.components import Presets
from reidaug.flow.estimator import Motion, MotionEstimator
from reidaug.flow.rivals.background_motion import (
    BackgroundMotion,
    round_trip_loss,
    wants_prediction,
)
from reidaug.flow.rivals.dense_motion import DenseMotion, check_scale, on_grid, see, with_background
from reidaug.flow.rivals.local_maps import as_flows
from reidaug.flow.rivals.tpsmm_groups import GROUPS, RIDGE, group_maps, grouped
from reidaug.geometry.pose import Pose

DROPPING = 0.35  # share of the training in which groups are dropped
RISE = 0.1  # share of the training in which the probability goes up


class TPSMM(MotionEstimator):
    """Thin-Plate Spline Motion Model with ten groups of five joints.

    Each group bends the plane by a smoothing spline; a network blends these maps and the
    background's into one flow, and tells at several resolutions what the source shows. Equal poses
    give the identity flow, whatever the weights, unless the background's motion is predicted and
    trained.

    In the first part of a training groups are left out at random, so that no single one becomes
    indispensable: see `set_progress`.

    Convention: see `reidaug.geometry.flow`.

    Args:
        scale: Part of the image's size that the grid has: 1, 1/2, 1/4 or 1/8.
        ridge: On the diagonal of the splines' systems.
        background: ``identity``, or ``predicted`` from the two poses.
        expansion: Width of the dense-motion hourglass.
        blocks: How often the hourglass halves the grid.
        limit: Most channels in the hourglass.
        dropout: Highest probability of a group to be left out.
        dropout_start: The probability with which training begins.

    Raises:
        ValueError: A keyword is out of range.

    Source:
        Zhao and Zhang 2022, for given joints by our reading: their equivariance loss has nothing
        left to train. The dropout's defaults are those of their setting for whole bodies.
    """

    PRESETS: ClassVar[Presets] = {
        "paper": {},
        "small": {"scale": 0.5, "expansion": 16, "limit": 256},
    }
    """``paper`` (256x256 images, 64x64 grid, TPSMM's widths) or ``small`` (128x64 crops, 64x32
    grid, a quarter of the widths)."""

    def __init__(
        self,
        *,
        scale: float = 0.25,
        ridge: float = RIDGE,
        background: str = "identity",
        expansion: int = 64,
        blocks: int = 5,
        limit: int = 1024,
        dropout: float = 0.7,
        dropout_start: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= dropout_start <= dropout < 1:
            raise ValueError(f"0 <= dropout_start <= dropout < 1, got {dropout_start}, {dropout}")
        if ridge <= 0:
            raise ValueError(f"ridge must be positive, got {ridge}")
        self.scale, self.ridge = scale, ridge
        self.dropout, self.dropout_start = dropout, dropout_start
        self.dense_motion = DenseMotion(
            len(GROUPS),
            evidence=sum(len(group) for group in GROUPS),
            expansion=expansion,
            blocks=blocks,
            limit=limit,
            norm="instance",
            finer=check_scale(scale),
        )
        self.background = BackgroundMotion("resnet") if wants_prediction(background) else None
        self._share: float | None = None
        self._generator: torch.Generator | None = None

    def set_progress(self, share: float, generator: torch.Generator) -> None:
        """Tell how far the training is; nothing is left out until this is called.

        Args:
            share: Share of the training that is done, 0 to 1.
            generator: Source of chance for the next forward passes, on the CPU.
        """
        self._share, self._generator = share, generator

    def dropout_probability(self) -> float:
        """Give the probability with which a group is left out now.

        Returns:
            0 in use; in training it rises to ``dropout`` over the first tenth and is 0 again after
            35 hundredths.

        Source:
            TPSMM: P = min(P_start + P_max * epoch / 10, P_max) for the first 35 of 100 epochs.
        """
        if not self.training or self._share is None or self._share >= DROPPING:
            return 0.0
        return min(self.dropout_start + self.dropout * self._share / RISE, self.dropout)

    def motion(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Motion:
        """Estimate flow, and occlusion from half the grid's resolution up to the image's.

        Args:
            source: Source images (B, 3, H, W) in [0, 1].
            source_pose: Source joints (B, 18, 2).
            target_pose: Target joints (B, 18, 2).

        Returns:
            The motion.

        Raises:
            ValueError: The grid does not suit the hourglass.
        """
        known = grouped(source_pose.visible & target_pose.visible)
        seen = see(source, self.scale, source_pose, target_pose)
        (map_s, map_t), (p_s, p_t) = seen.maps, seen.points
        with torch.autocast(source.device.type, enabled=False):
            moved = group_maps(seen.cells, grouped(p_s), grouped(p_t), known, ridge=self.ridge)
        behind = None if self.background is None else self.background.flow(map_s, map_t)
        maps = with_background(as_flows(moved, seen.grid, seen.size), behind)
        evidence = grouped(map_t - map_s).flatten(1, 2)
        return self.dense_motion(seen.small, maps, evidence, self._kept(known.any(-1)))

    def own_losses(
        self, batch: PosePair, motion: Motion, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Ask that a predicted background moves back the way it came.

        Args:
            batch: Pairs.
            motion: Not looked at.
            generator: Not used.

        Returns:
            ``background``; nothing where the background's motion is not predicted.

        Source:
            TPSMM's background loss.
        """
        del motion, generator
        if self.background is None:
            return {}
        with torch.autocast(batch.source.device.type, enabled=False):
            poses = (batch.source_pose, batch.target_pose)
            _, (map_s, map_t) = on_grid(batch.source, self.scale, poses)
        both = self.background(torch.cat((map_s, map_t)), torch.cat((map_t, map_s)))
        return {"background": round_trip_loss(*both.chunk(2))}

    def _kept(self, known: Bool[Tensor, "b k"]) -> Bool[Tensor, "b k"]:
        probability = self.dropout_probability()
        if not probability:
            return known
        kept = torch.rand(known.shape, generator=self._generator) >= probability
        return known & kept.to(known.device)
