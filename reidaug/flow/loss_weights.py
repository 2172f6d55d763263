"""Names and weights of the losses of flow estimators."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss in the total, by the loss's name.

    `reidaug.flow.estimator.FlowEstimator.own_losses` uses the same names.

    Attributes:
        affine: Affine-preserving loss, lambda_2 of Eq. 9.
        exact: Exact flow, where the source shows the point.
        hidden: Exact flow elsewhere: where the source would show the point if nothing occluded it,
            a map that continues the visible one and finds similar texture.
        l1: Absolute difference of the warped source and the target.
        structure: One minus SSIM of the two.
        perceptual: Eq. 6, on the warped source (task ``perceptual``) or the generated image (task
            ``generation``).
        smoothness: Second differences of the flow, in tasks other than ``affine``.
        generative: Eq. 7, lambda_1 of Eq. 9: the discriminator's verdict on the generated image.
        matching: FOMM's comparison of the discriminator's features.
        equivariance: FOMM's equivariance of Jacobians.
        features: TPSMM's comparison of warped features.
        background: TPSMM's consistency of background maps.
        correctness: GFLA's sampling correctness.
        regularity: GFLA's affine regularisation.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    affine: float = 1.0
    exact: float = 1.0
    hidden: float = 0.0
    l1: float = 1.0
    structure: float = 1.0
    perceptual: float = 1.0
    smoothness: float = 0.0
    generative: float = 1.0
    matching: float = 10.0
    equivariance: float = 10.0
    features: float = 10.0
    background: float = 10.0
    correctness: float = 20.0
    regularity: float = 0.01
