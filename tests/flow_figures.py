"""Pairs whose flow is known: noise pictures and joints, moved by affine maps."""

import math

import torch
from seeding import seeded
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.rivals.fomm import FOMM
from reidaug.flow.rivals.mraa import MRAA
from reidaug.flow.rivals.tpsmm import TPSMM
from reidaug.flow.unwarpme.affine_task import move_pose, random_upright_affine
from reidaug.flow.unwarpme.warping import UnWarpME
from reidaug.geometry import affine, flow
from reidaug.geometry.pose import Pose
from reidaug.geometry.warp import warp

SIZE = (32, 16)
FROM_HEAD_TO_FOOT = [0, 14, 15, 16, 17, 1, 2, 5, 3, 6, 4, 7, 8, 11, 9, 12, 10, 13]


def turn(angle: float, scale: float = 1.0) -> Tensor:
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return torch.tensor([[c, -s], [s, c]])


def near_identity(seed: int) -> Tensor:
    return torch.eye(2) + 0.3 * torch.randn(2, 2, generator=seeded(seed)).clamp(-2, 2)


def poses(count: int, seed: int, *, visible: float = 0.9) -> Pose:
    generator = seeded(seed)
    limits = torch.tensor([SIZE[1] - 1.0, SIZE[0] - 1.0])
    xy = torch.rand(count, 18, 2, generator=generator) * limits
    # Anywhere, but head above shoulders, hips, knees and ankles: a keypoint file needs people.
    xy[:, FROM_HEAD_TO_FOOT, 1] = xy[..., 1].sort(1).values
    return Pose(xy, torch.rand(count, 18, generator=generator) < visible)


def images(count: int, seed: int) -> Tensor:
    rough = torch.rand(count, 3, SIZE[0] // 4, SIZE[1] // 4, generator=seeded(seed))
    return torch.nn.functional.interpolate(rough, size=SIZE, mode="bilinear", align_corners=True)


def pairs(count: int, seed: int) -> PosePair:
    source, target_pose = images(count, seed), poses(count, seed + 1, visible=1.0)
    matrix, offset = random_upright_affine(count, seeded(seed + 2))
    source_pose = move_pose(target_pose, matrix, offset, SIZE)
    exact = flow.from_affine(*affine.inverse(matrix, offset), SIZE)
    return PosePair(
        source,
        warp(source, exact),
        source_pose,
        target_pose,
        exact,
        (exact.abs() <= 1).all(1),
    )


def tiny(**keywords: object) -> UnWarpME:
    """An UnWarpME of the full form, narrow enough for a test."""
    given = {
        "canvas": SIZE,
        "sigma": 1.5,
        "widths": (8, 8, 8, 16, 16, 16, 16, 16, 16, 16, 12),
        "dilations": (1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1),
        "head_widths": (16, 16, 16, 16, 8),
        "first_kernel": 1,
        **keywords,
    }
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        return UnWarpME(**given)  # type: ignore[arg-type]


def rival(name: str, **keywords: object) -> FlowEstimator:
    """A rival of the full form, narrow enough for a test."""
    kind = {"fomm": FOMM, "mraa": MRAA, "tpsmm": TPSMM}[name]
    given = {"scale": 0.5, "expansion": 4, "blocks": 3, "limit": 32, **keywords}
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        return kind(**given)


def shaken(module: nn.Module, seed: int) -> nn.Module:
    """Give every parameter and statistic a value of chance: as if trained, towards nothing."""
    generator = seeded(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            size = 0.3 * parameter.std(correction=0) + 0.02
            parameter.add_(size * torch.randn(parameter.shape, generator=generator))
        for name, statistic in module.named_buffers():
            if "running" in name:
                statistic.add_(0.2 * torch.rand(statistic.shape, generator=generator))
    return module
