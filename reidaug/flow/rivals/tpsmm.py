"""TPSMM from given joints: thin-plate splines through groups of joints, blended into one flow."""

from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor

from reidaug.data.pairs import PosePair
from reidaug.flow.components import Presets
from reidaug.flow.estimator import Motion
from reidaug.flow.rivals.background_motion import build_background, round_trip_loss
from reidaug.flow.rivals.dense_motion import DenseMotion
from reidaug.flow.rivals.parametric import (
    ParametricEstimator,
    PartMotion,
    Scene,
    halvings,
    on_grid,
)
from reidaug.flow.rivals.tpsmm_groups import GROUPS, RIDGE, group_maps, grouped

DROPOUT_SHARE = 0.35  # of the training, in which groups are dropped
RISE_SHARE = 0.1  # of the training, over which the probability rises


class TPSMM(ParametricEstimator):
    """Thin-Plate Spline Motion Model with ten groups of five joints.

    Each group bends the plane by a smoothing spline; dense motion blends these maps and the
    background's, and predicts occlusion at several resolutions, up to the image's. Early in
    training groups are dropped at random, so that no single one becomes indispensable: see
    `set_progress`.

    Args:
        scale: Share of the image's size that the grid has: 1, 1/2, 1/4 or 1/8.
        ridge: On the diagonal of the splines' systems.
        background: ``identity``, or ``predicted`` from the two poses.
        expansion: Width of the dense-motion hourglass.
        blocks: Number of halvings in the hourglass.
        limit: Most channels in the hourglass.
        dropout: Highest probability of dropping a group.
        dropout_start: The probability at the start of training.

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
    """``paper``: 256x256, 64x64 grid, TPSMM's widths; ``small``: 128x64, 64x32 grid, widths / 4."""

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
        super().__init__(scale)
        if not 0 <= dropout_start <= dropout < 1:
            raise ValueError(f"0 <= dropout_start <= dropout < 1, got {dropout_start}, {dropout}")
        if ridge <= 0:
            raise ValueError(f"ridge must be positive, got {ridge}")
        self.ridge = ridge
        self.dropout, self.dropout_start = dropout, dropout_start
        self.dense_motion = DenseMotion(
            len(GROUPS),
            evidence=sum(len(group) for group in GROUPS),
            expansion=expansion,
            blocks=blocks,
            limit=limit,
            norm="instance",
            finer=halvings(scale),
        )
        self.background = build_background(background, "resnet")
        self._share: float | None = None
        self._generator: torch.Generator | None = None

    def set_progress(self, share: float, generator: torch.Generator) -> None:
        """See `FlowEstimator.set_progress`; without a call no group is dropped."""
        self._share, self._generator = share, generator

    def dropout_probability(self) -> float:
        """Return the current probability of dropping a group, 0 in evaluation.

        In training it rises to ``dropout`` over the first tenth and is 0 again after 35 hundredths.

        Source:
            TPSMM: P = min(P_start + P_max * epoch / 10, P_max) for the first 35 of 100 epochs.
        """
        if not self.training or self._share is None or self._share >= DROPOUT_SHARE:
            return 0.0
        return min(self.dropout_start + self.dropout * self._share / RISE_SHARE, self.dropout)

    def part_motion(self, scene: Scene) -> PartMotion:
        """Estimate the spline of every group."""
        known, (map_s, map_t) = grouped(scene.shared), scene.maps
        p_s, p_t = (grouped(points) for points in scene.points)
        with torch.autocast(p_s.device.type, enabled=False):
            moved = group_maps(scene.cells, p_s, p_t, known, ridge=self.ridge)
        evidence = grouped(map_t - map_s).flatten(1, 2)
        return PartMotion(moved, evidence, self._drop(known.any(-1)))

    def own_losses(
        self, batch: PosePair, motion: Motion, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Compute ``background``, if it is predicted: it moves back the way it came.

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

    def _drop(self, known: Bool[Tensor, "b k"]) -> Bool[Tensor, "b k"]:
        probability = self.dropout_probability()
        if not probability:
            return known
        kept = torch.rand(known.shape, generator=self._generator) >= probability
        return known & kept.to(known.device)
