"""A body whose motion is known, and networks that are told the answer: for tests of wiring.

An estimator with oracles inside has to send its flow the way the body went, and not back.
"""

import torch
from flow_figures import turn
from seeding import seeded
from torch import Tensor, nn

from reidaug.flow.estimator import Flow, FlowEstimator, Images, Motion
from reidaug.flow.rivals.local_maps import aspect
from reidaug.geometry import affine
from reidaug.geometry.flow import from_affine, identity, size_of, to_normalised, to_pixels
from reidaug.geometry.pose import Pose, normalised
from reidaug.geometry.warp import warp

SIZE = (64, 32)
ELBOW, WRIST = 3, 4  # right
FOREARM_SHIFT = (-4.0, 6.0)
"""Of elbow and wrist in pixels, from target to source."""
STANDING = torch.tensor(
    [
        (16, 11), (16, 17), (11, 18), (8, 25), (8, 32), (21, 18), (24, 24), (25, 31), (13, 34),
        (12, 44), (13, 54), (19, 34), (20, 44), (19, 54), (15, 9), (18, 9), (13, 11), (19, 11),
    ],
    dtype=torch.float32,
)  # fmt: skip


def seen(xy: Tensor) -> Pose:
    return Pose(xy, torch.ones(xy.shape[:-1], dtype=torch.bool))


def without(pose: Pose, *joints: int) -> Pose:
    visible = pose.visible.clone()
    visible[..., list(joints)] = False
    return Pose(pose.xy, visible)


def standing() -> Pose:
    """The target of all pairs here."""
    return seen(STANDING[None].clone())


def body_map() -> tuple[Tensor, Tensor]:
    """Matrix and offset of a turn, a shrinkage and a shift from target to source."""
    unit = aspect(SIZE, STANDING)
    matrix = turn(0.35, 0.8) * unit / unit[:, None]
    return matrix[None], torch.tensor([[0.25, -0.2]])


def body_moved() -> Pose:
    """The source whose whole body the map of `body_map` reaches."""
    moved = affine.apply(*body_map(), normalised(standing(), SIZE))
    return seen(to_pixels(moved, SIZE))


def forearm_moved() -> Pose:
    """The source whose right forearm alone is elsewhere."""
    xy = STANDING[None].clone()
    xy[:, [ELBOW, WRIST]] += torch.tensor(FOREARM_SHIFT)
    return seen(xy)


def there_and_back(grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The exact flow of `body_moved` on a grid, and the one that goes the wrong way."""
    forth = body_map()
    return from_affine(*forth, grid), from_affine(*affine.inverse(*forth), grid)


def shifted(grid: tuple[int, int]) -> Tensor:
    """The identity, moved as the forearm is."""
    step = torch.tensor(FOREARM_SHIFT) * 2 / torch.tensor((SIZE[1] - 1.0, SIZE[0] - 1.0))
    return identity(*grid) + step[:, None, None]


def at_joints(maps: Tensor, pose: Pose) -> Tensor:
    """Read maps (B, C, h, w) at the joints of a pose (B, J, 2): (B, J, C)."""
    points = normalised(pose, SIZE).movedim(-1, 1)[:, :, None]
    return warp(maps, points, size=size_of(points))[:, :, 0].movedim(1, -1)


def read_joints(maps: Tensor) -> Tensor:
    """Find the joints (B, J, 2), normalised, that pose maps (B, J, h, w) were drawn of."""
    share = maps / maps.sum((-2, -1), keepdim=True)
    return (share[:, :, None] * identity(*size_of(maps))).sum((-2, -1))


def body_of(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Matrix and offset that carry a pose, read from its maps, to the standing one."""
    places = read_joints(maps)
    still = to_normalised(STANDING, SIZE).expand_as(places)
    return affine.fit(still, places, torch.ones(places.shape[:2]), ridge=1e-6)


class BodyCoordinates(nn.Module):
    """In the place of M: a feature says where on the body a cell is, in any pose."""

    def __init__(self, cell: int) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, maps: Tensor) -> Tensor:
        height, width = size_of(maps)
        places = from_affine(*body_of(maps), (height // self.cell, width // self.cell))
        waves = 6 * torch.randn(96, 2, generator=seeded(1))
        phases = 6.3 * torch.rand(96, generator=seeded(2))
        return (torch.einsum("kc,bchw->bkhw", waves, places) + phases[:, None, None]).cos()


class NearestJoint(nn.Module):
    """In the place of M: a feature names the nearest joint, and where the cell is beside it."""

    def __init__(self, cell: int) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, maps: Tensor) -> Tensor:
        height, width = size_of(maps)
        cells = identity(height // self.cell, width // self.cell)
        apart = cells - read_joints(maps)[..., None, None]  # (B, J, 2, h, w)
        nearest = apart.square().sum(2).argmin(1)
        beside = torch.take_along_dim(apart, nearest[:, None, None], 1)[:, 0]
        waves = 8 * torch.randn(16, 2, generator=seeded(1))
        look = torch.einsum("kc,bchw->bkhw", waves, beside).cos()
        named = torch.nn.functional.one_hot(nearest, maps.shape[1]).movedim(-1, 1)
        return (named[:, :, None] * look[:, None]).flatten(1, 2)


class BodyJacobians(nn.Module):
    """In the place of FOMM's network: how a pose turns the standing body, in square units."""

    def forward(self, maps: Tensor) -> Tensor:
        matrix = torch.linalg.inv(body_of(maps)[0])
        unit = aspect(SIZE, matrix)
        square = matrix * unit[:, None] / unit
        return square[:, None].expand(-1, maps.shape[1], -1, -1)


class WatchedBlend(nn.Module):
    """In the place of dense motion: keeps what it is given, and answers with one of the maps."""

    def __init__(self, part: int = 0) -> None:
        super().__init__()
        self.part = part

    def forward(self, source: Tensor, maps: Tensor, evidence: Tensor, known: Tensor) -> Motion:
        self.source, self.maps, self.evidence, self.known = source, maps, evidence, known
        return Motion(maps[:, self.part])


class FittedAffine(FlowEstimator):
    """A W that solves task 1: the affine map from the target's joints to the source's."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.asked: list[tuple[Tensor, Pose, Pose]] = []

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        self.asked.append((source, source_pose, target_pose))
        size, known = size_of(source), source_pose.visible & target_pose.visible
        points = normalised(source_pose, size), normalised(target_pose, size)
        return from_affine(*affine.fit(*points, known, ridge=1e-9), size) + 0 * self.weight
