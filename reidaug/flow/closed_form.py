"""Closed-form flow estimators, which learn nothing: baselines for trained ones."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.flow.estimator import Flow, FlowEstimator, Images
from reidaug.geometry import affine
from reidaug.geometry.flow import from_affine, identity, size_of, to_normalised, to_pixels
from reidaug.geometry.pose import OPENPOSE_18, Pose, normalised

TORSO = tuple(
    OPENPOSE_18.index(name)
    for name in ("neck", "right_shoulder", "left_shoulder", "right_hip", "left_hip")
)


class Identity(FlowEstimator):
    """Samples every cell at its own position: the source as it is."""

    keeps_pose = True

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        """Build the identity flow of the source's size; poses are not used."""
        grid = identity(*size_of(source), device=source.device)
        return grid.expand(source.shape[0], -1, -1, -1)


class TorsoAffine(FlowEstimator):
    """Fits one affine map a pair to neck, shoulders and hips, and with less weight to the rest.

    The torso of a person seen from the side is a line, which does not determine widths: limbs and
    head count as well. Joints that both images show are used; few or collinear ones give little
    more than a shift, none gives the identity.

    Args:
        limbs: Weight of a joint outside the torso; 0 fits the torso alone.
        ridge: Pull towards the identity, see `reidaug.geometry.affine.fit`.
    """

    def __init__(self, *, limbs: float = 0.3, ridge: float = 0.01) -> None:
        super().__init__()
        self.limbs, self.ridge = limbs, ridge

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        """Fit the map by least squares; of the source the size is used."""
        size = size_of(source)
        known = source_pose.visible & target_pose.visible
        weight = torch.full((known.shape[1],), self.limbs, device=known.device)
        weight[list(TORSO)] = 1.0
        points = normalised(source_pose, size), normalised(target_pose, size)
        return from_affine(*affine.fit(*points, known * weight, ridge=self.ridge), size)


class JointBlend(FlowEstimator):
    """Moves every pixel by the joints' mean displacement, weighted by distance ** -power."""

    def __init__(self, *, power: float = 4.0) -> None:
        super().__init__()
        self.power = power

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        """Blend the joints visible in both images; the identity where there are none."""
        size = size_of(source)
        known = source_pose.visible & target_pose.visible
        pixels = to_pixels(identity(*size, device=source.device).movedim(0, -1), size)
        moved = blend_displacements(
            pixels.flatten(0, 1), source_pose.xy, target_pose.xy, known, power=self.power
        )
        return to_normalised(moved, size).movedim(-1, 1).unflatten(-1, size)


def blend_displacements(
    points: Float[Tensor, "n 2"],
    source: Float[Tensor, "b j 2"],
    target: Float[Tensor, "b j 2"],
    known: Bool[Tensor, "b j"],
    *,
    power: float = 4.0,
) -> Float[Tensor, "b n 2"]:
    """Map target points to the source by an inverse-distance blend (Shepard's method).

    Args:
        points: Points (N, 2) of the target, in pixels.
        source: Joints (B, J, 2) in pixels of the source.
        target: The same joints (B, J, 2) in pixels of the target.
        known: (B, J); joints where it is False are left out.
        power: A joint's weight is its distance to the power of minus this.

    Returns:
        Points (B, N, 2) of the source, in pixels: target joints go to source joints.
    """
    shift = torch.where(known[..., None], source - target, torch.zeros_like(source))
    joints = torch.where(known[..., None], target, torch.zeros_like(target))
    square = (points[:, None] - joints[:, None]).square().sum(-1)
    weight = known[:, None] / (square + 1e-6) ** (power / 2)
    return points + (weight @ shift) / weight.sum(-1, keepdim=True).clamp_min(1e-12)
