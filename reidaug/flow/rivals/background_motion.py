"""One affine map for everything behind the person, predicted from the two poses."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import resnet18

from reidaug.flow.layers import Down, check_halving
from reidaug.geometry.flow import from_affine
from reidaug.geometry.pose import OPENPOSE_18

BACKGROUNDS = ("identity", "predicted")
CHANNELS = 2 * len(OPENPOSE_18)


class BackgroundMotion(nn.Module):
    """Predicts an affine map (a backward map, normalised) from pose maps; at first the identity.

    The target image is no input: it is unknown when a flow is asked for, and would give the
    answer away.

    Args:
        kind: ``downs``: MRAA's downward blocks and a mean; ``resnet``: TPSMM's ResNet-18.
        expansion: Channels of the first downward block; the others double them up to 1024.
        blocks: Number of downward blocks.

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
            downs = [Down(widths[i], widths[i + 1]) for i in range(blocks)]
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
        """Predict the map from target to source.

        Args:
            source: Pose maps of the source (B, 18, h, w).
            target: Pose maps of the target (B, 18, h, w).

        Returns:
            Matrix and offset (B, 2, 3).

        Raises:
            ValueError: The maps do not halve evenly.
        """
        check_halving(source, self.halvings)
        affine: Tensor = self.network(torch.cat((source, target), dim=1))
        return affine.float().unflatten(1, (2, 3))

    def flow(
        self, source: Float[Tensor, "b 18 h w"], target: Float[Tensor, "b 18 h w"]
    ) -> Float[Tensor, "b 2 h w"]:
        """Predict the map as a flow of the pose maps' size.

        Args:
            source: Pose maps of the source (B, 18, h, w).
            target: Pose maps of the target (B, 18, h, w).

        Returns:
            Flow (B, 2, h, w).
        """
        affine = self(source, target)
        with torch.autocast(affine.device.type, enabled=False):
            size = (source.shape[-2], source.shape[-1])
            return from_affine(affine[..., :2], affine[..., 2], size)


def round_trip_loss(
    there: Float[Tensor, "b 2 3"], back: Float[Tensor, "b 2 3"]
) -> Float[Tensor, ""]:
    """Ask that the way there and back leads home.

    Args:
        there: Affine maps from source to target (B, 2, 3).
        back: Affine maps from target to source (B, 2, 3).

    Returns:
        Mean absolute difference of the product, as 3x3 matrices, and the identity.

    Source:
        TPSMM's background loss mean|I - B(S to D) B(D to S)|.
    """
    with torch.autocast(there.device.type, enabled=False):
        last = torch.tensor((0.0, 0.0, 1.0), device=there.device).expand(len(there), 1, 3)
        product = torch.cat((there, last), dim=1) @ torch.cat((back, last), dim=1)
        return (product - torch.eye(3, device=there.device)).abs().mean()


def wants_prediction(background: str) -> bool:
    """Read the keyword ``background`` of an estimator.

    Args:
        background: ``identity`` or ``predicted``.

    Returns:
        Whether the background's motion is predicted.

    Raises:
        ValueError: It is neither.
    """
    if background not in BACKGROUNDS:
        raise ValueError(f"background must be one of {BACKGROUNDS}, got {background!r}")
    return background == "predicted"
