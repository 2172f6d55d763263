"""The interface of flow estimators."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from reidaug.checksums import SUMS
from reidaug.data.pairs import PosePair
from reidaug.flow.components import Component
from reidaug.geometry.pose import Pose

Images = Float[Tensor, "b 3 H W"]
Flow = Float[Tensor, "b 2 h w"]


class Motion(NamedTuple):
    """Flow and occlusion, the input of an image generator."""

    flow: Float[Tensor, "b 2 h w"]
    # Share of every cell that the source shows, in [0, 1], coarse to fine; empty where the
    # estimator predicts none.
    occlusion: tuple[Float[Tensor, "b 1 _ _"], ...] = ()


class FlowEstimator(Component, ABC):
    """Estimates, from two poses, where each target cell samples the source.

    Convention: see `reidaug.geometry.flow`. Both poses are in pixels of the source image's size.
    The flow may have a grid of its own; `reidaug.geometry.warp.warp` resizes it. All methods take

    - ``source``: source images (B, 3, H, W) in [0, 1]; pose-only estimators use their size alone;
    - ``source_pose``: source joints (B, 18, 2);
    - ``target_pose``: target joints (B, 18, 2), in pixels of an image of the same size.
    """

    # Whether the flow leads into the target's pose, so that warps are cut by the target's
    # outline; otherwise by the source person's own outline, warped along.
    to_target_pose: bool = True
    # Whether every person stays as they are, whatever the target: a dataset then gets one warp an
    # image, cut by the person's own outline.
    keeps_pose: bool = False
    # Why `reidaug export` cannot write the estimator as a graph; empty where it can.
    no_graph: str = ""

    @abstractmethod
    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        """Estimate one flow (B, 2, h, w) a pair."""

    def motion(self, source: Images, source_pose: Pose, target_pose: Pose) -> Motion:
        """Estimate one flow per pair and, if the estimator predicts it, occlusion."""
        return Motion(self(source, source_pose, target_pose))

    def flows(self, source: Images, source_pose: Pose, target_pose: Pose) -> tuple[Tensor, ...]:
        """Estimate all flows (B, 2, h, w) of an estimator that has several, coarse to fine."""
        return (self(source, source_pose, target_pose),)

    def flow_table(
        self, source: Float[Tensor, "s 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Float[Tensor, "s t 2 h w"]:
        """Estimate the flows (S, T, 2, h, w) from each of S sources to each of T targets.

        By default one call of `forward` a source; an estimator whose features depend on one pose
        alone computes each of them once.
        """
        targets = target_pose.xy.shape[0]
        rows = []
        for k in range(source.shape[0]):  # one row at a time bounds the memory
            pose = Pose(*(part[k].expand(targets, *part[k].shape) for part in source_pose))
            rows.append(self(source[k].expand(targets, -1, -1, -1), pose, target_pose))
        return torch.stack(rows)

    def set_progress(self, share: float, generator: torch.Generator) -> None:
        """Set the share of training done, 0 to 1, before every step; by default without effect.

        ``generator`` (on the CPU) gives the random numbers of this step.
        """
        del share, generator

    def own_losses(
        self, batch: PosePair, motion: Motion, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Compute the losses of this estimator alone; by default there are none.

        Args:
            batch: Pairs.
            motion: The result of `motion` for these pairs.
            generator: Random generator, on the CPU.

        Returns:
            Unweighted losses by the names of `reidaug.flow.loss_weights.LossWeights`.
        """
        del batch, motion, generator
        return {}


class MotionEstimator(FlowEstimator):
    """An estimator that implements `motion`, of which the flow is a part."""

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        """Estimate one flow per pair; see `motion`."""
        return self.motion(source, source_pose, target_pose).flow

    @abstractmethod
    def motion(self, source: Images, source_pose: Pose, target_pose: Pose) -> Motion:
        """Estimate flow and occlusion."""


class PersonFlows(NamedTuple):
    """Flows of P pairs of a person and a target pose, and the person in that pose."""

    flow: Float[Tensor, "p 2 h w"]
    pose: Pose  # joints (P, 18, 2) of the person in the target pose, in pixels of the source
    outline: Bool[Tensor, "p H W"]  # of the person in the target pose, of the source's size
    origin: UInt8[Tensor, "p h w"]  # where the texture of each cell comes from, see `Origin`


class Origin(IntEnum):
    """Where the texture of a cell comes from."""

    SEEN = 0  # the place itself, which the source shows
    MIRRORED = 1  # the same place on the other side, left for right
    OPPOSITE = 2  # the other side of the body at the same height, front for back
    INVENTED = 3  # none of these: whatever the source shows there


class PersonFlowEstimator(FlowEstimator):
    """An estimator that sees the person, and cuts warps by an outline of their own."""

    @abstractmethod
    def person_flows(
        self,
        source: Float[Tensor, "s 3 H W"],
        mask: Bool[Tensor, "s H W"],
        source_pose: Pose,
        target_pose: Pose,
        pairs: Sequence[tuple[int, int]],
    ) -> PersonFlows:
        """Estimate the flows of some pairs, and the person in the target poses.

        Args:
            source: Source images (S, 3, H, W) in [0, 1].
            mask: Their people (S, H, W).
            source_pose: Their joints (S, 18, 2) in pixels.
            target_pose: Joints of other people (T, 18, 2), in pixels of images of the same size.
            pairs: Numbers of source and target of each of P pairs.
        """

    def own_flows(
        self,
        source: Float[Tensor, "s 3 H W"],
        mask: Bool[Tensor, "s H W"],
        source_pose: Pose,
        target_pose: Pose,
    ) -> PersonFlows:
        """Estimate one flow a source, to a target pose of its own; see `person_flows`.

        `reidaug export` needs an implementation without a loop over the pairs.
        """
        pairs = [(k, k) for k in range(len(source))]
        return self.person_flows(source, mask, source_pose, target_pose, pairs)


class NamedFlow(NamedTuple):
    """A flow estimator that any process can load by its name."""

    name: str  # as in recipes; means the same from any folder
    load: Callable[[str], FlowEstimator]  # makes the estimator on the CPU; importable by workers
    folder: Path | None = None  # checkpoint folder; None for estimators without weights

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the checkpoint, whose content distinguishes two runs."""
        found = () if self.folder is None else sorted(self.folder.iterdir())
        return tuple(path for path in found if path.name != SUMS)

    def estimator(self) -> FlowEstimator:
        """Load the estimator in evaluation mode."""
        return self.load(self.name).eval()
