"""Random smooth warps: generic geometry, the control of warps into poses.

They do not depend on what a pose shows: what a re-ID model gains from them it gains from geometry
as such. A warp is drawn from a generator seeded by the bytes of the pair's two poses (float32
coordinates of visible joints, and which are visible) and the keyword ``seed``. The same pair of
poses therefore gets the same warp in any batch, order, process or run, and another pair another
one; crops of exactly the same pose share their warps. Equal poses do not give the identity.
"""

import hashlib
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.flow.estimator import Flow, FlowEstimator, Images
from reidaug.flow.unwarpme.affine_task import random_upright_affine
from reidaug.geometry.affine import apply
from reidaug.geometry.flow import from_affine, identity, size_of
from reidaug.geometry.pose import Pose
from reidaug.geometry.spline import thin_plate_flow

GRID = (5, 3)
BEND = 0.4
NO_GRAPH = "it draws a warp from a digest of the poses' bytes, for which ONNX has no operator"


class RandomAffine(FlowEstimator):
    """Moves the whole person by one random affine map a pair, which never mirrors.

    It moves the person about as far as warps between people seen from the same side do (no
    figures were kept).

    Args:
        seed: Random seed.

    Source:
        The maps of UnWarpME Eq. 4 in our ranges, see
        `reidaug.flow.unwarpme.affine_task.random_upright_affine`.
    """

    to_target_pose = False
    no_graph = NO_GRAPH

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        """Draw one affine flow per pair; the poses seed the draw."""
        maps = [
            random_upright_affine(1, generator, flip=False)
            for generator in _generators(source_pose, target_pose, self.seed)
        ]
        matrix, offset = (torch.cat(part).to(source.device) for part in zip(*maps, strict=True))
        return from_affine(matrix, offset, size_of(source))


class RandomTPS(FlowEstimator):
    """Moves the person by a random affine map and bends it by a random thin-plate spline.

    A grid of 5 x 3 control points, from corner to corner of the image, is moved by one of
    `RandomAffine`'s maps, and each point then by a uniform draw of at most ``bend`` of a column's
    or row's step. The bend was chosen so that the best affine map leaves as much of the motion
    unexplained as of the shipped flow's (no figures were kept).

    Args:
        seed: Random seed.
        bend: Largest displacement of a control point along x and along y, as a share of the step
            between neighbours; below 0.5 neighbours cannot change places.
    """

    to_target_pose = False
    no_graph = NO_GRAPH

    def __init__(self, *, seed: int = 0, bend: float = BEND) -> None:
        super().__init__()
        self.seed, self.bend = seed, bend

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        """Draw one spline a pair; the poses seed the draw."""
        grid = identity(*GRID).flatten(1).T
        step = torch.tensor([2 / (GRID[1] - 1), 2 / (GRID[0] - 1)])
        points = []
        for generator in _generators(source_pose, target_pose, self.seed):
            stray = 2 * torch.rand(grid.shape, generator=generator) - 1
            bent = (grid + self.bend * step * stray)[None]
            points.append(apply(*random_upright_affine(1, generator, flip=False), bent))
        moved = torch.cat(points).to(source.device)
        fixed = grid.to(source.device).expand_as(moved)
        every = torch.ones(moved.shape[:2], dtype=torch.bool, device=source.device)
        return thin_plate_flow(moved, fixed, every, size_of(source))


def _generators(source: Pose, target: Pose, seed: int) -> Iterator[torch.Generator]:
    """Yield a generator for each pair, seeded by its poses."""
    for pair in zip(_table(source), _table(target), strict=True):
        digest = hashlib.blake2b(seed.to_bytes(8, signed=True), digest_size=8)
        for table in pair:
            digest.update(table.numpy().tobytes())
        yield torch.Generator().manual_seed(int.from_bytes(digest.digest()) % 2**63)


def _table(pose: Pose) -> Float[Tensor, "b j 3"]:
    """Put joints and their visibility into one table; invisible joints are zero."""
    visible = pose.visible[..., None]
    xy = torch.where(visible, pose.xy.float(), torch.zeros_like(pose.xy, dtype=torch.float32))
    return torch.cat((xy + 0.0, visible.float()), -1).cpu()
