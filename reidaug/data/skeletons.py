"""Skeletons drawn on pictures, as they are usually drawn."""

from PIL import Image, ImageDraw

from reidaug.geometry.pose import Pose

# Limbs between joints of OPENPOSE_18: right side, left side, spine and head.
BONES = (
    ((1, 2), (2, 3), (3, 4), (8, 9), (9, 10), (1, 8)),
    ((1, 5), (5, 6), (6, 7), (11, 12), (12, 13), (1, 11)),
    ((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
COLOURS = ((230, 97, 1), (64, 132, 214), (250, 250, 250))


def draw_skeleton(picture: Image.Image, pose: Pose, width: int) -> None:
    """Draw the bones whose two joints are visible: right orange, left blue, spine and head white.

    Args:
        picture: RGB picture, drawn upon.
        pose: The 18 joints in its pixels.
        width: Of a line, in pixels.
    """
    draw = ImageDraw.Draw(picture)
    for bones, colour in zip(BONES, COLOURS, strict=True):
        for first, second in bones:
            if pose.visible[first] and pose.visible[second]:
                ends = [tuple(pose.xy[joint].tolist()) for joint in (first, second)]
                draw.line(ends, fill=colour, width=width)
