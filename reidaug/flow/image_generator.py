"""The interface of image generators: source image and motion to the target's image."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from reidaug.data.pairs import PosePair
from reidaug.flow.components import Component
from reidaug.flow.estimator import Images, Motion


class ImageGenerator(Component, ABC):
    """Generates a person in the target's pose; trains a flow, and is not needed to warp."""

    @abstractmethod
    def forward(self, source: Images, motion: Motion) -> Images:
        """Generate the target's image.

        Args:
            source: Source images (B, 3, H, W) in [0, 1]; how often H and W are halved depends on
                the generator.
            motion: Flow and occlusion of any size.

        Returns:
            Images (B, 3, H, W) in [0, 1], 32 bits.

        Raises:
            ValueError: The size does not halve evenly.
        """

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Group the parameters by learning rate; by default all have the same.

        Returns:
            Groups with ``params`` and ``rate``, a multiple of the base rate.
        """
        return [{"params": list(self.parameters()), "rate": 1.0}]

    def own_losses(self, batch: PosePair, motion: Motion) -> dict[str, Tensor]:
        """Compute the losses of this generator alone; by default there are none.

        Args:
            batch: Pairs.
            motion: The estimator's motion of these pairs.

        Returns:
            Unweighted losses by the names of `reidaug.flow.loss_weights.LossWeights`.
        """
        del batch, motion
        return {}
