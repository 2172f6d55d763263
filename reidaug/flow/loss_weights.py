"""Names and weights of the losses of flow estimators."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from reidaug.recipes import Weight


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss in the total, by the loss's name.

    `reidaug.flow.estimator.FlowEstimator.own_losses` uses the same names.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    affine: Weight = 1.0  # affine-preserving loss, lambda_2 of Eq. 9
    exact: Weight = 1.0  # exact flow, where the source shows the point
    # Exact flow elsewhere: where the source would show the point if nothing occluded it, a map
    # that continues the visible one and finds similar texture.
    hidden: Weight = 0.0
    l1: Weight = 1.0  # absolute difference of the warped source and the target
    structure: Weight = 1.0  # one minus SSIM of the two
    # Eq. 6, on the warped source (task ``perceptual``) or the generated image (task
    # ``generation``).
    perceptual: Weight = 1.0
    smoothness: Weight = 0.0  # second differences of the flow, in tasks other than ``affine``
    # Eq. 7, lambda_1 of Eq. 9: the discriminator's score of the generated image
    generative: Weight = 1.0
    matching: Weight = 10.0  # FOMM's comparison of the discriminator's features
    equivariance: Weight = 10.0  # FOMM's equivariance of Jacobians
    features: Weight = 10.0  # TPSMM's comparison of warped features
    background: Weight = 10.0  # TPSMM's consistency of background maps
    correctness: Weight = 20.0  # GFLA's sampling correctness
    regularity: Weight = 0.01  # GFLA's affine regularisation
