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
        """Generate the target's image (B, 3, H, W) in [0, 1], 32 bits.

        Args:
            source: Source images (B, 3, H, W) in [0, 1].
            motion: Flow and occlusion of any size.

        Raises:
            ValueError: H or W does not halve evenly, as often as the generator halves them.
        """

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Group ``params`` by ``rate``, a multiple of the base learning rate; by default 1."""
        return [{"params": list(self.parameters()), "rate": 1.0}]

    def own_losses(self, batch: PosePair, motion: Motion) -> dict[str, Tensor]:
        """Compute the losses of this generator alone; by default there are none.

        Returns:
            Unweighted losses by the names of `reidaug.flow.loss_weights.LossWeights`.
        """
        del batch, motion
        return {}
