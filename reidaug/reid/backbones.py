"""Networks that turn a person crop into features and identities.

`PersonResNet` is DG-Net's appearance encoder: torchvision's ResNet (its parameter names, so that
its weight files fit) without the last stride, pooled, with one or more bottleneck heads.
`reidaug.reid.model_factory` finds it, and everybody else's models, by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

# Blocks of each stage and their kind, as torchvision numbers them.
PRESETS: dict[str, dict[str, Any]] = {
    "resnet18": {"block": "basic", "blocks": (2, 2, 2, 2)},
    "resnet34": {"block": "basic", "blocks": (3, 4, 6, 3)},
    "resnet50": {"block": "bottleneck", "blocks": (3, 4, 6, 3)},
}


class Embedding(NamedTuple):
    """What a model sees in crops.

    Attributes:
        pooled: Features before the heads (B, D), which a triplet loss compares.
        heads: Features of each head (B, E), which retrieval compares; each counts by its angle.
        logits: Scores of the identities (B, C) by each head; empty where the model gives none.
        maps: What the features were pooled from (B, D, h, w), without gradient; None where the
            model does not tell. DG-Net reads its appearance code there.
    """

    pooled: Float[Tensor, "b d"]
    heads: tuple[Float[Tensor, "b _"], ...]
    logits: tuple[Float[Tensor, "b c"], ...]
    maps: Float[Tensor, "b d _ _"] | None = None


class ReIDModel(nn.Module, ABC):
    """Looks at crops and says who they show."""

    @abstractmethod
    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Embedding:
        """Embed crops.

        Args:
            images: Crops (B, 3, H, W), normalised by ImageNet's mean and standard deviation.

        Returns:
            Features and identity scores.
        """


class Head(nn.Module):
    """A bottleneck between the pooled features and the identities.

    Args:
        features: Size of the pooled features.
        people: Number of identities.
        embedding: Size of the bottleneck.
        dropout: Share of the bottleneck dropped before the identities.
        generator: Source of the first weights.

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
        self.bottleneck = nn.Linear(features, embedding)
        self.norm = nn.BatchNorm1d(embedding)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(embedding, people)
        nn.init.kaiming_normal_(self.bottleneck.weight, mode="fan_out", generator=generator)
        nn.init.zeros_(self.bottleneck.bias)
        nn.init.normal_(self.classifier.weight, std=1e-3, generator=generator)
        nn.init.zeros_(self.classifier.bias)

    def forward(
        self, pooled: Float[Tensor, "b d"]
    ) -> tuple[Float[Tensor, "b e"], Float[Tensor, "b c"]]:
        """Give the head's features and its identity scores.

        Args:
            pooled: Pooled features (B, D).

        Returns:
            Features (B, E) after batch norm and scores (B, C).
        """
        feature = self.norm(self.bottleneck(pooled))
        return feature, self.classifier(self.dropout(feature))


class PersonResNet(ReIDModel):
    """A ResNet in the form of DG-Net's appearance encoder.

    Args:
        people: Number of identities.
        block: Kind of residual block.
        blocks: Blocks in each of the four stages.
        width: Channels of the first stage; 64 is torchvision's.
        last_stride: Stride of the last stage; 1 keeps its map twice as fine as an image
            classifier's.
        pooling: How the map becomes one feature.
        embedding: Size of each head's bottleneck.
        dropouts: Dropout of each head; their number is the number of heads. DG-Net has two, the
            second for fine-grained differences.
        generator: Source of the first weights; the global one when None.

    Attributes:
        features: Size of the pooled features.

    Source:
        DG-Net's E_a; the parameter names of the trunk are torchvision's.
    """

    def __init__(
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
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.pooling = pooling
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

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Embedding:
        """Embed crops; see `ReIDModel.forward`."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in range(1, 5):
            maps = self.get_submodule(f"layer{stage}")(maps)
        pooled = maps.amax((2, 3)) if self.pooling == "max" else maps.mean((2, 3))
        features, logits = zip(*(head(pooled) for head in self.heads), strict=True)
        return Embedding(pooled, features, logits, maps.detach())


def residual_stage(kind: Any, channels: int, width: int, count: int, stride: int) -> nn.Sequential:
    """Chain residual blocks, the first of which changes channels and size.

    Args:
        kind: torchvision's ``BasicBlock`` or ``Bottleneck``.
        channels: Of its input.
        width: Of the blocks; the output has ``kind.expansion`` times as many channels.
        count: Blocks.
        stride: Of the first block.

    Returns:
        The blocks.
    """
    out = width * kind.expansion
    shortcut = None
    if stride != 1 or channels != out:
        shortcut = nn.Sequential(
            nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
        )
    first = kind(channels, width, stride, shortcut)
    return nn.Sequential(first, *(kind(out, width) for _ in range(count - 1)))
