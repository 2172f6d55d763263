"""Background motion of MRAA and TPSMM: one affine map, predicted from the two poses."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import resnet18

from reidaug.flow.layers import Down, check_halving
from reidaug.geometry.flow import from_affine, size_of
from reidaug.geometry.pose import OPENPOSE_18

BACKGROUNDS = ("identity", "predicted")
CHANNELS = 2 * len(OPENPOSE_18)


class BackgroundMotion(nn.Module):
    """Predicts an affine map (a backward map, normalised) from pose maps; at first the identity.

    The target image is no input: it is unknown at test time, and would leak the answer.

    Args:
        kind: ``downs``: MRAA's down-sampling blocks and a mean; ``resnet``: TPSMM's ResNet-18.
        expansion: Channels of the first block; the others double them up to 1024.
        blocks: Number of blocks.

    Raises:
        ValueError: There is no such kind.

    Source:
        MRAA's background motion predictor and TPSMM's, with 36 pose channels in place of the two
        images: our reading.
    """

    def __init__(self, kind: str, *, expansion: int = 64, blocks: int = 5) -> None:
        super().__init__()
        self.halvings = blocks if kind == "downs" else 0
        if kind == "downs":
            widths = [CHANNELS, *(min(1024, expansion * 2**i) for i in range(blocks))]
            downs = [Down(i, o) for i, o in pairwise(widths)]
            head = nn.Linear(widths[-1], 6)
            self.network: nn.Module = nn.Sequential(
                *downs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head
            )
        elif kind == "resnet":
            self.network = resnet18()
            self.network.conv1 = nn.Conv2d(CHANNELS, 64, 7, 2, padding=3, bias=False)
            head = nn.Linear(512, 6)
            self.network.fc = head
        else:
            raise ValueError(f"kind must be 'downs' or 'resnet', got {kind!r}")
        nn.init.zeros_(head.weight)
        head.bias = nn.Parameter(torch.tensor((1.0, 0.0, 0.0, 0.0, 1.0, 0.0)))

    def forward(
        self, source: Float[Tensor, "b 18 h w"], target: Float[Tensor, "b 18 h w"]
    ) -> Float[Tensor, "b 2 3"]:
        """Predict matrix and offset of the map from target to source, from their pose maps.

        Raises:
            ValueError: The pose maps do not halve evenly.
        """
        check_halving(source, self.halvings)
        affine: Tensor = self.network(torch.cat((source, target), dim=1))
        return affine.float().unflatten(1, (2, 3))

    def flow(
        self, source: Float[Tensor, "b 18 h w"], target: Float[Tensor, "b 18 h w"]
    ) -> Float[Tensor, "b 2 h w"]:
        """Predict the map as a flow of the pose maps' size; see `forward`."""
        affine = self(source, target)
        with torch.autocast(affine.device.type, enabled=False):
            return from_affine(affine[..., :2], affine[..., 2], size_of(source))


def build_background(background: str, kind: str, **keywords: int) -> BackgroundMotion | None:
    """Build what a keyword ``background`` names: ``predicted`` as in `BackgroundMotion`, or None.

    Raises:
        ValueError: It is neither ``predicted`` nor ``identity``.
    """
    if background not in BACKGROUNDS:
        raise ValueError(f"background must be one of {BACKGROUNDS}, got {background!r}")
    return BackgroundMotion(kind, **keywords) if background == "predicted" else None


def round_trip_loss(
    forth: Float[Tensor, "b 2 3"], back: Float[Tensor, "b 2 3"]
) -> Float[Tensor, ""]:
    """Compare the composition of the maps from source to target and back with the identity.

    Returns:
        Mean absolute difference of their product, as 3x3 matrices, and the identity.

    Source:
        TPSMM's background loss mean|I - B(S to D) B(D to S)|.
    """
    with torch.autocast(forth.device.type, enabled=False):
        last = torch.tensor((0.0, 0.0, 1.0), device=forth.device).expand(len(forth), 1, 3)
        product = torch.cat((forth, last), dim=1) @ torch.cat((back, last), dim=1)
        return (product - torch.eye(3, device=forth.device)).abs().mean()
