"""Local maps of the parametric rivals: 2x2 algebra in square units.

Square units are normalised coordinates with x multiplied by the image's aspect, so that a rotation
is one whatever the shape of the image. A map carries target points to source points (a backward
map); matrices act on (x, y) columns.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.flow import Size, identity
from reidaug.geometry.pose import Pose, normalised

MIN_STRETCH, MAX_STRETCH = 0.25, 4.0


def aspect(size: Size, like: Tensor) -> Float[Tensor, "2"]:
    """Return the factors from normalised coordinates to square units, as ``like``."""
    height, width = size
    return torch.tensor(((width - 1) / (height - 1), 1.0), dtype=like.dtype, device=like.device)


def in_square_units(pose: Pose, size: Size) -> Float[Tensor, "*b j 2"]:
    """Convert joints from pixels of an image to square units; missing ones become zero."""
    points = normalised(pose, size) * aspect(size, pose.xy)
    return torch.where(pose.visible[..., None], points, torch.zeros_like(points))


def square_grid(grid: Size, size: Size, like: Tensor) -> Float[Tensor, "n 2"]:
    """List a grid's cells row by row, in square units of an image, as ``like``."""
    cells = identity(*grid, device=like.device).to(like.dtype).flatten(1).T
    return cells * aspect(size, like)


def as_flows(
    points: Float[Tensor, "b k n 2"], grid: Size, size: Size
) -> Float[Tensor, "b k 2 h w"]:
    """Convert moved cells of `square_grid` (B, K, N, 2) to flows (B, K, 2, *grid)."""
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
    """Solve M gram = cross with a pull r towards the identity: (cross + r I) (gram + r I)^-1.

    With cross = S T^T and gram = T T^T it is S T^-1 where T is far from singular, exactly the
    identity where S = T, and finite everywhere.

    Args:
        cross: (..., 2, 2).
        gram: (..., 2, 2), symmetric and not negative.
        ridge: The pull r, positive.
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
    factor = size.clamp(MIN_STRETCH, MAX_STRETCH) / size
    cosine, sine = cosine * factor, sine * factor
    return torch.stack((cosine, -sine, sine, cosine), dim=-1).unflatten(-1, (2, 2))
