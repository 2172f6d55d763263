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
from torch.nn.functional import adaptive_avg_pool1d, avg_pool2d, interpolate, pixel_shuffle

from reidaug.flow.surface.places import CHANNELS
from reidaug.geometry.flow import Size, identity, resize, size_of, to_normalised
from reidaug.geometry.pose import OPENPOSE_18, Pose, pose_maps
from reidaug.geometry.warp import warp

JOINTS = len(OPENPOSE_18)
PROFILE = 32
"""Rows of a mask's profile."""
GREY = 0.5
"""Of what does not count."""
SIGMA = 3.0
"""Width of a joint's Gaussian in pixels of the canvas."""


class Seen(NamedTuple):
    """What the source network sees in crops."""

    surface: Float[Tensor, "b 4 h w"]  # surface maps on half the canvas
    person: Float[Tensor, "b h w"]  # log-odds of the person
    code: Float[Tensor, "b d"]  # body and clothes
    features: Float[Tensor, "b c h w"]  # of the last layer


class Imagined(NamedTuple):
    """What the target network imagines of a person in a pose."""

    surface: Float[Tensor, "b 4 h w"]  # surface maps on half the canvas
    outline: Float[Tensor, "b H W"]  # log-odds of the person on the canvas
    features: Float[Tensor, "b c h w"]  # of the last layer


class Refined(NamedTuple):
    """Flows and outlines from all that is known of both sides."""

    flow: Float[Tensor, "b 2 h w"]
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


def _channels_last(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Bring features to the memory layout that convolutions on processors are fastest with."""
    return features.contiguous(memory_format=torch.channels_last)


def _joined(parts: Sequence[Tensor], kind: torch.dtype) -> Float[Tensor, "b c h w"]:
    """Join feature maps channel by channel, in one number format."""
    return _channels_last(torch.cat([part.to(kind) for part in parts], 1))


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
        self.up = nn.ModuleList(Block(below + here, here) for here, below in pairwise(widths))
        self.head = nn.Conv2d(widths[0], CHANNELS + 1, 1)
        told = widths[-1] + widths[-2] + PROFILE + 3 * JOINTS
        self.code = nn.Sequential(nn.Linear(told, 2 * code), nn.ReLU(), nn.Linear(2 * code, code))

    def forward(
        self,
        image: Float[Tensor, "b 3 H W"],
        mask: Float[Tensor, "b H W"],
        known: Bool[Tensor, "b"],
        pose: Pose,
    ) -> Seen:
        """See people; what is outside a known mask does not count.

        Args:
            image: Crops (B, 3, H, W) in [0, 1], sides multiples of 32.
            mask: The people's masks (B, H, W), 0 or 1.
            known: Which masks are known (B,); the others do not count.
            pose: Joints (B, 18, 2) in pixels of the crops.
        """
        size = size_of(image)
        told = known.to(image)[:, None, None, None].expand(-1, 1, *size)
        off = (told > 0) & (mask[:, None] < 0.5)
        image = torch.where(off, torch.full_like(image, GREY), image)
        maps = pose_maps(pose, size, canvas=size, sigma=SIGMA)
        features = _channels_last(torch.cat((image - GREY, mask[:, None] * told, told, maps), 1))
        levels = []
        for block in self.down:
            features = block(features)
            levels.append(features)
        pooled = [level.float().mean((2, 3)) for level in levels[-2:]]
        for block, level in zip(reversed(self.up), reversed(levels[:-1]), strict=True):
            features = block(torch.cat((enlarge(features, level), level), 1))
        with torch.autocast(image.device.type, enabled=False):
            found = self.head(features.float())
            code = self.code(torch.cat((*pooled, *_measures(mask * told[:, 0], pose)), 1))
        return Seen(found[:, :CHANNELS], found[:, CHANNELS], code, features.float())


def _measures(
    mask: Float[Tensor, "b H W"], pose: Pose
) -> tuple[Float[Tensor, "b p"], Float[Tensor, "b q"]]:
    """Measure people: the share of each row that a mask fills, and normalised joints."""
    rows = adaptive_avg_pool1d(mask.mean(2)[:, None], PROFILE)[:, 0]
    known = pose.visible[..., None]
    xy = torch.where(known, to_normalised(pose.xy, size_of(mask)), torch.zeros_like(pose.xy))
    return rows, torch.cat((xy, known.to(xy)), 2).flatten(1)


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
        here = identity(*quarter, device=maps.device).expand(maps.shape[0], -1, -1, -1)
        features, levels = _channels_last(torch.cat((maps, here), 1)), []
        for block, condition in zip(self.down, self.conditions, strict=True):
            features = condition(block(features), code)
            levels.append(features)
        for block, level in zip(reversed(self.up), reversed(levels[:-1]), strict=True):
            features = block(torch.cat((enlarge(features, level), level), 1))
        grid = torch.empty(size[0] // 2, size[1] // 2, device="meta")
        features = self.last(enlarge(features, grid))
        with torch.autocast(maps.device.type, enabled=False):
            found = self.head(features.float())
        outline = pixel_shuffle(found[:, CHANNELS:], 2)[:, 0]
        return Imagined(found[:, :CHANNELS], outline, features)


class Refinement(nn.Module):
    """Corrects flow and outline, from what the two networks and the joints say of both sides.

    The correction is computed on half the grid: it is smooth.

    Args:
        features: Channels of the last layers of source and target network, together.
        widths: Channels at a quarter, an eighth, ... of the canvas.
    """

    def __init__(self, *, features: int, widths: Sequence[int] = (48, 96, 128)) -> None:
        super().__init__()
        # Both sides' features and places, flow, outline, mask.
        self.fine = nn.Conv2d(features + 2 * CHANNELS + 4, widths[0], 3, 2, padding=1, bias=False)
        self.coarse = nn.Conv2d(2 * JOINTS, widths[0], 3, padding=1, bias=False)
        self.first = nn.Sequential(nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True))
        self.down = nn.ModuleList(Block(i, o, o, stride=2) for i, o in pairwise(widths))
        self.up = nn.ModuleList(Block(below + here, here) for here, below in pairwise(widths))
        self.head = nn.Conv2d(widths[0], 2, 1)
        self.outline = nn.Conv2d(widths[0], 4 * 4, 1)
        for parameter in (*self.head.parameters(), *self.outline.parameters()):
            nn.init.zeros_(parameter)

    def forward(
        self,
        flow: Float[Tensor, "b 2 h w"],
        seen: Seen,
        imagined: Imagined,
        source_pose: Pose,
        target_pose: Pose,
        size: Size,
    ) -> Refined:
        """Refine flows (B, 2, h, w) and what is imagined.

        Poses (B, 18, 2) are in pixels of a canvas of a size. No gradients go through the sampling.
        """
        grid, start = size_of(flow), flow
        flow = flow.detach()
        quarter = (size[0] // 4, size[1] // 4)
        person = torch.sigmoid(seen.person)[:, None]
        source = torch.cat((seen.features, seen.surface, person), 1)
        outline = avg_pool2d(torch.sigmoid(imagined.outline)[:, None], 2)
        shift = flow - identity(*grid, device=flow.device)
        fine = (warp(source, flow), imagined.features, imagined.surface, outline, shift)
        maps = [
            pose_maps(pose, size, canvas=quarter, sigma=SIGMA / 4 * 1.4)
            for pose in (source_pose, target_pose)
        ]
        coarse = (warp(maps[0], flow), maps[1])
        # In the format of the convolutions before they are joined: less to copy.
        kind = imagined.features.dtype
        both = self.fine(_joined(fine, kind)) + self.coarse(_joined(coarse, kind))
        features = self.first(both)
        levels = [features]
        for block in self.down:
            levels.append(block(levels[-1]))
        features = levels[-1]
        for block, level in zip(reversed(self.up), reversed(levels[:-1]), strict=True):
            features = block(torch.cat((enlarge(features, level), level), 1))
        with torch.autocast(flow.device.type, enabled=False):
            features = features.float()
            correction = resize(self.head(features), grid)
            outline = imagined.outline + pixel_shuffle(self.outline(features), 4)[:, 0]
        return Refined(start + correction, outline)
