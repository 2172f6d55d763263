"""Flow estimators whose flow, or weights, are NaN from half of the training on."""

from typing import Any

import torch
from torch import Tensor

from reidaug.flow.unwarpme import UnWarpME


class Poisoned(UnWarpME):
    """UnWarpME until then."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.share = 0.0

    def set_progress(self, share: float, generator: torch.Generator) -> None:
        """Note how far the training is."""
        self.share = share

    def forward(self, *given: Any, **named: Any) -> Tensor:
        """Give a flow that is not finite, in time."""
        return super().forward(*given, **named) * (torch.nan if self.share >= 0.5 else 1.0)


class PoisonedWeights(Poisoned):
    """UnWarpME until then; its weights themselves are lost."""

    def set_progress(self, share: float, generator: torch.Generator) -> None:
        """Lose the weights, in time."""
        super().set_progress(share, generator)
        if share >= 0.5:
            for weight in self.parameters():
                weight.data.fill_(torch.nan)
