"""A convolutional trunk with a batch-normalised neck (BNNeck), the form of the strong baselines."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from reidaug.reid.backbones import Embedding, ReIDModel

GEM_LEAST = 1e-6


class TrunkAndNeck(ReIDModel):
    """A trunk with a neck: the triplet loss sees the features before it, retrieval those after it.

    Args:
        trunk: Computes a map (B, C, h, w) of normalised crops (B, 3, H, W).
        channels: Channels C of the map.
        people: Number of identities.
        pooling: ``avg``; ``gem`` with exponent 3; ``gem_learnt`` with a learnt exponent.
        embedding: Size of a linear layer before the neck; 0 for none.
        generator: Generator of the initial weights; the global one when None.

    Source:
        Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person Re-identification".
    """

    channels_last: ClassVar[bool] = True

    def __init__(
        self,
        trunk: nn.Module,
        channels: int,
        people: int,
        *,
        pooling: str = "avg",
        embedding: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.backbone = trunk
        self.heads = Neck(channels, people, pooling=pooling, embedding=embedding)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.heads.weight, std=0.01, generator=generator)

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Embedding:
        """See `ReIDModel.forward`."""
        return self.heads(self.backbone(images))


class Neck(nn.Module):
    """Pooling, an optional linear layer, batch norm without bias, and the classifier.

    ``features`` are the channels of the map; the other arguments are those of `TrunkAndNeck`.
    """

    def __init__(self, features: int, people: int, *, pooling: str, embedding: int = 0) -> None:
        super().__init__()
        if pooling not in ("avg", "gem", "gem_learnt"):
            raise ValueError(f"pooling '{pooling}' is none of avg, gem, gem_learnt")
        self.pool_layer = (
            nn.AdaptiveAvgPool2d(1)
            if pooling == "avg"
            else GeneralisedMean(learnt=pooling == "gem_learnt")
        )
        size = embedding or features
        layers: list[nn.Module] = []
        if embedding:
            layers.append(nn.Conv2d(features, size, 1, bias=False))
        norm = nn.BatchNorm2d(size)
        norm.bias.requires_grad_(False)
        self.bottleneck = nn.Sequential(*layers, norm)
        self.weight = nn.Parameter(torch.empty(people, size))

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Embedding:
        """Compute features before and after the neck and identity scores of a map."""
        pooled = self.pool_layer(maps)
        feature = self.bottleneck(pooled).flatten(1)
        return Embedding(pooled.flatten(1), (feature,), (linear(feature, self.weight),))


class GeneralisedMean(nn.Module):
    """Generalised-mean pooling (GeM): each channel's mean p-th power, to the power 1 / p.

    Values below 1e-6 count as 1e-6; p is 3, or learnt from 3 on.

    Source:
        Radenović et al., "Fine-tuning CNN Image Retrieval with No Human Annotation".
    """

    def __init__(self, *, learnt: bool) -> None:
        super().__init__()
        self.p: Tensor | float = nn.Parameter(torch.full((1,), 3.0)) if learnt else 3.0

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """Pool a map (B, C, h, w) to (B, C, 1, 1)."""
        powers = maps.clamp(min=GEM_LEAST) ** self.p
        return powers.mean((2, 3), keepdim=True) ** (1 / self.p)
