"""What every image generator is: it makes the target's image from the source and its motion."""

from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Float
from torch import Tensor

from reidaug.data.pairs import PosePair
from reidaug.flow.components import Component
from reidaug.flow.estimator import Motion


class ImageGenerator(Component, ABC):
    """Draws a person in the target's pose; needed to train a flow, thrown away afterwards."""

    @abstractmethod
    def forward(self, source: Float[Tensor, "b 3 H W"], motion: Motion) -> Float[Tensor, "b 3 H W"]:
        """Draw the target.

        Args:
            source: Source images (B, 3, H, W) in [0, 1].
            motion: Flow, and occlusion where the estimator tells it.

        Returns:
            Images (B, 3, H, W) in [0, 1].
        """

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Part the parameters by learning rate; by default all learn alike.

        Returns:
            Groups with ``params`` and ``rate``, a multiple of the base rate.
        """
        return [{"params": list(self.parameters()), "rate": 1.0}]

    def own_losses(self, batch: PosePair, motion: Motion) -> dict[str, Tensor]:
        """Work out the losses that belong to this network alone; by default there are none.

        Args:
            batch: Pairs.
            motion: What the estimator said of them.

        Returns:
            Unweighted losses by the names of `reidaug.flow.loss_weights.LossWeights`.
        """
        del batch, motion
        return {}
