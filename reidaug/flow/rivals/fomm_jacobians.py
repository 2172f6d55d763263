"""FOMM's Jacobians at the joints, learned or fitted; conventions as in `local_maps`."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reidaug.flow.layers import Hourglass
from reidaug.flow.rivals.local_maps import MAX_STRETCH, MIN_STRETCH, ratio, similarity
from reidaug.geometry.pose import OPENPOSE_18

JOINTS = len(OPENPOSE_18)
SINGULAR = 0.05**2  # pull on J J^T: what |det J| >= 0.05 guards against
# Neighbours in the skeleton of OPENPOSE_18: joints from which a joint's Jacobian is fitted.
BONES = (
    (0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
COLLINEAR = 0.01  # of the gram matrix: determinant over squared trace, at most 1/4


class JacobianNetwork(nn.Module):
    """Predicts a Jacobian a joint from one pose alone; at first the identity.

    Args:
        expansion: Width of the hourglass.
        blocks: Number of halvings in the hourglass.
        limit: Most channels in the hourglass.

    Source:
        The Jacobian head of FOMM's keypoint detector, with pose maps as its input; UnWarpME
        Sec. 3.1 has another autoencoder estimate what joints do not determine.
    """

    def __init__(self, *, expansion: int = 32, blocks: int = 5, limit: int = 1024) -> None:
        super().__init__()
        self.hourglass = Hourglass(JOINTS, expansion=expansion, blocks=blocks, limit=limit)
        self.head = nn.Conv2d(self.hourglass.channels[-1], 4 * JOINTS, 7, padding=3)
        nn.init.zeros_(self.head.weight)
        self.head.bias = nn.Parameter(torch.tensor((1.0, 0.0, 0.0, 1.0)).repeat(JOINTS))

    def forward(self, maps: Float[Tensor, "b 18 h w"]) -> Float[Tensor, "b 18 2 2"]:
        """Predict one Jacobian a joint (B, 18, 2, 2) from pose maps (B, 18, h, w).

        It is the mean of the network's output around the joint; the identity where a joint is
        missing or far outside the image.
        """
        output = self.head(self.hourglass(maps)[-1]).float().unflatten(1, (JOINTS, 4))
        weight = maps / (maps.sum((-2, -1), keepdim=True) + 1e-3)
        mean = (weight[:, :, None] * output).sum((-2, -1))
        rest = 1 - weight.sum((-2, -1))
        matrix: Tensor = mean.unflatten(-1, (2, 2))
        return matrix + rest[..., None, None] * torch.eye(2, device=maps.device)


def jacobian_ratio(
    source: Float[Tensor, "*b 2 2"], target: Float[Tensor, "*b 2 2"]
) -> Float[Tensor, "*b 2 2"]:
    """Divide Jacobians, J_S J_D^-1 (..., 2, 2), also near singular ones.

    The identity where both are equal, finite everywhere.

    Source:
        FOMM's J_S J_D^-1; a ridge on J_D J_D^T replaces its lower bound of |det J_D|.
    """
    return ratio(source @ target.mT, target @ target.mT, SINGULAR)


def analytic_jacobians(
    source: Float[Tensor, "b 18 2"],
    target: Float[Tensor, "b 18 2"],
    known: Bool[Tensor, "b 18"],
    *,
    ridge: float = 1e-3,
) -> Float[Tensor, "b 18 2 2"]:
    """Fit the linear map around every joint to its neighbours in the skeleton.

    Two neighbours that are not collinear with the joint give an affine map, fewer a similarity,
    none the identity.

    Args:
        source: Joints (B, 18, 2) of the source, in square units.
        target: Joints (B, 18, 2) of the target.
        known: (B, 18), joints visible in both images.
        ridge: Pull towards the identity, relative to the spread of the neighbours.

    Returns:
        J_S J_D^-1 (B, 18, 2, 2), singular values within [1/4, 4]. A turn from front to back may
        mirror.

    Source:
        FOMM's product of Jacobians, fitted instead of learned: our reading for given joints.
    """
    near = torch.zeros(JOINTS, JOINTS, dtype=source.dtype, device=source.device)
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


def clamp_stretch(matrix: Float[Tensor, "*b 2 2"]) -> Float[Tensor, "*b 2 2"]:
    """Clamp both singular values of 2x2 matrices to [1/4, 4]; directions stay."""
    # A 2x2 matrix is a scaled turn of size p plus a scaled mirror turn of size q; its singular
    # values are p + q and |p - q|.
    flipped = torch.stack(
        (matrix[..., 1, 1], -matrix[..., 1, 0], -matrix[..., 0, 1], matrix[..., 0, 0]), dim=-1
    ).unflatten(-1, (2, 2))
    turn, mirror = (matrix + flipped) / 2, (matrix - flipped) / 2
    p, q = (part.square().sum((-2, -1)).div(2).clamp_min(1e-24).sqrt() for part in (turn, mirror))
    sign = torch.where(p >= q, 1.0, -1.0)
    large, small = ((v.clamp(MIN_STRETCH, MAX_STRETCH)) for v in (p + q, (p - q).abs()))
    keep_turn, keep_mirror = (large + sign * small) / 2 / p, (large - sign * small) / 2 / q
    return turn * keep_turn[..., None, None] + mirror * keep_mirror[..., None, None]
