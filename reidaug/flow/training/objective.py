"""What a flow is asked for as a whole: which losses, and what each counts."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from jaxtyping import Float
from torch import Tensor

from reidaug.data.pairs import PosePair
from reidaug.flow.loss_weights import LossWeights
from reidaug.flow.perceptual_networks import FeatureNetwork
from reidaug.flow.rivals.gfla_losses import SamplingLosses
from reidaug.flow.training.warp_losses import (
    exact_flow_loss,
    smoothness_loss,
    structural_loss,
)
from reidaug.flow.unwarpme.losses import PYRAMID, perceptual_loss, total_loss
from reidaug.geometry.warp import warp


class Objective:
    """The losses of pairs, and the weighted sum of all losses.

    Args:
        weights: What each loss counts; one that counts 0 is not worked out.
        network: Of the perceptual loss.
        scales: Resolutions the perceptual loss looks at, as parts of the image's own.
        sampling: GFLA's two losses, needed by the task ``sampling``.
        autocast: Makes the context in which that network runs, as `Accelerator.autocast` does. The
            other losses need 32 bits.
    """

    def __init__(
        self,
        weights: LossWeights,
        network: FeatureNetwork | None = None,
        *,
        scales: Sequence[float] = PYRAMID,
        sampling: SamplingLosses | None = None,
        autocast: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.weights, self.network, self.autocast = weights, network, autocast
        self.scales, self.by_sampling = tuple(scales), sampling

    def exact(self, flow: Float[Tensor, "b 2 h w"], batch: PosePair) -> dict[str, Tensor]:
        """Compare flows with the exact ones of rendered pairs.

        Args:
            flow: Flow (B, 2, h, w).
            batch: The pairs.

        Returns:
            ``exact``, and ``hidden`` if that counts.

        Raises:
            ValueError: The pairs have no exact flow.
        """
        if batch.flow is None or batch.visible is None:
            raise ValueError("the 'exact' task needs rendered pairs with their exact flow")
        losses = {"exact": exact_flow_loss(flow, batch.flow, batch.visible)}
        if self.weights.hidden:
            hidden = ~batch.visible & batch.flow.isfinite().all(1)
            losses["hidden"] = exact_flow_loss(flow, batch.flow, hidden)
        return losses

    def reconstruction(self, flow: Float[Tensor, "b 2 h w"], batch: PosePair) -> dict[str, Tensor]:
        """Compare the warped source itself with the target; no network refines it.

        Args:
            flow: Flow (B, 2, h, w).
            batch: The pairs.

        Returns:
            ``l1`` and ``structure``, those of them that count.
        """
        warped, losses = warp(batch.source, flow), {}
        if self.weights.l1:
            losses["l1"] = (warped - batch.target).abs().mean()
        if self.weights.structure:
            losses["structure"] = structural_loss(warped, batch.target)
        return losses

    def perceptual(
        self, image: Float[Tensor, "b 3 H W"], target: Float[Tensor, "b 3 H W"]
    ) -> dict[str, Tensor]:
        """Compare images by deep features, if that counts.

        Args:
            image: Images (B, 3, H, W) in [0, 1]; gradients flow into these.
            target: What they should look like (B, 3, H, W).

        Returns:
            ``perceptual``, or nothing.

        Raises:
            ValueError: The network is missing.
        """
        if not self.weights.perceptual:
            return {}
        if self.network is None:
            raise ValueError("the perceptual loss needs a network")
        with self.autocast():
            loss = perceptual_loss(image, target, self.network, scales=self.scales)
        return {"perceptual": loss}

    def sampling(self, flows: Sequence[Tensor], batch: PosePair) -> dict[str, Tensor]:
        """Ask all flows of an estimator what they sample, and whether they are affine nearby.

        Args:
            flows: Flows (B, 2, h, w), coarse to fine.
            batch: The pairs.

        Returns:
            ``correctness`` and ``regularity``.

        Raises:
            ValueError: The losses were not given.
        """
        if self.by_sampling is None:
            raise ValueError("the task 'sampling' needs its losses")
        return self.by_sampling([flow.float() for flow in flows], batch)

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
            losses: Losses by the names of `LossWeights`.

        Returns:
            The sum.

        Raises:
            ValueError: There is none.

        Source:
            UnWarpME Eq. 9, for the losses of one step of the alternation.
        """
        return total_loss(losses, self.weights)
