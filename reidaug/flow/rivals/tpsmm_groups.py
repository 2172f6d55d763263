"""TPSMM's ten groups of five joints, a thin-plate spline each; conventions as in `local_maps`."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.flow.rivals.local_maps import local_maps, similarity
from reidaug.geometry.spline import bend

# Joints of OPENPOSE_18: head, torso, right and left arm, right and left leg, upper body, hands,
# lower body, the whole.
GROUPS = (
    (0, 14, 15, 16, 17), (1, 2, 5, 8, 11),
    (1, 2, 3, 4, 8), (1, 5, 6, 7, 11), (1, 8, 9, 10, 11), (1, 8, 11, 12, 13),
    (0, 2, 3, 5, 6), (1, 4, 7, 8, 11), (2, 5, 8, 9, 12), (0, 4, 7, 10, 13),
)  # fmt: skip
RIDGE = 0.01


def grouped(joints: Tensor, groups: tuple[tuple[int, ...], ...] = GROUPS) -> Tensor:
    """Gather a tensor's joints (B, 18, ...) by group (B, K, N, ...)."""
    return joints[:, torch.tensor(groups, device=joints.device)]


def group_maps(
    points: Float[Tensor, "m 2"],
    source: Float[Tensor, "b k n 2"],
    target: Float[Tensor, "b k n 2"],
    known: Bool[Tensor, "b k n"],
    *,
    ridge: float = RIDGE,
) -> Float[Tensor, "b k m 2"]:
    """Map the plane by every group of control points.

    Three known points or more give a smoothing thin-plate spline, two a similarity, one a shift,
    none the identity.

    Args:
        points: Points (M, 2) of the target.
        source: Control points (B, K, N, 2) in the source.
        target: The same points (B, K, N, 2) in the target.
        known: (B, K, N), False for the points to leave out.
        ridge: Added to the whole diagonal of the spline's system.

    Returns:
        Moved points (B, K, M, 2).

    Source:
        UnWarpME Eq. 1, the transformation of TPSMM, with N = 5, fitted to displacements, so that
        the ridge pulls towards the identity. On the affine part the ridge has the opposite sign of
        its authors' code, which makes the system singular for some nearly collinear groups.
    """
    flat = (source.flatten(0, 1), target.flatten(0, 1), known.flatten(0, 1))
    splines = bend(points, *flat, ridge=ridge, damping=(ridge,) * 3).unflatten(0, known.shape[:2])
    weight = known.to(source.dtype)
    count = weight.sum(-1)
    kept = [torch.where(known[..., None], p, torch.zeros_like(p)) for p in (source, target)]
    centres = [p.sum(-2) / count.clamp_min(1)[..., None] for p in kept]
    s, t = (p - c[..., None, :] for p, c in zip(kept, centres, strict=True))
    turn = similarity(s, t, weight)
    simple = local_maps(points, turn, centres[0], centres[1], known.any(-1))
    return torch.where((count >= 3)[..., None, None], splines, simple)
