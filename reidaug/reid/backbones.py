"""Re-ID backbones: the interface of all models, and DG-Net's appearance encoder.

`PersonResNet` is torchvision's ResNet (with its parameter names, so that its weight files fit)
without the last stride, with one or more bottleneck heads; `reidaug.reid.model_factory` builds it.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from reidaug.data.images import IMAGENET_MEAN, IMAGENET_STD

# Kind of block and blocks in each stage, as in torchvision.
PRESETS: dict[str, dict[str, Any]] = {
    "resnet18": {"block": "basic", "blocks": (2, 2, 2, 2)},
    "resnet34": {"block": "basic", "blocks": (3, 4, 6, 3)},
    "resnet50": {"block": "bottleneck", "blocks": (3, 4, 6, 3)},
}
# Heads of layumi's Person_reID_baseline_pytorch (one) and of DG-Net (two).
PERSON_REID_HEAD = re.compile(
    r"((?:module\.|_orig_mod\.)*)classifier([12]?)\.(add_block\.0|add_block\.1|classifier\.0)\.(\w+)"
)
PERSON_REID_LAYERS = {
    "add_block.0": "bottleneck", "add_block.1": "norm", "classifier.0": "classifier"
}  # fmt: skip


class Embedding(NamedTuple):
    """Output of a model for a batch of crops."""

    pooled: Float[Tensor, "b d"]  # features before the heads (B, D), for the triplet loss
    heads: tuple[Float[Tensor, "b _"], ...]  # features of each head (B, E), for retrieval by cosine
    logits: tuple[Float[Tensor, "b c"], ...]  # identity scores of each head (B, C), or empty
    # Map before pooling (B, D, h, w) for DG-Net's appearance code, no gradient; None: not exposed.
    maps: Float[Tensor, "b d _ _"] | None = None


class ReIDModel(nn.Module, ABC):
    """Base of all re-ID models.

    Attributes:
        channels_last: Whether the network works, and is faster, with tensors whose channels are
            last in memory.
    """

    channels_last: ClassVar[bool] = False

    @abstractmethod
    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Embedding:
        """Embed crops (B, 3, H, W), normalised by ImageNet's mean and standard deviation."""

    def own_names(self, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of weight files that other packages wrote, where names differ."""
        return dict(stored)


class Renormalise(nn.Module):
    """Crops normalised by ImageNet's mean and standard deviation, normalised by others instead.

    Args:
        mean: Means of the channels, as shares of white.
        std: Standard deviations of the channels, as shares of white.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.scale = [ours / theirs for ours, theirs in zip(IMAGENET_STD, std, strict=True)]
        self.shift = [
            (ours - theirs) / s for ours, theirs, s in zip(IMAGENET_MEAN, mean, std, strict=True)
        ]

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b 3 H W"]:
        """Turn crops (B, 3, H, W) into differently normalised ones."""
        scale, shift = (images.new_tensor(v).view(3, 1, 1) for v in (self.scale, self.shift))
        return images * scale + shift


class HalfInstanceNorm(nn.Module):
    """IBN-a: instance norm for the first half of the channels, batch norm for the rest.

    Source:
        Pan et al., "Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net".
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.split = channels // 2
        self.IN = nn.InstanceNorm2d(self.split, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.split)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise a map (B, C, h, w)."""
        return torch.cat((self.IN(maps[:, : self.split]), self.BN(maps[:, self.split :])), dim=1)


class Head(nn.Module):
    """A bottleneck and a classifier of identities.

    Args:
        features: Size of the pooled features.
        people: Number of identities.
        embedding: Size of the bottleneck; 0: none, batch norm of the features alone.
        dropout: Dropout between bottleneck and classifier.
        generator: Generator of the initial weights.

    Source:
        DG-Net: linear, batch norm, no activation, dropout, linear.
    """

    def __init__(
        self,
        features: int,
        people: int,
        *,
        embedding: int = 512,
        dropout: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.bottleneck = nn.Linear(features, embedding) if embedding else nn.Identity()
        embedding = embedding or features
        self.norm = nn.BatchNorm1d(embedding)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(embedding, people)
        if isinstance(self.bottleneck, nn.Linear):
            nn.init.kaiming_normal_(self.bottleneck.weight, mode="fan_out", generator=generator)
            nn.init.zeros_(self.bottleneck.bias)
        nn.init.normal_(self.classifier.weight, std=1e-3, generator=generator)
        nn.init.zeros_(self.classifier.bias)

    def forward(
        self, pooled: Float[Tensor, "b d"]
    ) -> tuple[Float[Tensor, "b e"], Float[Tensor, "b c"]]:
        """Compute features (B, E) after batch norm and identity scores (B, C)."""
        feature = self.norm(self.bottleneck(pooled))
        return feature, self.classifier(self.dropout(feature))


class PersonResNet(ReIDModel):
    """DG-Net's appearance encoder E_a, a ResNet; ``features`` is the size of the pooled features.

    Args:
        people: Number of identities.
        block: Kind of residual block.
        blocks: Blocks in each of the four stages.
        width: Channels of the first stage; 64 is torchvision's.
        last_stride: Stride of the last stage; image classifiers have 2.
        pooling: Global pooling of the map.
        embedding: Size of each head's bottleneck; 0 for none.
        dropouts: Dropout of each head; DG-Net has two, the second for fine-grained differences.
        ibn: Whether half the channels of every block's first norm in stages 1 to 3 are
            instance-normalised, as in IBN-a.
        generator: Generator of the initial weights; the global one when None.
    """

    channels_last: ClassVar[bool] = True

    def __init__(  # noqa: PLR0913
        self,
        people: int,
        *,
        block: Literal["basic", "bottleneck"] = "bottleneck",
        blocks: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        last_stride: int = 1,
        pooling: Literal["max", "avg"] = "max",
        embedding: int = 512,
        dropouts: Sequence[float] = (0.5, 0.75),
        ibn: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.pooling, self.last_stride = pooling, last_stride
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        kind = BasicBlock if block == "basic" else Bottleneck
        channels = width
        for stage, (count, stride) in enumerate(
            zip(blocks, (1, 2, 2, last_stride), strict=True), 1
        ):
            layer = residual_stage(kind, channels, width * 2 ** (stage - 1), count, stride)
            channels = width * 2 ** (stage - 1) * kind.expansion
            for residual in layer if ibn and stage < 4 else ():
                residual.bn1 = HalfInstanceNorm(width * 2 ** (stage - 1))
            self.add_module(f"layer{stage}", layer)
        self.features = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(
                    module.weight, mode="fan_out", nonlinearity="relu", generator=generator
                )
        self.heads = nn.ModuleList(
            Head(channels, people, embedding=embedding, dropout=dropout, generator=generator)
            for dropout in dropouts
        )

    def own_names(self, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `ReIDModel.own_names`: heads as those of Person_reID and of DG-Net.

        Their ``classifier`` or ``classifier1`` and ``classifier2`` are each a linear layer and
        batch norm, ``add_block``, and the classifier itself. Those of PCB, which begin at
        ``classifier0``, are of parts of a person and stay.
        """
        if any(".classifier0." in f".{name}" for name in stored):
            return dict(stored)
        named = {}
        for name, value in stored.items():
            # Without a linear layer (``linear_num`` 0) batch norm comes first.
            first = name.partition("add_block.0.")[0] + "add_block.0."
            bare = "add_block.0." in name and f"{first}running_mean" in stored
            named[_head_name(name.replace("add_block.0.", "add_block.1.") if bare else name)] = (
                value
            )
        return named

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Embedding:
        """See `ReIDModel.forward`."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in range(1, 5):
            maps = self.get_submodule(f"layer{stage}")(maps)
        pooled = maps.amax((2, 3)) if self.pooling == "max" else maps.mean((2, 3))
        features, logits = zip(*(head(pooled) for head in self.heads), strict=True)
        return Embedding(pooled, features, logits, maps.detach())


def _head_name(name: str) -> str:
    found = PERSON_REID_HEAD.fullmatch(name)
    if found is None:
        return name
    before, number, part, rest = found.groups()
    layer = PERSON_REID_LAYERS[part]
    return f"{before}heads.{int(number or 1) - 1}.{layer}.{rest}"


def residual_stage(kind: Any, channels: int, width: int, count: int, stride: int) -> nn.Sequential:
    """Build a residual stage, whose first block changes channels and size.

    Args:
        kind: torchvision's ``BasicBlock`` or ``Bottleneck``.
        channels: Input channels.
        width: Width of the blocks; the output has ``kind.expansion`` times as many channels.
        count: Number of blocks.
        stride: Stride of the first block.
    """
    out = width * kind.expansion
    shortcut = None
    if stride != 1 or channels != out:
        shortcut = nn.Sequential(
            nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
        )
    first = kind(channels, width, stride, shortcut)
    return nn.Sequential(first, *(kind(out, width) for _ in range(count - 1)))
