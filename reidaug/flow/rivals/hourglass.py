"""The hourglass network of FOMM, MRAA and TPSMM."""

from jaxtyping import Float
from torch import Tensor, cat, nn

from reidaug.flow.layers import Down, Up, check_halving


class Hourglass(nn.Module):
    """Halves a picture several times and doubles it again, with a bridge at every resolution.

    The encoder's channels double from ``2 * expansion`` up to ``limit``; after each doubling the
    encoder's map of that resolution is appended, last of all the input itself.

    Args:
        inputs: Channels F of the input.
        expansion: Channels that the last decoder block makes; the output has ``expansion + F``.
        blocks: How often the picture is halved.
        limit: Most channels of an encoder map.
        norm: ``batch`` or ``instance``.

    Attributes:
        channels: Channels of each decoder map that `forward` gives, coarse to fine.

    Source:
        FOMM's hourglass, which MRAA and TPSMM took over.
    """

    def __init__(
        self,
        inputs: int,
        *,
        expansion: int = 64,
        blocks: int = 5,
        limit: int = 1024,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        widths = [inputs, *(min(limit, expansion * 2 ** (i + 1)) for i in range(blocks))]
        made = [min(limit, expansion * 2**i) for i in range(blocks)]  # by decoder blocks
        self.channels = tuple(made[i] + widths[i] for i in reversed(range(blocks)))
        self.downs = nn.ModuleList(Down(widths[i], widths[i + 1], norm=norm) for i in range(blocks))
        coming = (widths[-1], *self.channels[:-1])
        self.ups = nn.ModuleList(
            Up(come, made[i], norm=norm)
            for come, i in zip(coming, reversed(range(blocks)), strict=True)
        )

    def forward(self, picture: Float[Tensor, "b f h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Give the decoder map of every resolution.

        Args:
            picture: Input (B, F, h, w); h and w are multiples of 2 to the power of ``blocks``.

        Returns:
            Decoder maps with the encoder's appended, coarse to fine: the last is the output
            (B, expansion + F, h, w), the one before has half its resolution.

        Raises:
            ValueError: The picture would be pooled away, or does not halve evenly.
        """
        check_halving(picture, len(self.downs))
        bridges = [picture]
        for down in self.downs:
            bridges.append(down(bridges[-1]))
        features, maps = bridges.pop(), []
        for up in self.ups:
            features = cat((up(features), bridges.pop()), dim=1)
            maps.append(features)
        return maps
