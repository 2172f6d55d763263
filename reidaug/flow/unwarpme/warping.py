"""The warping module W: a flow from two poses, without the image.

Pose maps of both images go through one network M; every source cell is correlated with every
target cell; mutual best matches are kept; the convolutions C_i compute the flow from them.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reidaug.flow.components import Presets
from reidaug.flow.estimator import Flow, FlowEstimator, Images
from reidaug.flow.unwarpme.correlation import (
    UNITS,
    correlate,
    expected_source,
    filter_matches,
    unit_features,
)
from reidaug.geometry.flow import Size, size_of
from reidaug.geometry.pose import OPENPOSE_18, Pose, pose_maps

CELL = 4  # canvas pixels per feature cell: two of M's convolutions have stride 2
STRIDES = (1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1)
PAPER_WIDTHS = (64, 64, 128, 128, 128, 128, 128, 128, 128, 128, 35)
PAPER_HEAD_WIDTHS = (128, 128, 96, 64, 32)
SMALL_WIDTHS = (16, 32, 32, 64, 64, 64, 64, 64, 64, 64, 35)
SMALL_HEAD_WIDTHS = (64, 64, 48, 32, 32)
WIDE_DILATIONS = (1, 1, 1, 1, 2, 4, 8, 4, 2, 1, 1)
READOUTS = ("soft_argmax", "literal")
CHUNK = 2**19  # numbers of a correlation that fit a processor's cache


class PoseEncoder(nn.Sequential):
    """M: eleven 3x3 convolutions, each followed by batch norm, from pose maps to pose features.

    The second and the fourth have stride 2, all but the last are followed by a ReLU.

    Args:
        widths: Output channels of each of the eleven; the last is the number of features.
        dilations: Dilation of each of the eleven.

    Raises:
        ValueError: There are not eleven widths or not eleven dilations.

    Source:
        UnWarpME Sec. 4.2 and 5.5: 11 convolutions with batch norm, 35 features at a quarter of the
        canvas. Kernels, widths, strides and activations are our reading.
    """

    def __init__(
        self,
        widths: Sequence[int] = PAPER_WIDTHS,
        *,
        dilations: Sequence[int] = (1,) * 11,
    ) -> None:
        if len(widths) != 11 or len(dilations) != 11:
            raise ValueError(f"11 widths and dilations, got {len(widths)} and {len(dilations)}")
        layers: list[nn.Module] = []
        channels = pairwise((len(OPENPOSE_18), *widths))
        for (i, o), stride, dilation in zip(channels, STRIDES, dilations, strict=True):
            layers += [
                nn.Conv2d(i, o, 3, stride, padding=dilation, dilation=dilation, bias=False),
                nn.BatchNorm2d(o),
                nn.ReLU(),
            ]
        super().__init__(*layers[:-1])


class FlowHead(nn.Module):
    """C_i: one to six convolutions from matches to two coordinates.

    Hidden convolutions have stride 1, batch norm and a ReLU; the last has a bias and nothing after.
    The first is apart from the rest, because only it is as wide as the matches.

    Args:
        positions: Source positions, the channels of the matches.
        depth: Number of convolutions, 1 to 6: a count, not the index of a layer.
        widths: Output channels of the hidden ones; the first ``depth - 1`` are used.
        first_kernel: Kernel of the first convolution: 3 as in the paper, or 1, at a ninth of the
            cost.

    Raises:
        ValueError: ``depth`` or ``first_kernel`` is out of range.

    Source:
        UnWarpME Sec. 4.2 and Table 4: channels 128, 128, 96, 64, 32, 2. The paper's n-layer
        variants are read as the first n - 1 hidden ones followed by the last.
    """

    def __init__(
        self,
        positions: int,
        *,
        depth: int = 6,
        widths: Sequence[int] = PAPER_HEAD_WIDTHS,
        first_kernel: int = 3,
    ) -> None:
        super().__init__()
        if not 1 <= depth <= len(widths) + 1:
            raise ValueError(f"depth must be 1 to {len(widths) + 1}, got {depth}")
        if first_kernel not in (1, 3):
            raise ValueError(f"first_kernel must be 1 or 3, got {first_kernel}")
        kernels = (first_kernel,) + (3,) * (depth - 1)
        channels = pairwise((positions, *widths[: depth - 1], 2))
        convolutions = [
            nn.Conv2d(i, o, kernel, padding=kernel // 2, bias=layer == depth)
            for layer, ((i, o), kernel) in enumerate(zip(channels, kernels, strict=True), 1)
        ]
        self.first = convolutions[0]
        rest: list[nn.Module] = []
        for before, after in pairwise(convolutions):
            rest += [nn.BatchNorm2d(before.out_channels), nn.ReLU(), after]
        self.rest = nn.Sequential(*rest)

    def forward(self, matches: Float[Tensor, "b s h w"]) -> Float[Tensor, "b 2 h w"]:
        """Compute two coordinates per cell (B, 2, h, w) from matches Q_gamma (B, S, h, w)."""
        coordinates: Tensor = self.rest(self.first(matches))
        return coordinates


class UnWarpME(FlowEstimator):
    """The warping module W: M, correlation, soft mutual filter, normalisation, C_i.

    Convention: see `reidaug.geometry.flow`. The flow's grid is a quarter of the canvas; poses are
    drawn on the canvas in their normalised coordinates, whatever the size of the image.

    Args:
        canvas: (height, width) on which poses are drawn, multiples of 4.
        sigma: Width of a joint's Gaussian in canvas pixels.
        widths: Channels of M, see `PoseEncoder`.
        dilations: Dilations of M; None: none.
        unit: What features are normalised over, see `unit_features`.
        depth: Number of convolutions of C_i, see `FlowHead`.
        head_widths: Channels of C_i.
        first_kernel: First kernel of C_i.
        readout: ``soft_argmax``: the mean source position under the matches, which C_i corrects;
            ``literal``: C_i alone gives absolute coordinates.

    Raises:
        ValueError: A keyword is out of range.

    Source:
        UnWarpME Sec. 4.1, Eqs. 2, 10 and 3. ``literal`` is the paper's readout; ``soft_argmax`` is
        ours.
    """

    PRESETS: ClassVar[Presets] = {
        "paper": {"canvas": (256, 256), "sigma": 6.0, "readout": "literal"},
        "paper_sa": {"canvas": (256, 256), "sigma": 6.0},
        "market": {
            "canvas": (128, 64),
            "sigma": 3.0,
            "dilations": WIDE_DILATIONS,
            "first_kernel": 1,
        },
        "small": {
            "canvas": (128, 64),
            "sigma": 3.0,
            "widths": SMALL_WIDTHS,
            "head_widths": SMALL_HEAD_WIDTHS,
            "readout": "literal",
        },
        "small_sa": {
            "canvas": (128, 64),
            "sigma": 3.0,
            "widths": SMALL_WIDTHS,
            "dilations": WIDE_DILATIONS,
            "head_widths": SMALL_HEAD_WIDTHS,
            "first_kernel": 1,
        },
    }
    """``paper``: W as the paper has it, literally: 256x256 canvas, 64x64 grid; ``small``: the same,
    narrower and on a 128x64 canvas, 32x16 grid: minutes on a CPU. UnWarpME-SA, ours, has the
    soft-argmax readout: ``paper_sa``, else as ``paper``; ``market``, the paper's widths for 128x64
    crops, with a 1x1 first layer of C_i and a receptive field of the whole canvas; ``small_sa``, as
    ``market``, narrower."""

    def __init__(
        self,
        *,
        canvas: Sequence[int] = (256, 256),
        sigma: float = 6.0,
        widths: Sequence[int] = PAPER_WIDTHS,
        dilations: Sequence[int] | None = None,
        unit: str = "position",
        depth: int = 6,
        head_widths: Sequence[int] = PAPER_HEAD_WIDTHS,
        first_kernel: int = 3,
        readout: str = "soft_argmax",
    ) -> None:
        super().__init__()
        if canvas[0] % CELL or canvas[1] % CELL:
            raise ValueError(f"canvas must have multiples of {CELL}, got {tuple(canvas)}")
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma}")
        if unit not in UNITS:
            raise ValueError(f"unit must be one of {UNITS}, got {unit!r}")
        if readout not in READOUTS:
            raise ValueError(f"readout must be one of {READOUTS}, got {readout!r}")
        self.canvas = (canvas[0], canvas[1])
        self.grid = (canvas[0] // CELL, canvas[1] // CELL)
        self.sigma, self.unit, self.readout = sigma, unit, readout
        self.encoder = PoseEncoder(widths, dilations=dilations or (1,) * 11)
        positions = self.grid[0] * self.grid[1]
        # C_i; checkpoints know its weights as "reader".
        self.reader = FlowHead(
            positions, depth=depth, widths=head_widths, first_kernel=first_kernel
        )
        if readout == "soft_argmax":
            self.log_temperature = nn.Parameter(torch.tensor(3.0))
            last = [self.reader.first, *self.reader.rest][-1]
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def encode(self, pose: Pose, size: Size) -> Float[Tensor, "b m h w"]:
        """Compute unit features z (B, M, h, w) of joints (B, 18, 2) in pixels of a ``size``."""
        maps = pose_maps(pose, size, canvas=self.canvas, sigma=self.sigma)
        return unit_features(self.encoder(maps), over=self.unit)

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        """Estimate one flow per pair; of the source image only the size is used."""
        both = Pose(*(torch.cat(parts) for parts in zip(source_pose, target_pose, strict=True)))
        features, pairs = self.encode(both, size_of(source)), source.shape[0]
        return self._flow(features[:pairs], features[pairs:])

    def flow_table(
        self, source: Float[Tensor, "s 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Float[Tensor, "s t 2 h w"]:
        """Estimate the flow from every source to every target, encoding each pose once."""
        z_source = self.encode(source_pose, size_of(source))
        z_target = self.encode(target_pose, size_of(source))
        return torch.stack([self._flow(z.expand_as(z_target), z_target) for z in z_source])

    def _flow(
        self, z_source: Float[Tensor, "b m h w"], z_target: Float[Tensor, "b m h w"]
    ) -> Float[Tensor, "b 2 h w"]:
        # A few pairs at a time as far as C_i's first convolution: matches of a whole batch are
        # far larger than the processor's cache, and what comes after is small.
        pairs = [(z_source, z_target)]
        if not torch.compiler.is_compiling():  # a graph has no loop over a batch of any size
            few = max(1, CHUNK // (self.grid[0] * self.grid[1]) ** 2)
            pairs = list(zip(z_source.split(few), z_target.split(few), strict=True))
        hidden, expected = [], []
        for z_s, z_t in pairs:
            matches = filter_matches(correlate(z_s, z_t))
            hidden.append(self.reader.first(matches))
            if self.readout == "soft_argmax":
                expected.append(expected_source(matches, self.log_temperature.exp()))
        flow: Tensor = self.reader.rest(torch.cat(hidden)).float()
        return flow + torch.cat(expected) if expected else flow
