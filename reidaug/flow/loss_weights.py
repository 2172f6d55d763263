"""Names and weights of the losses of flow estimators."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss in the total, by the loss's name.

    `reidaug.flow.estimator.FlowEstimator.own_losses` uses the same names.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    affine: float = 1.0  # affine-preserving loss, lambda_2 of Eq. 9
    exact: float = 1.0  # exact flow, where the source shows the point
    # Exact flow elsewhere: where the source would show the point if nothing occluded it, a map
    # that continues the visible one and finds similar texture.
    hidden: float = 0.0
    l1: float = 1.0  # absolute difference of the warped source and the target
    structure: float = 1.0  # one minus SSIM of the two
    # Eq. 6, on the warped source (task ``perceptual``) or the generated image (task
    # ``generation``).
    perceptual: float = 1.0
    smoothness: float = 0.0  # second differences of the flow, in tasks other than ``affine``
    # Eq. 7, lambda_1 of Eq. 9: the discriminator's score of the generated image
    generative: float = 1.0
    matching: float = 10.0  # FOMM's comparison of the discriminator's features
    equivariance: float = 10.0  # FOMM's equivariance of Jacobians
    features: float = 10.0  # TPSMM's comparison of warped features
    background: float = 10.0  # TPSMM's consistency of background maps
    correctness: float = 20.0  # GFLA's sampling correctness
    regularity: float = 0.01  # GFLA's affine regularisation
