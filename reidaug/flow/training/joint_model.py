"""A flow estimator and the network that draws with its flow, trained as one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.estimator import FlowEstimator, Motion
from reidaug.flow.image_generator import ImageGenerator


class Drawn(NamedTuple):
    """What a method made of a batch.

    Attributes:
        motion: Flow and occlusion.
        image: The source drawn in the target's pose (B, 3, H, W) in [0, 1]; None where nothing
            was to be drawn.
        flows: All flows of an estimator with several, coarse to fine; empty where nobody asked.
        own: Unweighted losses that belong to this method alone.
    """

    motion: Motion
    image: Float[Tensor, "b 3 H W"] | None
    flows: tuple[Tensor, ...]
    own: dict[str, Tensor]


class Method(nn.Module):
    """An estimator with its image generator: one module, so that processes share all gradients.

    Args:
        estimator: The flow estimator.
        generator: The image generator, if the method has one.
    """

    def __init__(self, estimator: FlowEstimator, generator: ImageGenerator | None = None) -> None:
        super().__init__()
        self.estimator, self.image_generator = estimator, generator

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Part the parameters by learning rate.

        Returns:
            Groups for an optimiser, each with ``rate``, a multiple of the base rate.
        """
        groups: list[dict[str, Any]] = [{"params": list(self.estimator.parameters()), "rate": 1.0}]
        return groups + (
            self.image_generator.parameter_groups() if self.image_generator is not None else []
        )

    def forward(
        self, batch: PosePair, tasks: Sequence[str], generator: torch.Generator | None = None
    ) -> Drawn:
        """Estimate motion, and what else the tasks need.

        Args:
            batch: Pairs.
            tasks: With ``generation`` among them the target is drawn and the method's own losses
                are computed; with ``sampling`` all flows are given.
            generator: Source of chance of the method's own losses, on the CPU.

        Returns:
            What was made of the batch.
        """
        poses = (batch.source_pose, batch.target_pose)
        if "sampling" in tasks:
            flows = self.estimator.flows(batch.source, *poses)
            return Drawn(Motion(flows[-1]), None, flows, {})
        motion = self.estimator.motion(batch.source, *poses)
        if "generation" not in tasks or self.image_generator is None:
            return Drawn(motion, None, (), {})
        image = self.image_generator(batch.source, motion)
        assert generator is not None
        own = self.estimator.own_losses(batch, motion, generator)
        own |= self.image_generator.own_losses(batch, motion)
        return Drawn(motion, image, (), own)
