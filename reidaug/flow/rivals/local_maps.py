"""Local maps from joints: the 2x2 algebra of the rivals, and FOMM's analytic Jacobians.

Everything here works in square units: normalised coordinates with x multiplied by the image's
aspect, so that a turn on paper is a turn here, whatever the shape of the image. A map carries
target points to source points (a backward map); matrices act on (x, y) columns.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.flow import Size, identity
from reidaug.geometry.pose import Pose, normalised

LEAST_STRETCH, MOST_STRETCH = 0.25, 4.0

# Neighbours in the skeleton of OPENPOSE_18: joints from which a joint's Jacobian is fitted.
BONES = (
    (0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
COLLINEAR = 0.01  # of the gram matrix: determinant over squared trace, at most 1/4


def aspect(size: Size, like: Tensor) -> Float[Tensor, "2"]:
    """Give what normalised coordinates are multiplied by to become square units.

    Args:
        size: (height, width) of the image.
        like: A tensor of the device and type wanted.

    Returns:
        (width - 1) / (height - 1) and 1.
    """
    height, width = size
    return torch.tensor(((width - 1) / (height - 1), 1.0), dtype=like.dtype, device=like.device)


def in_square_units(pose: Pose, size: Size) -> Float[Tensor, "*b j 2"]:
    """Give joint positions in square units.

    Args:
        pose: Joints (..., J, 2) in pixels.
        size: (height, width) of the image they belong to.

    Returns:
        Positions (..., J, 2); zero where a joint is missing, whatever its position says.
    """
    points = normalised(pose, size) * aspect(size, pose.xy)
    return torch.where(pose.visible[..., None], points, torch.zeros_like(points))


def square_grid(grid: Size, size: Size, like: Tensor) -> Float[Tensor, "n 2"]:
    """List the cells of a grid in square units, row by row.

    Args:
        grid: (height, width) of the grid.
        size: (height, width) of the image.
        like: A tensor of the device and type wanted.

    Returns:
        Points (height * width, 2).
    """
    cells = identity(*grid, device=like.device).to(like.dtype).flatten(1).T
    return cells * aspect(size, like)


def as_flows(
    points: Float[Tensor, "b k n 2"], grid: Size, size: Size
) -> Float[Tensor, "b k 2 h w"]:
    """Turn moved grid points into flows.

    Args:
        points: Where the cells of `square_grid` go (B, K, N, 2), in square units.
        grid: (height, width) of the grid.
        size: (height, width) of the image.

    Returns:
        Flows (B, K, 2, *grid), see `reidaug.geometry.flow`.
    """
    return (points / aspect(size, points)).transpose(2, 3).unflatten(-1, grid)


def local_maps(
    points: Float[Tensor, "n 2"],
    matrix: Float[Tensor, "b k 2 2"],
    source: Float[Tensor, "b k 2"],
    target: Float[Tensor, "b k 2"],
    known: Bool[Tensor, "b k"],
) -> Float[Tensor, "b k n 2"]:
    """Map the plane around every keypoint: z goes to source + matrix (z - target).

    Args:
        points: Points z (N, 2) of the target.
        matrix: Linear part around each keypoint (B, K, 2, 2).
        source: Keypoints (B, K, 2) in the source.
        target: Keypoints (B, K, 2) in the target.
        known: (B, K); where False the map is the identity.

    Returns:
        Moved points (B, K, N, 2).

    Source:
        FOMM's first-order map T(z) = p_S + J_S J_D^-1 (z - p_D); MRAA's has the same form.
    """
    moved = (points - target[:, :, None]) @ matrix.mT + source[:, :, None]
    return torch.where(known[..., None, None], moved, points)


def ratio(
    cross: Float[Tensor, "*b 2 2"],
    gram: Float[Tensor, "*b 2 2"],
    ridge: Float[Tensor, "*b"] | float,
) -> Float[Tensor, "*b 2 2"]:
    """Solve M gram = cross with a pull towards the identity: (cross + r I) (gram + r I)^-1.

    With cross = S T^T and gram = T T^T it is S T^-1 where T is far from singular, exactly the
    identity where S = T, and finite everywhere.

    Args:
        cross: (..., 2, 2).
        gram: (..., 2, 2), symmetric and not negative.
        ridge: The pull r, positive.

    Returns:
        M (..., 2, 2).
    """
    eye = torch.eye(2, dtype=gram.dtype, device=gram.device)
    pull = torch.as_tensor(ridge, dtype=gram.dtype, device=gram.device)[..., None, None] * eye
    (a, b), (c, d) = ((gram + pull)[..., row, :].unbind(-1) for row in range(2))
    adjugate = torch.stack((d, -b, -c, a), dim=-1).unflatten(-1, (2, 2))
    return (cross + pull) @ adjugate / (a * d - b * c)[..., None, None]


def similarity(
    source: Float[Tensor, "*b n 2"], target: Float[Tensor, "*b n 2"], weight: Float[Tensor, "*b n"]
) -> Float[Tensor, "*b 2 2"]:
    """Fit the turn and scale that carry target vectors to source vectors, by least squares.

    Args:
        source: Vectors (..., N, 2) to reach.
        target: Vectors (..., N, 2) to start from.
        weight: (..., N) weights, 0 leaves a vector out.

    Returns:
        Matrices (..., 2, 2), turn times a scale within [1/4, 4]; the identity without vectors.
    """
    dot = (weight * (source * target).sum(-1)).sum(-1)
    across = weight * (target[..., 0] * source[..., 1] - target[..., 1] * source[..., 0])
    square = (weight * target.square().sum(-1)).sum(-1)
    cosine, sine = ((part / (square + 1e-6)) for part in (dot + 1e-6, across.sum(-1)))
    size = (cosine.square() + sine.square()).clamp_min(1e-12).sqrt()
    factor = size.clamp(LEAST_STRETCH, MOST_STRETCH) / size
    cosine, sine = cosine * factor, sine * factor
    return torch.stack((cosine, -sine, sine, cosine), dim=-1).unflatten(-1, (2, 2))


def clamp_stretch(matrix: Float[Tensor, "*b 2 2"]) -> Float[Tensor, "*b 2 2"]:
    """Bring both singular values into [1/4, 4]; directions and orientation stay.

    Args:
        matrix: (..., 2, 2).

    Returns:
        Matrices of the same shape.
    """
    # A 2x2 matrix is a scaled turn of size p plus a scaled mirror turn of size q; its singular
    # values are p + q and |p - q|.
    flipped = torch.stack(
        (matrix[..., 1, 1], -matrix[..., 1, 0], -matrix[..., 0, 1], matrix[..., 0, 0]), dim=-1
    ).unflatten(-1, (2, 2))
    turn, mirror = (matrix + flipped) / 2, (matrix - flipped) / 2
    p, q = (part.square().sum((-2, -1)).div(2).clamp_min(1e-24).sqrt() for part in (turn, mirror))
    sign = torch.where(p >= q, 1.0, -1.0)
    large, small = ((v.clamp(LEAST_STRETCH, MOST_STRETCH)) for v in (p + q, (p - q).abs()))
    keep_turn, keep_mirror = (large + sign * small) / 2 / p, (large - sign * small) / 2 / q
    return turn * keep_turn[..., None, None] + mirror * keep_mirror[..., None, None]


def analytic_jacobians(
    source: Float[Tensor, "b 18 2"],
    target: Float[Tensor, "b 18 2"],
    known: Bool[Tensor, "b 18"],
    *,
    ridge: float = 1e-3,
) -> Float[Tensor, "b 18 2 2"]:
    """Fit the linear map around every joint from its neighbours in the skeleton.

    Two neighbours that do not lie on a line through the joint give an affine map, fewer a
    similarity, none the identity.

    Args:
        source: Joints (B, 18, 2) of the source, in square units.
        target: Joints (B, 18, 2) of the target.
        known: (B, 18), which joints both images show.
        ridge: Pull towards the identity, relative to the spread of the neighbours.

    Returns:
        J_S J_D^-1 (B, 18, 2, 2), singular values within [1/4, 4]. A front that becomes a back may
        mirror.

    Source:
        FOMM's product of Jacobians, fitted instead of learned: our reading of how it could be had
        from given joints.
    """
    near = torch.zeros(18, 18, dtype=source.dtype, device=source.device)
    ends = torch.tensor(BONES, device=source.device).T
    near[ends[0], ends[1]] = near[ends[1], ends[0]] = 1.0
    weight = near * (known[:, :, None] & known[:, None, :])
    s, t = (points[:, None] - points[:, :, None] for points in (source, target))
    gram = (weight[..., None] * t).mT @ t
    cross = (weight[..., None] * s).mT @ t
    trace = gram.diagonal(dim1=-2, dim2=-1).sum(-1)
    affine = ratio(cross, gram, ridge * trace + 1e-9)
    determinant = gram[..., 0, 0] * gram[..., 1, 1] - gram[..., 0, 1].square()
    enough = determinant > COLLINEAR * trace.square()
    turn = similarity(s, t, weight)
    return clamp_stretch(torch.where(enough[..., None, None], affine, turn))
