"""Places on the body: surface maps, and the symmetry of the body.

A surface map (4, h, w) says for every cell of an image's grid where on the body it is: the position
of its surface point on the mean body at rest, in metres (x to the person's left, y to the back, z
up), and 1 on a bag. The corners of the grid are the centres of the image's corner pixels.
"""

import torch
from jaxtyping import Float
from torch import Tensor

CHANNELS = 4
AXIS_Y = -0.03
"""The y coordinate of the trunk's upright axis on the mean body; see people3d."""


def mirrored_places(places: Float[Tensor, "*b 4 n"]) -> Float[Tensor, "*b 4 n"]:
    """Exchange left and right of places (..., 4, N)."""
    return places * torch.tensor((-1.0, 1.0, 1.0, 1.0), device=places.device)[:, None]
