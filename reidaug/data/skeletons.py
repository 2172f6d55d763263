"""Skeletons on images."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from reidaug.geometry.pose import Pose

RIGHT = ((1, 2), (2, 3), (3, 4), (8, 9), (9, 10), (1, 8))
LEFT = ((1, 5), (5, 6), (6, 7), (11, 12), (12, 13), (1, 11))
HEAD = ((1, 0), (0, 14), (14, 16), (0, 15), (15, 17))
LIMBS = RIGHT + LEFT + HEAD
"""Pairs of joints of OPENPOSE_18, in the order they are drawn."""

ORANGE, BLUE, WHITE = (230, 97, 1), (64, 132, 214), (250, 250, 250)
BY_SIDE = (ORANGE,) * len(RIGHT) + (BLUE,) * len(LEFT) + (WHITE,) * len(HEAD)
"""Colour of each limb: right orange, left blue, head white."""


def draw_skeleton(
    picture: Image.Image,
    pose: Pose,
    width: int,
    colours: Sequence[tuple[int, ...]] = BY_SIDE,
) -> None:
    """Draw the limbs whose two joints are visible.

    Args:
        picture: RGB or RGBA image, changed in place.
        pose: The 18 joints in its pixels.
        width: Of a line, in pixels.
        colours: RGB bytes of each of `LIMBS`.
    """
    draw = ImageDraw.Draw(picture)
    for (first, second), colour in zip(LIMBS, colours, strict=True):
        if pose.visible[first] and pose.visible[second]:
            ends = [tuple(pose.xy[joint].tolist()) for joint in (first, second)]
            draw.line(ends, fill=colour, width=width)
