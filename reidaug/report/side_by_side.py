"""Pictures of several methods side by side, each column under its name."""

from collections.abc import Mapping, Sequence

import torch
from PIL import Image, ImageDraw, ImageFont

from reidaug.report.charts import LIGHT
from reidaug.report.figures import WHITE, Picture, enlarge, sheet

READABLE_HEIGHT = 192
FONT_SIZE = 18


def side_by_side(columns: Mapping[str, Sequence[Picture]]) -> Picture:
    """Lay pictures out: what is shown down, methods across, names on top.

    Args:
        columns: Name of a column, and its pictures (3, H, W) from top to bottom, all columns
            equally many.

    Returns:
        One picture. Small pictures are enlarged by a whole factor until they can be looked at.

    Raises:
        ValueError: A column has more pictures than another, or none.
    """
    counts = {len(pictures) for pictures in columns.values()}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(f"columns of equal length expected, got {sorted(counts)}")
    highest = max(picture.shape[-2] for column in columns.values() for picture in column)
    scale = max(1, -(-READABLE_HEIGHT // highest))
    rows: list[list[Picture | None]] = [[label(name) for name in columns]]
    for row in zip(*columns.values(), strict=True):
        rows.append([enlarge(picture, scale) for picture in row])
    return sheet(rows, gap=8)


def label(text: str) -> Picture:
    """Write a line of text.

    Args:
        text: What to write.

    Returns:
        A picture as wide as the text, dark on white.
    """
    font = ImageFont.load_default(FONT_SIZE)
    height = round(1.5 * FONT_SIZE)  # one for all, so that names stand on one line
    image = Image.new("RGB", (round(font.getlength(text)) + 2, height), WHITE)
    ImageDraw.Draw(image).text((1, 2), text, fill=LIGHT.ink, font=font)
    pixels = bytearray(image.tobytes())
    flat = torch.frombuffer(pixels, dtype=torch.uint8)
    return flat.reshape(image.height, image.width, 3).movedim(-1, 0).clone()
