"""ResNets of fast-reid (BoT, AGW, SBS), for evaluating and fine-tuning their checkpoints.

Parameter names are those of fast-reid's ``state_dict``. Its trunk is torchvision's except for the
first pooling, which has no padding and rounds up: in a `PersonResNet` the same weights would work
on a map shifted by half a cell and give other features.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from reidaug.reid.backbones import PRESETS as BLOCKS
from reidaug.reid.backbones import HalfInstanceNorm, residual_stage
from reidaug.reid.neck import TrunkAndNeck

PRESETS: dict[str, dict[str, Any]] = {
    **BLOCKS,
    "resnet101": {"block": "bottleneck", "blocks": (3, 4, 23, 3)},
}
STRIDES = (1, 2, 2, 1)


class BagOfTricks(TrunkAndNeck):
    """A ResNet with a batch-normalised neck, as fast-reid builds it.

    Retrieval compares the features after the neck, the triplet loss those before it (fast-reid's
    ``NECK_FEAT: before``). The classifier is a plain linear layer: the margins of fast-reid's
    circle and arc losses matter only to its training and are left out.

    Args:
        people: Number of identities.
        block: Kind of residual block.
        blocks: Blocks in each of the four stages.
        ibn: Whether half the channels of every block's first norm in stages 1 to 3 are
            instance-normalised (``WITH_IBN``).
        nonlocal_blocks: Non-local blocks in each stage, one after each of its last residual
            blocks (``WITH_NL``).
        pooling: ``avg``; ``gem`` with exponent 3; ``gem_learnt`` with a learnt exponent
            (``GeneralizedMeanPoolingP``).
        embedding: Size of a linear layer before the neck; 0 for none.
        width: Channels of the first stage.
        generator: Generator of the initial weights; the global one when None.

    Source:
        Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person Re-identification"; the
        layout of the parameters is that of fast-reid 1.x.
    """

    def __init__(
        self,
        people: int,
        *,
        block: Literal["basic", "bottleneck"] = "bottleneck",
        blocks: Sequence[int] = (3, 4, 6, 3),
        ibn: bool = False,
        nonlocal_blocks: Sequence[int] = (0, 0, 0, 0),
        pooling: Literal["avg", "gem", "gem_learnt"] = "avg",
        embedding: int = 0,
        width: int = 64,
        generator: torch.Generator | None = None,
    ) -> None:
        kind = BasicBlock if block == "basic" else Bottleneck
        super().__init__(
            Trunk(kind, blocks, nonlocal_blocks, ibn=ibn, width=width),
            8 * width * kind.expansion,
            people,
            pooling=pooling,
            embedding=embedding,
            generator=generator,
        )


class Trunk(nn.Module):
    """The residual stages, with torchvision's class ``kind`` of block; see `BagOfTricks`."""

    def __init__(
        self,
        kind: Any,
        blocks: Sequence[int],
        nonlocal_blocks: Sequence[int],
        *,
        ibn: bool,
        width: int,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        channels = width
        plan = zip(blocks, nonlocal_blocks, STRIDES, strict=True)
        for number, (count, after, stride) in enumerate(plan, 1):
            size = width * 2 ** (number - 1)
            stage = residual_stage(kind, channels, size, count, stride)
            channels = size * kind.expansion
            if ibn and number < 4:
                for block in stage:
                    block.bn1 = HalfInstanceNorm(size)
            self.add_module(f"layer{number}", stage)
            if after:
                attention = nn.ModuleList(NonLocal(channels) for _ in range(after))
                self.add_module(f"NL_{number}", attention)

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Compute the last stage's map (B, C, h, w) of normalised crops (B, 3, H, W)."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        stages = dict(self.named_children())
        for number in range(1, 5):
            blocks = list(stages[f"layer{number}"].children())
            attention = list(stages.get(f"NL_{number}", nn.ModuleList()).children())
            first = len(blocks) - len(attention)
            for index, block in enumerate(blocks):
                maps = block(maps)
                if index >= first:
                    maps = attention[index - first](maps)
        return maps


class NonLocal(nn.Module):
    """A residual non-local block in the dot-product form; the identity at first.

    Source:
        Wang et al., "Non-local Neural Networks". As in fast-reid (and AGW before it) theta, phi and
        g have a single channel each.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g, self.theta, self.phi = (nn.Conv2d(channels, 1, 1) for _ in range(3))
        norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(norm.weight)
        self.W = nn.Sequential(nn.Conv2d(1, channels, 1), norm)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Add the attended values of all positions to each position of a map (B, C, h, w)."""
        # With one channel, (theta_i phi_j) g_j summed over j is theta_i times one number per crop.
        attended = (self.phi(maps) * self.g(maps)).mean((2, 3), keepdim=True)
        return maps + self.W(self.theta(maps) * attended)
