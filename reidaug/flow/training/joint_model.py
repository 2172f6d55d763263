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
    """Outputs of the model for a batch of pairs."""

    motion: Motion
    # generated target in [0, 1]; None without ``generation``
    image: Float[Tensor, "b 3 H W"] | None
    flows: tuple[Tensor, ...]  # all flows, coarse to fine; empty without the task ``sampling``
    own_losses: dict[str, Tensor]  # unweighted losses of the estimator and the generator


class EstimatorWithGenerator(nn.Module):
    """An estimator with its image generator, one module so that processes share all gradients."""

    def __init__(
        self,
        estimator: FlowEstimator,
        generator: ImageGenerator | None = None,
        autocast: Autocast = nullcontext,
    ) -> None:
        super().__init__()
        self.estimator, self.image_generator, self.autocast = estimator, generator, autocast

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Group the parameters by ``rate``, a multiple of the base learning rate."""
        groups: list[dict[str, Any]] = [{"params": list(self.estimator.parameters()), "rate": 1.0}]
        if self.image_generator is not None:
            groups += self.image_generator.parameter_groups()
        return groups

    def forward(
        self, batch: PosePair, tasks: Collection[str], random: torch.Generator | None = None
    ) -> Prediction:
        """Predict, in 32 bits, what the tasks of a step need.

        Args:
            batch: Pairs.
            tasks: Names of the tasks.
            random: CPU generator for the networks' own losses, which ``generation`` needs.
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
