"""Convolutions that are fast in mixed precision on a CPU."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class MixedPrecisionConv2d(nn.Conv2d):
    """A convolution that trains in float32 where bfloat16 is slow on a CPU.

    The gradients of a depthwise convolution take oneDNN several times as long in bfloat16 as in
    float32 when it is strided or its kernel is larger than 3 x 3. Such a layer leaves autocast for
    itself alone: its output has autocast's type again. Parameters and arguments are those of
    torch's class.
    """

    @property
    def slow_in_bfloat16(self) -> bool:
        """Whether the gradients take longer in bfloat16 than in float32 on a CPU."""
        return self.groups > 1 and (max(self.stride) > 1 or max(self.kernel_size) > 3)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        """Convolve a map (B, C, h, w)."""
        training = torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")
        if not (training and self.slow_in_bfloat16 and maps.device.type == "cpu"):
            return super().forward(maps)
        with torch.autocast("cpu", enabled=False):
            out = super().forward(maps.float())
        return out.to(torch.get_autocast_dtype("cpu"))
