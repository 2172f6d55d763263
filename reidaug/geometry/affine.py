"""Affine maps of points: inverse, application, least-squares fit.

Convention: see `reidaug.geometry.flow`. A map is a pair (matrix, offset) acting on normalised
(x, y) columns: q -> matrix @ q + offset.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def inverse(
    matrix: Float[Tensor, "*b 2 2"], offset: Float[Tensor, "*b 2"]
) -> tuple[Float[Tensor, "*b 2 2"], Float[Tensor, "*b 2"]]:
    """Invert affine maps of linear parts (..., 2, 2) and translations (..., 2).

    The result is matrix and offset of the map p -> matrix^-1 (p - offset).
    """
    back = torch.linalg.inv(matrix)
    return back, -(back @ offset[..., None])[..., 0]


def apply(
    matrix: Float[Tensor, "*b 2 2"], offset: Float[Tensor, "*b 2"], points: Float[Tensor, "*b n 2"]
) -> Float[Tensor, "*b n 2"]:
    """Move normalised points (..., N, 2), x then y, by affine maps (..., 2, 2) and (..., 2)."""
    return points @ matrix.transpose(-1, -2) + offset[..., None, :]


def fit(
    source: Float[Tensor, "b n 2"],
    target: Float[Tensor, "b n 2"],
    weight: Float[Tensor, "b n"] | Bool[Tensor, "b n"],
    *,
    ridge: float = 1e-3,
) -> tuple[Float[Tensor, "b 2 2"], Float[Tensor, "b 2"]]:
    """Fit the affine map from target points to source points, by least squares.

    A small ridge pulls the linear part towards the identity, so that few or collinear points give
    a translation rather than a fold; no point at all gives the identity.

    Args:
        source: Normalised points (B, N, 2) to reach.
        target: Normalised points (B, N, 2) to start from.
        weight: (B, N) weights, 0 leaves a pair out (its coordinates may be anything, also NaN).
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
