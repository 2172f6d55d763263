"""What FOMM, MRAA and TPSMM share: a network that blends a few maps into one flow."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reidaug.flow.estimator import Motion
from reidaug.flow.gaussian_filter import downsample
from reidaug.flow.layers import Up
from reidaug.flow.rivals.hourglass import Hourglass
from reidaug.flow.rivals.local_maps import in_square_units, square_grid
from reidaug.geometry.flow import Size, identity
from reidaug.geometry.pose import Pose, pose_maps
from reidaug.geometry.warp import warp

MASKED = -1e4
SPREAD = 0.1  # width of a joint's Gaussian in normalised units: a variance of 0.01


class DenseMotion(nn.Module):
    """Says at every cell which of K + 1 maps to follow, softly, and what the source shows there.

    It sees the small source warped by every map, and evidence of where the parts are: pose maps of
    the target minus those of the source. The blend averages coordinates, not pictures. A part that
    takes no part gets next to no weight; the first map, the background, always has a say.

    Convention: see `reidaug.geometry.flow`.

    Args:
        parts: K, the number of maps beside the background.
        evidence: Channels of evidence, without the background's empty one.
        expansion: Width of the hourglass.
        blocks: How often the hourglass halves the grid.
        limit: Most channels in the hourglass.
        norm: ``batch`` or ``instance``.
        finer: None for one occlusion map on the grid (FOMM, MRAA); else one at half the grid, one
            on it, and ``finer`` more, each of twice the resolution (TPSMM).

    Source:
        FOMM's dense motion, which MRAA and TPSMM took over; TPSMM has the several occlusion maps.
    """

    def __init__(
        self,
        parts: int,
        *,
        evidence: int,
        expansion: int = 64,
        blocks: int = 5,
        limit: int = 1024,
        norm: str = "batch",
        finer: int | None = None,
    ) -> None:
        super().__init__()
        self.hourglass = Hourglass(
            evidence + 1 + 3 * (parts + 1),
            expansion=expansion,
            blocks=blocks,
            limit=limit,
            norm=norm,
        )
        channels = self.hourglass.channels
        self.mask = nn.Conv2d(channels[-1], parts + 1, 7, padding=3)
        seen, ups = list(channels[-1:] if finer is None else channels[-2:]), []
        for _ in range(finer or 0):
            ups.append(Up(seen[-1], seen[-1] // 2, norm=norm))
            seen.append(seen[-1] // 2)
        self.ups = nn.ModuleList(ups)
        self.occlusion = nn.ModuleList(nn.Conv2d(c, 1, 7, padding=3) for c in seen)

    def forward(
        self,
        source: Float[Tensor, "b 3 h w"],
        maps: Float[Tensor, "b n 2 h w"],
        evidence: Float[Tensor, "b c h w"],
        known: Bool[Tensor, "b k"],
    ) -> Motion:
        """Blend maps into one flow.

        Args:
            source: Source images on the grid (B, 3, h, w).
            maps: The background's map, then one a part, (B, K + 1, 2, h, w): each a flow.
            evidence: Where parts are (B, C, h, w).
            known: (B, K), False for the parts that take no part.

        Returns:
            The flow on the grid, and occlusion.

        Raises:
            ValueError: The grid does not suit the hourglass.
        """
        count = maps.shape[1]
        pictures = source.repeat_interleave(count, dim=0)
        warped = warp(pictures, maps.flatten(0, 1)).unflatten(0, (-1, count)).flatten(1, 2)
        nothing = torch.zeros_like(evidence[:, :1])
        features = self.hourglass(torch.cat((nothing, evidence, warped), dim=1))
        share = self._share(self.mask(features[-1]).float(), known)
        flow = (share[:, :, None] * maps).sum(1)
        levels = features[-1:] if len(self.occlusion) == 1 else features[-2:]
        for up in self.ups:
            levels.append(up(levels[-1]))
        shown = [
            head(level).float().sigmoid()
            for head, level in zip(self.occlusion, levels, strict=True)
        ]
        return Motion(flow, tuple(shown))

    def _share(self, logits: Tensor, known: Tensor) -> Tensor:
        always = torch.ones_like(known[:, :1])
        counts = torch.cat((always, known), dim=1)[..., None, None]
        return torch.where(counts, logits, logits + MASKED).softmax(dim=1)


def check_scale(scale: float) -> int:
    """Turn a scale factor into a number of halvings.

    Args:
        scale: 1, 1/2, 1/4 or 1/8.

    Returns:
        0, 1, 2 or 3.

    Raises:
        ValueError: It is another number.
    """
    if scale not in (1, 0.5, 0.25, 0.125):
        raise ValueError(f"scale must be 1, 0.5, 0.25 or 0.125, got {scale}")
    return round(-math.log2(scale))


def on_grid(
    source: Float[Tensor, "b 3 H W"], scale: float, poses: Sequence[Pose]
) -> tuple[Float[Tensor, "b 3 h w"], list[Float[Tensor, "b j h w"]]]:
    """Bring a source image and pose maps to the grid of the flow.

    Args:
        source: Source images (B, 3, H, W).
        scale: Part of the image's size that the grid has.
        poses: Poses (B, J, 2) in pixels of the image.

    Returns:
        The small source, and one set of pose maps (B, J, h, w) a pose.

    Source:
        FOMM's Gaussians have a variance of 0.01 in normalised units. Where the image is not square,
        the shorter side counts, so that they stay round in pixels.
    """
    small = downsample(source, scale)
    grid = (small.shape[-2], small.shape[-1])
    sigma = SPREAD * max(min(grid) - 1, 1) / 2
    size = (source.shape[-2], source.shape[-1])
    return small, [pose_maps(pose, size, canvas=grid, sigma=sigma) for pose in poses]


class Scene(NamedTuple):
    """A pair as the three methods see it.

    Attributes:
        size: (height, width) of the images.
        grid: (height, width) of the flow.
        small: The source on the grid (B, 3, h, w).
        maps: Pose maps of source and target (B, J, h, w).
        points: Joints of source and target in square units (B, J, 2); zero where missing.
        cells: The grid's cells in square units (h * w, 2).
    """

    size: Size
    grid: Size
    small: Float[Tensor, "b 3 h w"]
    maps: tuple[Float[Tensor, "b j h w"], Float[Tensor, "b j h w"]]
    points: tuple[Float[Tensor, "b j 2"], Float[Tensor, "b j 2"]]
    cells: Float[Tensor, "n 2"]


def see(
    source: Float[Tensor, "b 3 H W"], scale: float, source_pose: Pose, target_pose: Pose
) -> Scene:
    """Bring a pair to the grid of the flow, in 32 bits.

    Args:
        source: Source images (B, 3, H, W).
        scale: Part of the image's size that the grid has.
        source_pose: Source joints (B, J, 2) in pixels of the image.
        target_pose: Target joints (B, J, 2), likewise.

    Returns:
        The scene; see `reidaug.flow.rivals.local_maps` for square units.
    """
    size = (source.shape[-2], source.shape[-1])
    with torch.autocast(source.device.type, enabled=False):
        small, (map_s, map_t) = on_grid(source, scale, (source_pose, target_pose))
        grid = (small.shape[-2], small.shape[-1])
        points = (in_square_units(source_pose, size), in_square_units(target_pose, size))
        cells = square_grid(grid, size, points[0])
    return Scene(size, grid, small, (map_s, map_t), points, cells)


def with_background(
    maps: Float[Tensor, "b k 2 h w"], background: Float[Tensor, "b 2 h w"] | None = None
) -> Float[Tensor, "b n 2 h w"]:
    """Put the background's map before those of the parts.

    Args:
        maps: A map a part (B, K, 2, h, w).
        background: The background's (B, 2, h, w); the identity by default.

    Returns:
        Maps (B, K + 1, 2, h, w).
    """
    if background is None:
        size: Size = (maps.shape[-2], maps.shape[-1])
        background = identity(*size, device=maps.device).expand_as(maps[:, 0])
    return torch.cat((background[:, None], maps), dim=1)
