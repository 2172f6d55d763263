"""Affine maps between poses: the known answer of UnWarpME's first task.

Convention: see `reidaug.geometry.flow`. A map is a pair (matrix, offset) acting on normalised
(x, y) columns: q -> matrix @ q + offset.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.flow import Size, to_normalised, to_pixels
from reidaug.geometry.pose import Pose

SCALE_RANGE = 0.25  # a2 and a5 - 1
SHEAR_RANGE = 0.2  # a3 and a4
SHIFT_RANGE = 0.25  # b1 and b2
SMALLEST_DETERMINANT = 0.4


def random_upright_affine(
    count: int, generator: torch.Generator, *, flip: bool = True
) -> tuple[Float[Tensor, "count 2 2"], Float[Tensor, "count 2"]]:
    """Draw affine maps that keep a skeleton roughly upright.

    The matrix is [[(-1)^a1 + a2, a3], [a4, a5]] and the offset (b1, b2), x first: a1 mirrors left
    and right in half of the maps, which is what a turn from front to back does to shoulders and
    hips, so joints keep their names. Maps that nearly lose a dimension are drawn again.

    Args:
        count: How many maps.
        generator: Source of randomness, on the CPU.
        flip: Whether a1 may be 1.

    Returns:
        Matrices (count, 2, 2) with |det| >= 0.4 and offsets (count, 2).

    Source:
        UnWarpME Eq. 4, Sec. 4.1.2. The paper prints no ranges; ours: a2 in +-0.25, a3 and a4 in
        +-0.2, a5 in 1 +- 0.25, b in +-0.25 of normalised coordinates. The paper's (v, u) is read
        as (x, y): with rows first, (-1)^a1 would turn people upside down.
    """
    matrices = torch.empty(0, 2, 2)
    while len(matrices) < count:
        a = 2 * torch.rand(count, 4, generator=generator) - 1
        mirrored = torch.rand(count, generator=generator) < (0.5 if flip else 0.0)
        drawn = torch.stack(
            (
                torch.where(mirrored, -1.0, 1.0) + SCALE_RANGE * a[:, 0],
                SHEAR_RANGE * a[:, 1],
                SHEAR_RANGE * a[:, 2],
                1.0 + SCALE_RANGE * a[:, 3],
            ),
            dim=1,
        ).unflatten(1, (2, 2))
        matrices = torch.cat((matrices, drawn[drawn.det().abs() >= SMALLEST_DETERMINANT]))
    offset = SHIFT_RANGE * (2 * torch.rand(count, 2, generator=generator) - 1)
    return matrices[:count], offset


def inverse(
    matrix: Float[Tensor, "*b 2 2"], offset: Float[Tensor, "*b 2"]
) -> tuple[Float[Tensor, "*b 2 2"], Float[Tensor, "*b 2"]]:
    """Undo affine maps.

    Args:
        matrix: Linear parts (..., 2, 2), invertible.
        offset: Translations (..., 2).

    Returns:
        Matrix and offset of the map p -> matrix^-1 (p - offset).

    Source:
        UnWarpME Eq. 5. With p_st(q) = p_t(A q + b), the flow s_f(q) = A^-1 (q - b) warps p_st back
        into p_t.
    """
    back = torch.linalg.inv(matrix)
    return back, -(back @ offset[..., None])[..., 0]


def apply(
    matrix: Float[Tensor, "*b 2 2"], offset: Float[Tensor, "*b 2"], points: Float[Tensor, "*b n 2"]
) -> Float[Tensor, "*b n 2"]:
    """Move points by affine maps.

    Args:
        matrix: Linear parts (..., 2, 2).
        offset: Translations (..., 2).
        points: Normalised points (..., N, 2), x then y.

    Returns:
        Moved points (..., N, 2).
    """
    return points @ matrix.transpose(-1, -2) + offset[..., None, :]


def move_pose(
    pose: Pose, matrix: Float[Tensor, "b 2 2"], offset: Float[Tensor, "b 2"], size: Size
) -> Pose:
    """Make the synthetic source pose of task 1 by moving joints.

    Sampling the pose maps at A q + b moves every joint to A^-1 (x - b). Drawing round Gaussians at
    the moved joints, instead of sampling the maps, keeps the maps of training and of use alike.

    Args:
        pose: Target joints (B, J, 2) in pixels.
        matrix: A of Eq. 4, (B, 2, 2).
        offset: b of Eq. 4, (B, 2).
        size: (height, width) of the image the joints belong to.

    Returns:
        Joints of p_st in pixels; the same are visible, also where they leave the image.

    Source:
        UnWarpME Eqs. 4-5.
    """
    moved = apply(*inverse(matrix, offset), to_normalised(pose.xy, size))
    return Pose(to_pixels(moved, size), pose.visible)


def fit(
    source: Float[Tensor, "b n 2"],
    target: Float[Tensor, "b n 2"],
    weight: Float[Tensor, "b n"] | Bool[Tensor, "b n"],
    *,
    ridge: float = 1e-3,
) -> tuple[Float[Tensor, "b 2 2"], Float[Tensor, "b 2"]]:
    """Fit the affine map that carries target points to source points, by least squares.

    A small ridge pulls the linear part towards the identity, so that few or collinear points give
    a translation rather than a fold; no point at all gives the identity.

    Args:
        source: Normalised points (B, N, 2) to reach.
        target: Normalised points (B, N, 2) to start from.
        weight: (B, N) weights, 0 leaves a pair out (its coordinates may be anything finite).
        ridge: Weight of the pull, relative to one point one unit from the centre.

    Returns:
        Matrices (B, 2, 2) and offsets (B, 2): a backward map, ready for `flow.from_affine`.
    """
    w = weight.to(source.dtype)[..., None]
    total = w.sum(1).clamp_min(1e-9)
    source = torch.where(w > 0, source, torch.zeros_like(source))
    target = torch.where(w > 0, target, torch.zeros_like(target))
    centre_s, centre_t = (w * source).sum(1) / total, (w * target).sum(1) / total
    s, t = source - centre_s[:, None], target - centre_t[:, None]
    eye = torch.eye(2, dtype=source.dtype, device=source.device)
    gram = (w * t).transpose(1, 2) @ t + ridge * eye
    cross = (w * t).transpose(1, 2) @ (s - t)
    matrix = eye + torch.linalg.solve(gram, cross).transpose(1, 2)
    return matrix, centre_s - (matrix @ centre_t[..., None])[..., 0]
