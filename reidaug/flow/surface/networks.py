"""Networks of surface flow: from a crop, and from joints, to surface maps.

Both are convolutional networks of five resolutions with skip connections, each block a 3x3
convolution, batch norm and a ReLU. Surface maps: see `reidaug.flow.surface.places`.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from reidaug.flow.surface.places import CHANNELS
from reidaug.geometry.flow import Size, identity, size_of
from reidaug.geometry.pose import OPENPOSE_18, Pose, pose_maps

JOINTS = len(OPENPOSE_18)
SIGMA = 3.0
"""Width of a joint's Gaussian in pixels of the canvas."""


class Seen(NamedTuple):
    """What the source network sees in crops."""

    surface: Float[Tensor, "b 4 h w"]  # surface maps on half the canvas
    person: Float[Tensor, "b h w"]  # log-odds of the person
    code: Float[Tensor, "b c"]  # body and clothes


class Imagined(NamedTuple):
    """What the target network imagines of a person in a pose."""

    surface: Float[Tensor, "b 4 h w"]  # surface maps on half the canvas
    outline: Float[Tensor, "b H W"]  # log-odds of the person on the canvas


class Block(nn.Sequential):
    """Some 3x3 convolutions, each with batch norm and a ReLU; the first may have a stride."""

    def __init__(self, *channels: int, stride: int = 1) -> None:
        layers: list[nn.Module] = []
        for k, (i, o) in enumerate(pairwise(channels)):
            layers += [
                nn.Conv2d(i, o, 3, stride if k == 0 else 1, padding=1, bias=False),
                nn.BatchNorm2d(o),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)


def enlarge(features: Float[Tensor, "b c h w"], like: Tensor) -> Float[Tensor, "b c H W"]:
    """Enlarge features bilinearly to the size of others."""
    return interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=True)


class SourceNetwork(nn.Module):
    """Sees where on the body each cell of a crop is.

    Args:
        widths: Channels at a half, a quarter, ... of the canvas.
        code: Length of the code of body and clothes.
    """

    def __init__(self, *, widths: Sequence[int] = (32, 64, 96, 128, 160), code: int = 64) -> None:
        super().__init__()
        channels = (3 + 2 + JOINTS, *widths)
        self.down = nn.ModuleList(Block(i, o, o, stride=2) for i, o in pairwise(channels))
        self.up = nn.ModuleList(
            Block(below + here, here) for here, below in pairwise(widths)
        )
        self.head = nn.Conv2d(widths[0], CHANNELS + 1, 1)
        self.code = nn.Linear(widths[-1] + widths[-2], code)

    def forward(
        self,
        image: Float[Tensor, "b 3 H W"],
        mask: Float[Tensor, "b H W"],
        known: Bool[Tensor, "b"],
        pose: Pose,
    ) -> Seen:
        """See people.

        Args:
            image: Crops (B, 3, H, W) in [0, 1], sides multiples of 32.
            mask: The people's masks (B, H, W), 0 or 1.
            known: Which masks are known (B,); the others do not count.
            pose: Joints (B, 18, 2) in pixels of the crops.
        """
        size = size_of(image)
        told = known.to(image)[:, None, None, None].expand(-1, 1, *size)
        maps = pose_maps(pose, size, canvas=size, sigma=SIGMA)
        features = torch.cat((image - 0.5, mask[:, None] * told, told, maps), 1)
        levels = []
        for block in self.down:
            features = block(features)
            levels.append(features)
        pooled = [level.float().mean((2, 3)) for level in levels[-2:]]
        for block, level in zip(reversed(self.up), reversed(levels[:-1]), strict=True):
            features = block(torch.cat((enlarge(features, level), level), 1))
        with torch.autocast(image.device.type, enabled=False):
            found = self.head(features.float())
            code = self.code(torch.cat(pooled, 1))
        return Seen(found[:, :CHANNELS], found[:, CHANNELS], code)


class Conditioned(nn.Module):
    """Scales and shifts the channels of features as a code says (FiLM)."""

    def __init__(self, code: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(code, 2 * channels)

    def forward(
        self, features: Float[Tensor, "b c h w"], code: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b c h w"]:
        """Condition features on codes."""
        scale, shift = self.linear(code)[:, :, None, None].chunk(2, 1)
        return features * (1 + scale) + shift


class TargetNetwork(nn.Module):
    """Imagines the surface and the outline of a person, known by a code, from joints.

    Joints are drawn on a quarter of the canvas, for speed.

    Args:
        widths: Channels at a quarter, an eighth, ... of the canvas.
        last: Channels at half the canvas.
        code: Length of the code of body and clothes.
    """

    def __init__(
        self, *, widths: Sequence[int] = (48, 96, 128, 160), last: int = 32, code: int = 64
    ) -> None:
        super().__init__()
        channels = (JOINTS + 2, *widths)
        self.down = nn.ModuleList(
            Block(i, o, o, stride=1 if k == 0 else 2) for k, (i, o) in enumerate(pairwise(channels))
        )
        self.conditions = nn.ModuleList(Conditioned(code, width) for width in widths)
        self.up = nn.ModuleList(Block(below + here, here) for here, below in pairwise(widths))
        self.last = Block(widths[0], last)
        self.head = nn.Conv2d(last, CHANNELS + 4, 1)

    def forward(self, pose: Pose, code: Float[Tensor, "b d"], size: Size) -> Imagined:
        """Imagine people, (B, 18, 2) in pixels of a canvas of (height, width), of codes (B, D)."""
        quarter = (size[0] // 4, size[1] // 4)
        maps = pose_maps(pose, size, canvas=quarter, sigma=SIGMA / 4 * 1.4)
        here = identity(*quarter, device=maps.device).expand(len(maps), -1, -1, -1)
        features, levels = torch.cat((maps, here), 1), []
        for block, condition in zip(self.down, self.conditions, strict=True):
            features = condition(block(features), code)
            levels.append(features)
        for block, level in zip(reversed(self.up), reversed(levels[:-1]), strict=True):
            features = block(torch.cat((enlarge(features, level), level), 1))
        grid = torch.empty(size[0] // 2, size[1] // 2, device="meta")
        features = self.last(enlarge(features, grid))
        with torch.autocast(maps.device.type, enabled=False):
            found = self.head(features.float())
        return Imagined(found[:, :CHANNELS], pixel_shuffle(found[:, CHANNELS:], 2)[:, 0])
