"""Person masks from joints alone: PATN's limb mask."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool2d

from reidaug.geometry.flow import Size, identity
from reidaug.geometry.pose import Pose
from reidaug.geometry.warp import warp

# Filled limbs as pairs of OPENPOSE_18 joints; the last ones close torso and face.
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7),
    (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (1, 16), (1, 17),
    (8, 11), (11, 5), (8, 2), (16, 17),
)  # fmt: skip

RADIUS = 4.0  # pixels of an image of 128 rows


def silhouette(
    pose: Pose, size: Size, *, radius: float | None = None
) -> Bool[Tensor, "b height width"]:
    """Fill a person's limbs, torso and head: masks (B, *size), True on the person.

    Every limb whose two joints are visible becomes a rectangle around its segment, every visible
    joint a disc; gaps are closed with a square. A missing joint removes its limbs.

    Args:
        pose: The 18 joints (B, 18, 2) in pixels of an image of ``size``; may be outside it.
        size: (height, width) of the mask.
        radius: Half-width of a limb in pixels; by default 4 at 128 rows and in proportion
            otherwise. The closing square is proportional: 5 x 5 at 4 pixels.

    Raises:
        ValueError: The pose has not 18 joints.

    Source:
        PATN's pose mask (limbs, radius 4, 5 x 5 closing, made for 128 x 64). A rectangle with
        discs at its ends is the set of points within ``radius`` of the segment and is computed so:
        coinciding joints need no special case.
    """
    if pose.xy.shape[-2] != 18:
        raise ValueError(f"18 joints expected, got {pose.xy.shape[-2]}")
    radius = RADIUS * size[0] / 128 if radius is None else radius
    # A missing joint's position may be anything, even NaN.
    xy = torch.where(pose.visible[..., None], pose.xy, torch.zeros_like(pose.xy))
    mask = torch.zeros((xy.shape[0], *size), dtype=torch.bool, device=xy.device)
    for first, second in (*LIMBS, *((joint, joint) for joint in range(18))):
        near = _distance(xy[:, first], xy[:, second], size) <= radius
        visible = pose.visible[:, first] & pose.visible[:, second]
        mask |= near & visible[:, None, None]
    return closing(mask, 2 * round(radius / 2) + 1)


def closing(mask: Bool[Tensor, "b height width"], side: int) -> Bool[Tensor, "b height width"]:
    """Apply morphological closing with a square of an odd side in pixels; borders are kept."""
    grown = max_pool2d(mask.float(), side, stride=1, padding=side // 2)
    return -max_pool2d(-grown, side, stride=1, padding=side // 2) > 0.5


def resized(mask: Bool[Tensor, "H W"], size: Size) -> Bool[Tensor, "height width"]:
    """Resize a mask bilinearly to (height, width); a pixel at least half covered belongs to it."""
    if tuple(mask.shape) == tuple(size):
        return mask
    return warp(mask[None, None].float(), identity(*size)[None], size=size)[0, 0] >= 0.5


def without_edge(mask: Bool[Tensor, "b height width"]) -> Bool[Tensor, "b height width"]:
    """Leave the outermost pixels of masks out, but for those of parts at most two pixels wide.

    The edge of an estimated mask is often background. What an erosion by one pixel would remove
    altogether, such as a thin arm, stays.
    """
    outside = (~mask).float()
    inner = max_pool2d(outside, 3, stride=1, padding=1) == 0
    near = max_pool2d(inner.float(), 5, stride=1, padding=2) > 0
    return inner | (mask & ~near)


def _distance(
    start: Float[Tensor, "b 2"], end: Float[Tensor, "b 2"], size: Size
) -> Float[Tensor, "b height width"]:
    """Compute the distance of every pixel from a segment."""
    x = torch.arange(size[1], device=start.device, dtype=start.dtype) - start[:, :1]
    y = torch.arange(size[0], device=start.device, dtype=start.dtype) - start[:, 1:]
    x, y = x[:, None, :], y[:, :, None]
    along_x, along_y = (end - start)[..., None, None].unbind(1)
    length = (along_x**2 + along_y**2).clamp_min(1e-12)
    share = ((x * along_x + y * along_y) / length).clamp(0, 1)
    return torch.hypot(x - share * along_x, y - share * along_y)
