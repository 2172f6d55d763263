"""MRAA's body regions of joints: mean, orientation and extent; conventions as in `local_maps`."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.flow.rivals.local_maps import MAX_STRETCH, MIN_STRETCH, similarity

# Joints of OPENPOSE_18. Head and torso come first; the rest are limbs of two ends.
REGIONS = (
    (0, 14, 15, 16, 17), (1, 2, 5, 8, 11),
    (2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13),
)  # fmt: skip
HEAD, TORSO = 0, 1
NOSE, NECK, HIPS = 0, 1, (8, 11)
MIN_JOINTS = (1, 3, 2, 2, 2, 2, 2, 2, 2, 2)
WIDTH = 0.15  # kappa: half the width of a limb, in lengths of the torso
UNKNOWN_SCALE = 0.5  # of a person with neither torso nor limb visible
TINY = 1e-6
FAR = 27.0  # squared distance beyond which a region's map, below 1e-6, is zero


def known_regions(visible: Bool[Tensor, "b 18"]) -> Bool[Tensor, "b 10"]:
    """Find the regions (B, 10) that the joints visible in one image, or both of a pair, determine.

    Limbs need both ends, the torso three joints, the head one.
    """
    least = torch.tensor(MIN_JOINTS, device=visible.device)
    return (_members(visible) > 0).sum(-1) >= least


def moments(
    points: Float[Tensor, "b 18 2"], visible: Bool[Tensor, "b 18"]
) -> tuple[Float[Tensor, "b 10 2"], Float[Tensor, "b 10 2 2"]]:
    """Compute means (B, 10, 2) and covariances (B, 10, 2, 2) of every region's visible joints.

    Covariances are widened by the square of 0.15 person scales, the width of limbs.

    Source:
        MRAA's mean and principal axes of a region's heat map, of joints instead: our reading.
    """
    share = _members(visible)
    share = share / share.sum(-1, keepdim=True).clamp_min(1)
    centre = share @ points
    apart = points[:, None] - centre[:, :, None]
    covariance = (share[..., None] * apart).mT @ apart
    width = WIDTH * person_scale(points, visible)
    eye = torch.eye(2, dtype=points.dtype, device=points.device)
    return centre, covariance + width.square()[:, None, None, None] * eye


def person_scale(
    points: Float[Tensor, "b 18 2"], visible: Bool[Tensor, "b 18"]
) -> Float[Tensor, " b"]:
    """Measure people (B,), positive: from neck to the middle of the hips, else the median limb.

    Only ``visible`` joints count; 0.5 where nothing can be measured.
    """
    torso = (points[:, NECK] - _mid_hip(points, visible)).norm(dim=-1)
    first, second = torch.tensor(REGIONS[2:], device=points.device).T
    known = visible[:, first] & visible[:, second]
    length = (points[:, first] - points[:, second]).norm(dim=-1)
    ordered = torch.where(known, length, torch.inf).sort(dim=-1).values
    median = ordered.gather(1, ((known.sum(-1) - 1) // 2).clamp_min(0)[:, None])[:, 0]
    median = torch.where(known.any(-1), median, UNKNOWN_SCALE)
    has_torso = visible[:, NECK] & visible[:, HIPS].any(-1)
    return torch.where(has_torso, torso, median).clamp_min(1e-3)


def oriented_matrices(
    source: Float[Tensor, "b 18 2"], target: Float[Tensor, "b 18 2"], known: Bool[Tensor, "b 18"]
) -> Float[Tensor, "b 10 2 2"]:
    """Map every region's axes in the target to those in the source, oriented by the joints.

    The first axis of a limb points from its first joint to its second, of the torso from the hips
    to the neck, of the head from the neck to the nose (where these are missing, the best
    rotation of the other joints). This covers any rotation, but no mirror and no shear.

    Args:
        source: Joints (B, 18, 2) of the source.
        target: Joints (B, 18, 2) of the target.
        known: (B, 18), joints visible in both images.

    Returns:
        Matrices (B, 10, 2, 2), stretch along either axis within [1/4, 4]. A head of one joint
        turns with the torso. Those of unknown regions (`known_regions`) are arbitrary.

    Source:
        MRAA's A_S A_D^-1 with our own axes instead of those of a singular value decomposition.
    """
    covariances = [moments(points, known)[1] for points in (source, target)]
    axes = _directions(source, target, known)
    matrix = torch.zeros_like(covariances[0])
    for turn in (0.0, 1.0):
        s, t = (_quarter_turn(axis) if turn else axis for axis in axes)
        reach_s, reach_t = (
            _along(c, axis).clamp_min(TINY).sqrt()
            for c, axis in zip(covariances, (s, t), strict=True)
        )
        stretch = (reach_s / reach_t).clamp(MIN_STRETCH, MAX_STRETCH)
        matrix = matrix + stretch[..., None, None] * s[..., :, None] * t[..., None, :]
    return _follow_the_torso(matrix, known)


def svd_matrices(
    source: Float[Tensor, "b 18 2"], target: Float[Tensor, "b 18 2"], known: Bool[Tensor, "b 18"]
) -> Float[Tensor, "b 10 2 2"]:
    """Map every region's principal axes in the target to those in the source, as MRAA does.

    Arguments are those of `oriented_matrices`. Axes have no sign: the one that makes the first
    entry of the matrix positive is taken, which excludes turns beyond 90 degrees. The longer axis
    comes first, so that a region that becomes wider than long turns by 90 degrees.

    Returns:
        Matrices A_S A_D^-1 (B, 10, 2, 2) with A = U S^(1/2).

    Source:
        MRAA's regions with the sign fix of its authors' code.
    """
    roots = [_principal_root(moments(points, known)[1]) for points in (source, target)]
    matrix = roots[0] @ torch.linalg.inv(roots[1])
    sign = torch.where(matrix[..., :1, :1] < 0, -1.0, 1.0)
    return _follow_the_torso(sign * matrix, known)


def region_maps(
    points: Float[Tensor, "b 18 2"], visible: Bool[Tensor, "b 18"], cells: Float[Tensor, "n 2"]
) -> Float[Tensor, "b 10 n"]:
    """Draw every region as a Gaussian of its mean and covariance: (B, 10, N) in [0, 1].

    Args:
        points: Joints (B, 18, 2) of one image.
        visible: (B, 18), the joints visible in this image; a region may be unknown: zero.
        cells: Positions (N, 2).

    Source:
        MRAA's heat maps with true covariance, exp(-(z - mu)^T Sigma^-1 (z - mu) / 2).
    """
    centre, covariance = moments(points, visible)
    apart = cells - centre[:, :, None]
    square = (apart @ torch.linalg.inv(covariance) * apart).sum(-1)
    gaussian = torch.where(square < FAR, torch.exp(-square / 2), 0.0)
    return gaussian * known_regions(visible)[..., None]


def _members(visible: Tensor) -> Float[Tensor, "b 10 18"]:
    member = torch.zeros(len(REGIONS), 18, device=visible.device)
    for region, joints in enumerate(REGIONS):
        member[region, list(joints)] = 1.0
    return member * visible[:, None]


def _mid_hip(points: Tensor, visible: Tensor) -> Float[Tensor, "b 2"]:
    weight = visible[:, HIPS].to(points.dtype)[..., None]
    return (points[:, HIPS] * weight).sum(1) / weight.sum(1).clamp_min(1)


def _directions(
    source: Tensor, target: Tensor, known: Tensor
) -> tuple[Float[Tensor, "b 10 2"], Float[Tensor, "b 10 2"]]:
    """Return the first axis of every region in both images."""
    first, second = torch.tensor(REGIONS[2:], device=source.device).T
    axes = []
    for points in (source, target):
        head, torso = points[:, NOSE] - points[:, NECK], points[:, NECK] - _mid_hip(points, known)
        limbs = points[:, second] - points[:, first]
        axes.append(torch.cat((head[:, None], torso[:, None], limbs), dim=1))
    has_torso = known[:, NECK] & known[:, HIPS].any(-1)
    given = torch.ones(*known.shape[:1], len(REGIONS), dtype=torch.bool, device=known.device)
    given[:, HEAD], given[:, TORSO] = known[:, NOSE] & known[:, NECK], has_torso
    for axis in axes:
        given = given & (axis.norm(dim=-1) > TINY)
    up = torch.zeros_like(axes[0])
    up[..., 1] = -1.0
    turned = (_best_turn(source, target, known) @ up[..., None])[..., 0]
    units = [axis / axis.norm(dim=-1, keepdim=True).clamp_min(TINY) for axis in axes]
    use = given[..., None]
    return torch.where(use, units[0], turned), torch.where(use, units[1], up)


def _best_turn(source: Tensor, target: Tensor, known: Tensor) -> Float[Tensor, "b 10 2 2"]:
    share = _members(known)
    mean = share / share.sum(-1, keepdim=True).clamp_min(1)
    s, t = (points[:, None] - (mean @ points)[:, :, None] for points in (source, target))
    fitted = similarity(s, t, share)
    scale = fitted[..., :, 0].norm(dim=-1)
    return fitted / scale.clamp_min(TINY)[..., None, None]


def _quarter_turn(axis: Tensor) -> Tensor:
    return torch.stack((-axis[..., 1], axis[..., 0]), dim=-1)


def _along(covariance: Tensor, axis: Tensor) -> Tensor:
    return (axis * (covariance @ axis[..., None])[..., 0]).sum(-1)


def _principal_root(covariance: Tensor) -> Float[Tensor, "b 10 2 2"]:
    """Compute U S^(1/2) of symmetric 2x2 matrices in closed form, the longer axis first."""
    a, b, d = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    middle, radius = (a + d) / 2, (((a - d) / 2).square() + b.square()).sqrt()
    angle = torch.atan2(2 * b, a - d) / 2
    axis = torch.stack((angle.cos(), angle.sin()), dim=-1)
    reach = torch.stack((middle + radius, (middle - radius).clamp_min(TINY)), dim=-1).sqrt()
    return torch.stack((axis, _quarter_turn(axis)), dim=-1) * reach[..., None, :]


def _follow_the_torso(matrix: Tensor, known: Tensor) -> Tensor:
    eye = torch.eye(2, dtype=matrix.dtype, device=matrix.device)
    torso = known_regions(known)[:, TORSO, None, None]
    alone = (_members(known)[:, HEAD].sum(-1) < 2)[:, None, None]
    head = torch.where(alone, torch.where(torso, matrix[:, TORSO], eye), matrix[:, HEAD])
    return torch.cat((head[:, None], matrix[:, TORSO:]), dim=1)
