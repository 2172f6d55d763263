"""What every flow estimator is."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.data.pairs import PosePair
from reidaug.flow.components import Component
from reidaug.geometry.pose import Pose


class Motion(NamedTuple):
    """What an image generator needs to know of how things move.

    Attributes:
        flow: Flow (B, 2, h, w).
        occlusion: Share of every cell that the source shows, (B, 1, h, w) in [0, 1] each, coarse
            to fine; empty where the estimator does not tell.
    """

    flow: Float[Tensor, "b 2 h w"]
    occlusion: tuple[Float[Tensor, "b 1 _ _"], ...] = ()


class FlowEstimator(Component, ABC):
    """Looks at two poses and says, for every target cell, where to sample the source.

    Convention: see `reidaug.geometry.flow`. Both poses are in pixels of the source image's size.
    The flow may have a grid of its own; `reidaug.geometry.warp.warp` resizes it.

    Attributes:
        to_target_pose: Whether the flow leads into the target's pose, so that the target's outline
            is the one to cut the warp by. Where it does not, the person's own outline is carried
            along.
        keeps_pose: Whether every person stays as they are, whatever the target: a dataset then
            gets one warp an image, cut by the person's own outline.
    """

    to_target_pose: bool = True
    keeps_pose: bool = False

    @abstractmethod
    def forward(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Float[Tensor, "b 2 h w"]:
        """Estimate one flow a pair.

        Args:
            source: Source images (B, 3, H, W) in [0, 1]. Estimators that see poses only use its
                size alone.
            source_pose: Source joints (B, 18, 2).
            target_pose: Target joints (B, 18, 2), in pixels of an image of the same size.

        Returns:
            Flow (B, 2, h, w).
        """

    def motion(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Motion:
        """Estimate one flow a pair, and what else an image generator is told.

        Args:
            source: Source images (B, 3, H, W) in [0, 1].
            source_pose: Source joints (B, 18, 2).
            target_pose: Target joints (B, 18, 2), in pixels of an image of the same size.

        Returns:
            The flow, by default without occlusion.
        """
        return Motion(self(source, source_pose, target_pose))

    def flows(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> tuple[Tensor, ...]:
        """Estimate all flows of an estimator that has several; by default there is one.

        Args:
            source: Source images (B, 3, H, W) in [0, 1].
            source_pose: Source joints (B, 18, 2).
            target_pose: Target joints (B, 18, 2), in pixels of an image of the same size.

        Returns:
            Flows (B, 2, h, w), coarse to fine.
        """
        return (self(source, source_pose, target_pose),)

    def set_progress(self, share: float, generator: torch.Generator) -> None:
        """Hear how far training has come, before every step; by default nothing depends on it.

        Args:
            share: Part of the training that is done, 0 to 1.
            generator: Source of chance of this step, on the CPU.
        """
        del share, generator

    def own_losses(
        self, batch: PosePair, motion: Motion, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Work out the losses that belong to this estimator alone; by default there are none.

        Args:
            batch: Pairs.
            motion: What `motion` said of them.
            generator: Source of chance, on the CPU.

        Returns:
            Unweighted losses by the names of `reidaug.flow.loss_weights.LossWeights`.
        """
        del batch, motion, generator
        return {}

    def flow_table(
        self, source: Float[Tensor, "s 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Float[Tensor, "s t 2 h w"]:
        """Estimate the flow from every source to every target.

        The default calls `forward` once a source; an estimator whose features belong to one
        pose computes each of them once.

        Args:
            source: Source images (S, 3, H, W) in [0, 1].
            source_pose: Source joints (S, 18, 2).
            target_pose: Target joints (T, 18, 2).

        Returns:
            Flows (S, T, 2, h, w).
        """
        targets = target_pose.xy.shape[0]
        rows = []
        for k in range(source.shape[0]):  # one row at a time bounds the memory
            pose = Pose(*(part[k].expand(targets, *part[k].shape) for part in source_pose))
            rows.append(self(source[k].expand(targets, -1, -1, -1), pose, target_pose))
        return torch.stack(rows)


class MotionEstimator(FlowEstimator):
    """An estimator that tells motion as a whole, of which the flow is a part."""

    def forward(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Float[Tensor, "b 2 h w"]:
        """Estimate one flow a pair; see `motion`.

        Args:
            source: Source images (B, 3, H, W) in [0, 1].
            source_pose: Source joints (B, 18, 2).
            target_pose: Target joints (B, 18, 2), in pixels of an image of the same size.

        Returns:
            Flow (B, 2, h, w).
        """
        return self.motion(source, source_pose, target_pose).flow

    @abstractmethod
    def motion(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Motion:
        """Estimate flow and occlusion; what goes in is as in `FlowEstimator.motion`."""


class NamedFlow(NamedTuple):
    """A flow estimator that any process can load by its name.

    Attributes:
        name: As in recipes; means the same from any folder.
        load: Makes the estimator from the name, on the CPU; importable by name in a worker.
        folder: Checkpoint folder; None for estimators without weights.
    """

    name: str
    load: Callable[[str], FlowEstimator]
    folder: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the checkpoint, whose content tells two runs apart."""
        return () if self.folder is None else tuple(sorted(self.folder.iterdir()))

    def estimator(self) -> FlowEstimator:
        """Load the estimator in evaluation mode."""
        return self.load(self.name).eval()
