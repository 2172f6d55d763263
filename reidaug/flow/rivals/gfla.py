"""GFLA's global flow field estimator: a convolutional network from image and poses to a flow.

Ren et al., Deep image spatial transformation for person image generation, CVPR 2020, first stage,
trained by `reidaug.flow.rivals.gfla_losses` alone. Training in the paper: Adam, rate 1e-4, betas
(0, 0.999), batch 8, constant rate; weights 20 (correctness) and 0.01 (regularity); no augmentation
on DeepFashion. Its author stops when the weighted correctness is near 2 on DeepFashion and near 1.5
on Market-1501.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reidaug.flow.components import Presets
from reidaug.flow.estimator import Images, Motion, MotionEstimator
from reidaug.geometry.flow import Size, identity, size_of
from reidaug.geometry.pose import OPENPOSE_18, Pose, pose_maps

CHANNELS = 3 + 2 * len(OPENPOSE_18)
LEVELS = ("32", "64")  # coarse to fine, an eighth and a quarter of the image's side
PAPER_WIDTHS = (32, 64, 128, 256, 256)
PAPER_ROWS = 256
SLOPE = 0.1
GAIN = 0.02


class Levels(NamedTuple):
    """GFLA's two levels, coarse to fine."""

    flows: tuple[Float[Tensor, "b 2 _ _"], ...]  # flow (B, 2, H/8, W/8) and flow (B, 2, H/4, W/4)
    # share of every cell that the source shows, in [0, 1], on the same grids
    masks: tuple[Float[Tensor, "b 1 _ _"], ...]


def from_offsets(offsets: Float[Tensor, "b 2 h w"]) -> Float[Tensor, "b 2 h w"]:
    """Convert offsets of samples from their cells, x then y, to a flow, at least 2 by 2 cells.

    Offsets are in cells of this grid; the flow is the identity plus 2 offsets / (cells - 1).

    Source:
        GFLA, the unit of its flow. Only a flow can be resized without a change of unit: one cell of
        a 32x32 grid is 255/31 pixels of a 256x256 image.
    """
    height, width = offsets.shape[-2:]
    cell = offsets.new_tensor((2 / (width - 1), 2 / (height - 1)))[:, None, None]
    return identity(height, width, device=offsets.device).to(offsets.dtype) + offsets * cell


def image_and_poses(
    source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose, *, sigma: float = 6.0
) -> Float[Tensor, "b c H W"]:
    """Stack image in [-1, 1], source and target pose maps (B, 39, H, W), zero for missing joints.

    Arguments are those of `FlowEstimator.forward`, and ``sigma``, the width of a joint's Gaussian
    in pixels of an image of 256 rows.
    """
    size = size_of(source)
    width = sigma * size[0] / PAPER_ROWS
    maps = [pose_maps(p, size, canvas=size, sigma=width) for p in (source_pose, target_pose)]
    return torch.cat((2 * source - 1, *maps), 1)


class Halving(nn.Sequential):
    """One step down: Norm, act, 4x4 convolution of stride 2, Norm, act, 3x3 convolution.

    Source:
        GFLA's encoder block. Biases that a norm removes again are left out.
    """

    def __init__(self, channels: int, width: int, *, bias: bool = True) -> None:
        super().__init__(
            *_norm_act(channels),
            nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False),
            *_norm_act(width),
            nn.Conv2d(width, width, 3, padding=1, bias=bias),
        )


class Doubling(nn.Module):
    """One step up, a residual block whose shortcut is a transposed convolution.

    Source:
        GFLA's decoder block. Biases that a norm removes again are left out.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *_norm_act(channels),
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            *_norm_act(width),
            nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1),
        )
        self.shortcut = nn.ConvTranspose2d(
            channels, width, 3, stride=2, padding=1, output_padding=1
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o H W"]:
        """Double rows and columns of features."""
        larger: Tensor = self.main(x) + self.shortcut(x)
        return larger


class GFLA(MotionEstimator):
    """The global flow field estimator: image and poses in, flow and mask at two levels out.

    Convention: see `reidaug.geometry.flow`. Levels are named after their sides at 256x256 in the
    paper, whatever the size of the image: ``32`` is an eighth of the image, ``64`` a quarter. With
    the five halvings of the presets, rows and columns must be multiples of 32.

    Args:
        level: The level of `forward` and `motion`, ``64`` or ``32``.
        widths: Output channels of each step down, at least four; there are two steps up fewer.
        sigma: Width of a joint's Gaussian at 256 rows; it scales with the rows.

    Raises:
        ValueError: A keyword is out of range.

    Source:
        GFLA's flow estimator F and its first training stage, the one that UnWarpME's Table 1
        compares with: its columns GFLA32 and GFLA64 are two levels of one network. On Market-1501
        GFLA has one level, a quarter of the crop; two are kept here, since the table has two
        columns. Padding of heads and of the plain 3x3 convolutions is zero, our reading; jumps are
        a LeakyReLU and a 3x3 convolution that mirrors at the border.
    """

    PRESETS: ClassVar[Presets] = {
        "paper": {"widths": PAPER_WIDTHS},
        "small": {"widths": (16, 32, 64, 128, 128)},
    }
    """``paper``: the paper's widths, 256x256; ``small``: widths / 2, 128x64, grids 16x8, 32x16."""

    def __init__(
        self,
        *,
        level: str | int = "64",
        widths: Sequence[int] = PAPER_WIDTHS,
        sigma: float = 6.0,
    ) -> None:
        super().__init__()
        if str(level) not in LEVELS:
            raise ValueError(f"level must be one of {LEVELS}, got {level!r}")
        if len(widths) < 4 or min(widths) < 1:
            raise ValueError(f"widths must be at least four positive numbers, got {tuple(widths)}")
        if sigma <= 0:
            raise ValueError(f"sigma must be positive, got {sigma}")
        self.level, self.sigma = str(level), sigma
        self.step = 2 ** len(widths)
        upward = widths[:0:-1]  # the last step up has the width of the second step down
        self.down = nn.ModuleList(
            Halving(i, o, bias=i != CHANNELS) for i, o in pairwise((CHANNELS, *widths))
        )
        self.up = nn.ModuleList(Doubling(i, o) for i, o in pairwise(upward))
        self.jumps = nn.ModuleList(_jump(width) for width in upward[1:])
        self.offsets = nn.ModuleList(nn.Conv2d(width, 2, 3, padding=1) for width in upward[-2:])
        self.masks = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for width in upward[-2:])
        self.apply(_initialise)

    def levels(self, source: Images, source_pose: Pose, target_pose: Pose) -> Levels:
        """Estimate flow and mask at both levels; `ValueError` if it cannot be halved so often."""
        self._check_size(size_of(source))
        x = image_and_poses(source, source_pose, target_pose, sigma=self.sigma)
        encoded = []
        for halve in self.down:
            x = halve(x)
            encoded.append(x)
        decoded = []
        for double, jump, skip in zip(self.up, self.jumps, encoded[-2::-1], strict=False):
            x = double(x) + jump(skip)
            decoded.append(x)
        two = decoded[-2:]
        return Levels(
            tuple(from_offsets(h(x).float()) for h, x in zip(self.offsets, two, strict=True)),
            tuple(h(x).float().sigmoid() for h, x in zip(self.masks, two, strict=True)),
        )

    def flows(self, source: Images, source_pose: Pose, target_pose: Pose) -> tuple[Tensor, ...]:
        """Estimate the flows of both levels, coarse to fine; see `levels`."""
        return self.levels(source, source_pose, target_pose).flows

    def motion(self, source: Images, source_pose: Pose, target_pose: Pose) -> Motion:
        """Estimate flow and mask, the occlusion, at the chosen level; see `levels`."""
        both, k = self.levels(source, source_pose, target_pose), LEVELS.index(self.level)
        return Motion(both.flows[k], (both.masks[k],))

    def _check_size(self, size: Size) -> None:
        # Instance norm over a single last cell would leave nothing of it.
        if size[0] % self.step or size[1] % self.step or max(size) == self.step:
            raise ValueError(
                f"GFLA halves images {len(self.down)} times: rows and columns must be multiples of "
                f"{self.step}, one of them larger, got {size[0]}x{size[1]}"
            )


def _jump(width: int) -> nn.Sequential:
    """Build the skip connection between two blocks of one resolution."""
    convolution = nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect")
    return nn.Sequential(nn.LeakyReLU(SLOPE), convolution)


def _norm_act(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(channels, affine=True), nn.LeakyReLU(SLOPE)


def _initialise(module: nn.Module) -> None:
    """Initialise weights so small that the flow starts near the identity."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.orthogonal_(module.weight, gain=GAIN)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
