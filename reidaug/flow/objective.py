"""What a flow is asked for as a whole: which losses, and what each counts."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor

from reidaug.data.pairs import PosePair
from reidaug.flow.losses import (
    exact_flow_loss,
    perceptual_loss,
    smoothness_loss,
    structural_loss,
)
from reidaug.flow.perceptual import FeatureNetwork
from reidaug.geometry.warp import warp


@dataclass(frozen=True)
class Weights:
    """What each loss counts.

    Attributes:
        affine: The affine-preserving loss, lambda_2 of Eq. 9.
        exact: The exact flow.
        l1: Absolute difference of the warped source and the target.
        structure: One minus SSIM of the two.
        perceptual: Eq. 6 on the two.
        smoothness: Second differences of the flow, in tasks other than ``affine``.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    affine: float = 1.0
    exact: float = 1.0
    l1: float = 1.0
    structure: float = 1.0
    perceptual: float = 0.0
    smoothness: float = 0.0


class Objective:
    """The losses of pairs, and the weighted sum of all losses.

    Args:
        weights: What each loss counts; one that counts 0 is not worked out.
        network: Of the perceptual loss, needed where it counts.
        autocast: Makes the context in which that network runs, as `Accelerator.autocast` does. The
            other losses need 32 bits.

    Raises:
        ValueError: The perceptual loss lacks its network.
    """

    def __init__(
        self,
        weights: Weights,
        network: FeatureNetwork | None = None,
        *,
        autocast: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        if weights.perceptual and network is None:
            raise ValueError("the perceptual loss needs a network")
        self.weights, self.network, self.autocast = weights, network, autocast

    def exact(self, flow: Float[Tensor, "b 2 h w"], batch: PosePair) -> dict[str, Tensor]:
        """Compare flows with the exact ones of rendered pairs.

        Args:
            flow: Flow (B, 2, h, w).
            batch: The pairs.

        Returns:
            ``exact``.

        Raises:
            ValueError: The pairs have no exact flow.
        """
        if batch.flow is None or batch.visible is None:
            raise ValueError("the 'exact' task needs rendered pairs with their exact flow")
        return {"exact": exact_flow_loss(flow, batch.flow, batch.visible)}

    def reconstruction(self, flow: Float[Tensor, "b 2 h w"], batch: PosePair) -> dict[str, Tensor]:
        """Compare the warped source itself with the target; no network refines it.

        Args:
            flow: Flow (B, 2, h, w).
            batch: The pairs.

        Returns:
            ``l1``, ``structure``, ``perceptual``, those of them that count.
        """
        warped, losses = warp(batch.source, flow), {}
        if self.weights.l1:
            losses["l1"] = (warped - batch.target).abs().mean()
        if self.weights.structure:
            losses["structure"] = structural_loss(warped, batch.target)
        if self.network is not None and self.weights.perceptual:
            with self.autocast():
                losses["perceptual"] = perceptual_loss(warped, batch.target, self.network)
        return losses

    def smoothness(self, flow: Float[Tensor, "b 2 h w"]) -> dict[str, Tensor]:
        """Ask for smooth flows, if that counts.

        Args:
            flow: Flow (B, 2, h, w).

        Returns:
            ``smoothness``, or nothing.
        """
        return {"smoothness": smoothness_loss(flow)} if self.weights.smoothness else {}

    def total(self, losses: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """Add losses up by their weights.

        Args:
            losses: Losses by the names of `Weights`.

        Returns:
            The sum.

        Source:
            UnWarpME Eq. 9, for the losses of one step of the alternation.
        """
        weighted = [getattr(self.weights, name) * loss for name, loss in losses.items()]
        total: Tensor = sum(weighted[1:], start=weighted[0])
        return total
