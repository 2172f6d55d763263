"""Dense motion of FOMM, MRAA and TPSMM: a network that blends a few maps into one flow."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reidaug.flow.estimator import Motion
from reidaug.flow.layers import Hourglass, Up
from reidaug.geometry.warp import warp

MASKED = -1e4


class DenseMotion(nn.Module):
    """Blends K + 1 maps softly at every cell, and predicts occlusion.

    Its input is the small source warped by every map, and evidence of where the parts are: pose
    maps of the target minus those of the source. The blend averages coordinates, not images. The
    background's map, the first, always takes part; unknown parts get next to no weight.

    Convention: see `reidaug.geometry.flow`.

    Args:
        parts: K, the number of maps beside the background's.
        evidence: Channels of evidence, without the background's empty one.
        expansion: Width of the hourglass.
        blocks: Number of halvings in the hourglass.
        limit: Most channels in the hourglass.
        norm: ``batch`` or ``instance``.
        finer: None for one occlusion map on the grid (FOMM, MRAA); else one at half the grid, one
            on it, and ``finer`` more, each of twice the resolution (TPSMM).

    Source:
        FOMM's dense motion, which MRAA and TPSMM took over; TPSMM has the several occlusion maps.
    """

    def __init__(
        self,
        parts: int,
        *,
        evidence: int,
        expansion: int = 64,
        blocks: int = 5,
        limit: int = 1024,
        norm: str = "batch",
        finer: int | None = None,
    ) -> None:
        super().__init__()
        self.hourglass = Hourglass(
            evidence + 1 + 3 * (parts + 1),
            expansion=expansion,
            blocks=blocks,
            limit=limit,
            norm=norm,
        )
        channels = self.hourglass.channels
        self.mask = nn.Conv2d(channels[-1], parts + 1, 7, padding=3)
        levels, ups = list(channels[-1:] if finer is None else channels[-2:]), []
        for _ in range(finer or 0):
            ups.append(Up(levels[-1], levels[-1] // 2, norm=norm))
            levels.append(levels[-1] // 2)
        self.ups = nn.ModuleList(ups)
        self.occlusion = nn.ModuleList(nn.Conv2d(c, 1, 7, padding=3) for c in levels)

    def forward(
        self,
        source: Float[Tensor, "b 3 h w"],
        maps: Float[Tensor, "b n 2 h w"],
        evidence: Float[Tensor, "b c h w"],
        known: Bool[Tensor, "b k"],
    ) -> Motion:
        """Blend maps into one flow on the grid, with occlusion.

        Args:
            source: Source images on the grid (B, 3, h, w).
            maps: The background's map, then one per part, (B, K + 1, 2, h, w): each a flow.
            evidence: Evidence of the parts' positions (B, C, h, w).
            known: (B, K), False for the parts to leave out.

        Raises:
            ValueError: The grid does not suit the hourglass.
        """
        count = maps.shape[1]
        repeated = source.repeat_interleave(count, dim=0)
        warped = warp(repeated, maps.flatten(0, 1)).unflatten(0, (-1, count)).flatten(1, 2)
        nothing = torch.zeros_like(evidence[:, :1])
        features = self.hourglass(torch.cat((nothing, evidence, warped), dim=1))
        share = _share(self.mask(features[-1]).float(), known)
        flow = (share[:, :, None] * maps).sum(1)
        levels = features[-1:] if len(self.occlusion) == 1 else features[-2:]
        for up in self.ups:
            levels.append(up(levels[-1]))
        occlusion = [
            head(level).float().sigmoid()
            for head, level in zip(self.occlusion, levels, strict=True)
        ]
        return Motion(flow, tuple(occlusion))


def _share(logits: Tensor, known: Tensor) -> Tensor:
    background = torch.ones_like(known[:, :1])
    used = torch.cat((background, known), dim=1)[..., None, None]
    return torch.where(used, logits, logits + MASKED).softmax(dim=1)
