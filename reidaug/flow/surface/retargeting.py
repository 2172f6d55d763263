"""Retargeting: another person's pose, as the joints of this person in this person's crop."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reidaug.geometry.flow import Size, to_normalised, to_pixels
from reidaug.geometry.pose import OPENPOSE_18, Pose

JOINTS = len(OPENPOSE_18)


class Retargeting(nn.Module):
    """Moves a pose to another body: its angles, foreshortening and view on this body's limbs.

    A multilayer perceptron corrects the pose scaled and moved to the extent of the source's joints.
    It learns from rendered people, whose true joints in the pose of another are known.

    Args:
        code: Length of the code of body and clothes.
        width: Hidden units of each of the two layers.
    """

    def __init__(self, *, code: int = 64, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * 3 * JOINTS + code, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 2 * JOINTS),
        )
        for parameter in self.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, source: Pose, target: Pose, code: Float[Tensor, "b d"], size: Size) -> Pose:
        """Find the joints (B, 18, 2) of the source's person in the pose of the target.

        Args:
            source: Joints of the person (B, 18, 2) in pixels of the crop.
            target: Joints of another person (B, 18, 2) in pixels of an image of the same size.
            code: Codes of the person (B, D), see `reidaug.flow.surface.networks`.
            size: (height, width) of the crop.

        Returns:
            Joints in pixels of the crop; visible are those of the target.
        """
        points, centres, spans = [], [], []
        for pose in (source, target):
            xy = to_normalised(pose.xy, size)
            known = pose.visible[..., None].to(xy)
            xy = torch.where(pose.visible[..., None], xy, torch.zeros_like(xy))
            count = known.sum(1, keepdim=True).clamp_min(1)
            centre = xy.sum(1, keepdim=True) / count
            span = (((xy - centre) * known).square().sum((1, 2), keepdim=True) / count).sqrt()
            span = span.clamp_min(0.05)
            points.append(torch.cat(((xy - centre) / span * known, known), 2).flatten(1))
            centres.append(centre)
            spans.append(span)
        with torch.autocast(code.device.type, enabled=False):
            moved = self.layers(torch.cat((*points, code), 1).float()).unflatten(1, (JOINTS, 2))
        known = target.visible[..., None]
        xy = torch.where(known, to_normalised(target.xy, size), centres[1])
        xy = ((xy - centres[1]) / spans[1] + moved) * spans[0] + centres[0]
        return Pose(to_pixels(xy, size), target.visible)
