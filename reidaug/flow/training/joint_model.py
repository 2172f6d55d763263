"""A flow estimator and its image generator, trained as one module."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from accelerate.utils import convert_to_fp32
from jaxtyping import Float
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.estimator import FlowEstimator, Motion
from reidaug.flow.image_generator import ImageGenerator

Autocast = Callable[[], AbstractContextManager[None]]
"""Makes the context of a forward pass in mixed precision."""


class Prediction(NamedTuple):
    """Outputs of the model for a batch of pairs.

    Attributes:
        motion: Flow and occlusion.
        image: Generated target (B, 3, H, W) in [0, 1]; None without the task ``generation``.
        flows: All flows of a multi-level estimator, coarse to fine; empty without the task
            ``sampling``.
        own_losses: Unweighted losses specific to the estimator and the generator.
    """

    motion: Motion
    image: Float[Tensor, "b 3 H W"] | None
    flows: tuple[Tensor, ...]
    own_losses: dict[str, Tensor]


class EstimatorWithGenerator(nn.Module):
    """An estimator with its image generator: one module, so that processes share all gradients.

    Args:
        estimator: The flow estimator.
        generator: The image generator, if there is one.
        autocast: Of the forward pass.
    """

    def __init__(
        self,
        estimator: FlowEstimator,
        generator: ImageGenerator | None = None,
        autocast: Autocast = nullcontext,
    ) -> None:
        super().__init__()
        self.estimator, self.image_generator, self.autocast = estimator, generator, autocast

    def parameter_groups(self) -> list[dict[str, Any]]:
        """List the parameters by learning rate.

        Returns:
            Groups for an optimiser, each with ``rate``, a multiple of the base rate.
        """
        groups: list[dict[str, Any]] = [{"params": list(self.estimator.parameters()), "rate": 1.0}]
        if self.image_generator is not None:
            groups += self.image_generator.parameter_groups()
        return groups

    def forward(
        self, batch: PosePair, tasks: Collection[str], random: torch.Generator | None = None
    ) -> Prediction:
        """Predict what the tasks of a step need.

        Args:
            batch: Pairs.
            tasks: Names of the tasks.
            random: Generator of the networks' own losses, on the CPU; needed by the task
                ``generation``.

        Returns:
            The prediction in 32 bits.
        """
        with self.autocast():
            prediction: Prediction = convert_to_fp32(self._predict(batch, tasks, random))
        return prediction

    def _predict(
        self, batch: PosePair, tasks: Collection[str], random: torch.Generator | None
    ) -> Prediction:
        poses = (batch.source_pose, batch.target_pose)
        if "sampling" in tasks:
            flows = self.estimator.flows(batch.source, *poses)
            return Prediction(Motion(flows[-1]), None, flows, {})
        motion = self.estimator.motion(batch.source, *poses)
        if "generation" not in tasks or self.image_generator is None:
            return Prediction(motion, None, (), {})
        image = self.image_generator(batch.source, motion)
        assert random is not None
        own = self.estimator.own_losses(batch, motion, random)
        return Prediction(motion, image, (), own | self.image_generator.own_losses(batch, motion))
