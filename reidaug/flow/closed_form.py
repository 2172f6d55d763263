"""Flow estimators that learn nothing: what any trained one has to beat."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.flow.estimator import FlowEstimator
from reidaug.geometry import affine
from reidaug.geometry.flow import Size, from_affine, identity, to_normalised, to_pixels
from reidaug.geometry.pose import OPENPOSE_18, Pose, normalised

TORSO = tuple(
    OPENPOSE_18.index(name)
    for name in ("neck", "right_shoulder", "left_shoulder", "right_hip", "left_hip")
)


class Identity(FlowEstimator):
    """Samples every cell at its own place: the source as it is."""

    keeps_pose = True

    def forward(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Float[Tensor, "b 2 H W"]:
        """Build the identity flow of the source's size.

        Args:
            source: Source images (B, 3, H, W).
            source_pose: Source joints, not looked at.
            target_pose: Target joints, not looked at.

        Returns:
            Flow (B, 2, H, W).
        """
        grid = identity(source.shape[-2], source.shape[-1], device=source.device)
        return grid.expand(source.shape[0], -1, -1, -1)


class TorsoAffine(FlowEstimator):
    """Carries neck, shoulders and hips over by one affine map a pair; the other joints steady it.

    The torso of a person seen from the side is a line, which says nothing about widths: limbs and
    head therefore have a say as well, if a smaller one. Joints are used where both images show
    them; few or collinear ones give little more than a shift, none gives the identity.

    Args:
        limbs: What a joint outside the torso counts; 0 fits the torso alone.
        ridge: Pull towards the identity, see `reidaug.geometry.affine.fit`.
    """

    def __init__(self, *, limbs: float = 0.3, ridge: float = 0.01) -> None:
        super().__init__()
        self.limbs, self.ridge = limbs, ridge

    def forward(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Float[Tensor, "b 2 H W"]:
        """Fit one affine map a pair by least squares.

        Args:
            source: Source images (B, 3, H, W), of which the size is used.
            source_pose: Source joints (B, 18, 2).
            target_pose: Target joints (B, 18, 2).

        Returns:
            Flow (B, 2, H, W).
        """
        size = _size(source)
        seen = source_pose.visible & target_pose.visible
        weight = torch.full((seen.shape[1],), self.limbs, device=seen.device)
        weight[list(TORSO)] = 1.0
        matrix, offset = affine.fit(
            normalised(source_pose, size),
            normalised(target_pose, size),
            seen * weight,
            ridge=self.ridge,
        )
        return from_affine(matrix, offset, size)


class JointBlend(FlowEstimator):
    """Moves every pixel by the mean displacement of the joints, the near ones counting most.

    Args:
        power: A joint counts by its distance to the power of minus this.
    """

    def __init__(self, *, power: float = 4.0) -> None:
        super().__init__()
        self.power = power

    def forward(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Float[Tensor, "b 2 H W"]:
        """Blend the displacements of the joints seen in both images.

        Args:
            source: Source images (B, 3, H, W), of which the size is used.
            source_pose: Source joints (B, 18, 2).
            target_pose: Target joints (B, 18, 2).

        Returns:
            Flow (B, 2, H, W); the identity where no joint is seen in both.
        """
        size = _size(source)
        seen = source_pose.visible & target_pose.visible
        pixels = to_pixels(identity(*size, device=source.device).movedim(0, -1), size)
        moved = blend_displacements(
            pixels.flatten(0, 1), source_pose.xy, target_pose.xy, seen, power=self.power
        )
        return to_normalised(moved, size).movedim(-1, 1).unflatten(-1, size)


def blend_displacements(
    points: Float[Tensor, "n 2"],
    source: Float[Tensor, "b j 2"],
    target: Float[Tensor, "b j 2"],
    seen: Bool[Tensor, "b j"],
    *,
    power: float = 4.0,
) -> Float[Tensor, "b n 2"]:
    """Carry points from the target to the source by an inverse-distance blend (Shepard's method).

    Args:
        points: Points (N, 2) of the target, in pixels.
        source: Joints (B, J, 2) in pixels of the source.
        target: The same joints (B, J, 2) in pixels of the target.
        seen: (B, J); joints where it is False are left out.
        power: A joint's weight is its distance to the power of minus this.

    Returns:
        Points (B, N, 2) of the source, in pixels: target joints go to source joints.
    """
    shift = torch.where(seen[..., None], source - target, torch.zeros_like(source))
    place = torch.where(seen[..., None], target, torch.zeros_like(target))
    square = (points[:, None] - place[:, None]).square().sum(-1)
    weight = seen[:, None] / (square + 1e-6) ** (power / 2)
    return points + (weight @ shift) / weight.sum(-1, keepdim=True).clamp_min(1e-12)


def _size(image: Tensor) -> Size:
    return (image.shape[-2], image.shape[-1])
