"""Task 1, `affine` in recipes: a random affine map is the known flow. Eqs. 4, 5 and 8.

Maps are pairs (matrix, offset), see `reidaug.geometry.affine`. With the synthetic source pose
p_st(q) = p_t(A q + b), the flow s_f(q) = A^-1 (q - b) warps p_st back into p_t.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.geometry.affine import apply, inverse
from reidaug.geometry.flow import Size, from_affine, to_normalised, to_pixels
from reidaug.geometry.pose import Pose

SCALE_RANGE = 0.25  # a2 and a5 - 1
SHEAR_RANGE = 0.2  # a3 and a4
SHIFT_RANGE = 0.25  # b1 and b2
MIN_DETERMINANT = 0.4


def random_upright_affine(
    count: int, generator: torch.Generator, *, flip: bool = True
) -> tuple[Float[Tensor, "count 2 2"], Float[Tensor, "count 2"]]:
    """Draw affine maps that keep a skeleton roughly upright.

    The matrix is [[(-1)^a1 + a2, a3], [a4, a5]] and the offset (b1, b2), x first. a1 mirrors left
    and right in half of the maps, as a turn from front to back does to shoulders and hips; joints
    keep their names. Nearly singular maps are drawn again.

    Args:
        count: Number of maps.
        generator: Random generator, on the CPU.
        flip: Whether a1 may be 1.

    Returns:
        Matrices A (count, 2, 2) with |det| >= 0.4 and offsets b (count, 2).

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
        matrices = torch.cat((matrices, drawn[drawn.det().abs() >= MIN_DETERMINANT]))
    offset = SHIFT_RANGE * (2 * torch.rand(count, 2, generator=generator) - 1)
    return matrices[:count], offset


def move_pose(
    pose: Pose, matrix: Float[Tensor, "b 2 2"], offset: Float[Tensor, "b 2"], size: Size
) -> Pose:
    """Move joints so that the map carries them back: x to A^-1 (x - b), p_t to p_st.

    Round Gaussians drawn at the moved joints, instead of pose maps sampled at A q + b, keep the
    maps of training and of use alike.

    Args:
        pose: Target joints (B, J, 2) in pixels.
        matrix: A (B, 2, 2).
        offset: b (B, 2).
        size: (height, width) of the image the joints belong to.

    Returns:
        Joints of p_st in pixels; the same are visible, also outside the image.

    Source:
        UnWarpME Eqs. 4-5.
    """
    moved = apply(*inverse(matrix, offset), to_normalised(pose.xy, size))
    return Pose(to_pixels(moved, size), pose.visible)


def known_flow(
    matrix: Float[Tensor, "b 2 2"], offset: Float[Tensor, "b 2"], size: Size
) -> Float[Tensor, "b 2 h w"]:
    """Build the flow s_f(q) = A^-1 (q - b) from the synthetic source pose to the real target pose.

    Args:
        matrix: A (B, 2, 2).
        offset: b (B, 2).
        size: (height, width) of the flow.

    Source:
        UnWarpME Eq. 5. The target pose is the real one, hence the inverse.
    """
    return from_affine(*inverse(matrix, offset), size)


def affine_preserving_loss(
    flow: Float[Tensor, "b 2 h w"], affine_flow: Float[Tensor, "b 2 h w"]
) -> Float[Tensor, ""]:
    """Compare the flow W(p_st, p_t) with the known one, s_f, on the same grid.

    Returns:
        Mean absolute difference in normalised units. Cells that s_f samples outside the source
        are left out: a pose says nothing about them.

    Source:
        UnWarpME Eq. 8. The paper names no norm.
    """
    inside = (affine_flow.abs() <= 1).all(1, keepdim=True).expand_as(flow)
    return ((flow - affine_flow).abs() * inside).sum() / inside.sum().clamp_min(1)
