"""Thin-plate splines through corresponding points."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.flow import Size, identity

# The linear part, which few points do not determine, is damped more than the offset.
DAMPING = (1e-9, 1e-6, 1e-6)


def thin_plate_flow(
    source: Float[Tensor, "b n 2"],
    target: Float[Tensor, "b n 2"],
    visible: Bool[Tensor, "b n"],
    size: Size,
    *,
    ridge: float = 1e-4,
) -> Float[Tensor, "b 2 h w"]:
    """Fit the thin-plate spline from target points to source points.

    The spline is fitted to displacements, so that its affine part is regularised to the identity.
    The solve with invisible points masked equals the solve without them. With one visible point
    the ridge keeps the affine part at a translation, with two near a similarity; without any the
    flow is the identity.

    Args:
        source: Normalised control points (B, N, 2) in the source.
        target: The same points (B, N, 2) in the target.
        visible: (B, N), which of them to use.
        size: (height, width) of the flow.
        ridge: Regularisation of the bending; 0 interpolates points in general position exactly.

    Returns:
        Flow (B, 2, *size), see `reidaug.geometry.flow`.

    Source:
        Bookstein 1989; UnWarpME Eq. 1 (TPSMM's transformation): same kernel U(r) = r^2 log r^2.
    """
    points = identity(*size, device=source.device).to(source.dtype).flatten(1).T
    moved = bend(points, source, target, visible, ridge=ridge)
    return moved.transpose(1, 2).unflatten(-1, size)


def bend(
    points: Float[Tensor, "m 2"],
    source: Float[Tensor, "b n 2"],
    target: Float[Tensor, "b n 2"],
    visible: Bool[Tensor, "b n"],
    *,
    ridge: float,
    damping: Sequence[float] = DAMPING,
) -> Float[Tensor, "b m 2"]:
    """Map points (M, 2) from the target to the source (B, M, 2) by thin-plate splines.

    A control point misses its position by ``ridge`` times its kernel weight.

    Args:
        points: Points (M, 2) of the target.
        source: Control points (B, N, 2) in the source.
        target: The same points (B, N, 2) in the target.
        visible: (B, N), which of them to use; the others may be anything.
        ridge: Regularisation of the bending.
        damping: Ridge on the affine part of the displacement: offset, x, y.
    """
    weight, affine = _solve(source, target, visible, ridge, damping)
    centres = torch.where(visible[..., None], target, torch.zeros_like(target))
    rows = points.expand(source.shape[0], -1, -1)
    return rows + _kernel(rows, centres) @ weight + _homogeneous(rows) @ affine


def _solve(
    source: Tensor, target: Tensor, visible: Tensor, ridge: float, damping: Sequence[float]
) -> tuple[Float[Tensor, "b n 2"], Float[Tensor, "b 3 2"]]:
    """Solve the masked system [[K + ridge, P], [P^T, -eps]] [w; a] = [displacement; 0]."""
    batch, count = visible.shape
    used = visible.to(source.dtype)
    target = torch.where(visible[..., None], target, torch.zeros_like(target))
    source = torch.where(visible[..., None], source, torch.zeros_like(source))
    pairs = used[:, :, None] * used[:, None, :]
    eye = torch.eye(count, dtype=source.dtype, device=source.device)
    kernel = _kernel(target, target) * pairs + ridge * eye
    kernel = kernel + torch.diag_embed(1 - used)  # decouples every point that is not used
    plane = _homogeneous(target) * used[..., None]
    system = torch.zeros(batch, count + 3, count + 3, dtype=source.dtype, device=source.device)
    system[:, :count, :count] = kernel
    system[:, :count, count:] = plane
    system[:, count:, :count] = plane.transpose(1, 2)
    system[:, count:, count:] = -torch.diag(torch.tensor(damping).to(system))
    shift = source - target
    right = torch.cat((shift, torch.zeros_like(shift[:, :1]).expand(-1, 3, -1)), dim=1)
    solved = torch.linalg.solve(system.double(), right.double()).to(source.dtype)
    return solved[:, :count] * used[..., None], solved[:, count:]


def _kernel(points: Tensor, centres: Tensor) -> Tensor:
    squared = ((points[:, :, None] - centres[:, None]) ** 2).sum(-1)
    return squared * torch.log(squared + 1e-12)


def _homogeneous(points: Tensor) -> Tensor:
    return torch.cat((torch.ones_like(points[..., :1]), points), dim=-1)
