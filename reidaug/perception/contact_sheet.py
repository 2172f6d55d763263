"""A contact sheet of crops with what was read from them drawn on top."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from reidaug.data.images import read_image
from reidaug.data.skeletons import draw_skeleton
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import on_canvas
from reidaug.perception.blazepose import PersonReader, shows_person

COLUMNS = 10
CELL = (192, 112)  # (height, width) in pixels
CAPTION = 14
LETTERS = 17  # of a caption
GAP = 4
OUTLINE = (80, 230, 120)


def contact_sheet(reader: PersonReader, crops: Sequence[Path], captions: Sequence[str]) -> bytes:
    """Draw crops with skeleton and outline; where nobody is found, the crop alone.

    Args:
        reader: Reads them once more.
        crops: Files; one that cannot be read is an empty place.
        captions: A few letters below each.

    Returns:
        A PNG file.
    """
    columns = min(max(len(crops), 1), COLUMNS)
    rows = max(1, -(-len(crops) // columns))
    step = (CELL[0] + CAPTION + GAP, CELL[1] + GAP)
    sheet = Image.new("RGB", (columns * step[1] + GAP, rows * step[0] + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for k, (path, caption) in enumerate(zip(crops, captions, strict=True)):
        top, left = GAP + k // columns * step[0], GAP + k % columns * step[1]
        try:
            sheet.paste(_drawn(reader, path), (left, top))
        except ReidaugError:
            continue
        draw.text((left, top + CELL[0] + 1), caption[:LETTERS], fill="black")
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def edge(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Find the pixels of a mask that touch what is outside it, the picture's border not counted.

    Args:
        mask: Booleans (h, w).

    Returns:
        Booleans (h, w).
    """
    around = np.pad(mask, 1, mode="edge")
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return mask & ~inner


def _drawn(reader: PersonReader, path: Path) -> Image.Image:
    image = np.ascontiguousarray(read_image(path).permute(1, 2, 0).numpy())
    reading = reader.read(image)
    before = (image.shape[0], image.shape[1])
    size = _fitted(before)
    picture = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    if shows_person(reading):
        mask = Image.fromarray(reading.mask).resize(picture.size, Image.Resampling.NEAREST)
        pixels = np.array(picture)
        pixels[edge(np.array(mask))] = OUTLINE
        picture = Image.fromarray(pixels)
        draw_skeleton(picture, on_canvas(reading.pose, before, size), 2)
    cell = Image.new("RGB", (CELL[1], CELL[0]), (235, 235, 235))
    cell.paste(picture, ((CELL[1] - size[1]) // 2, (CELL[0] - size[0]) // 2))
    return cell


def _fitted(size: Size) -> Size:
    """Give the largest size of the same shape that fits a cell."""
    scale = min(CELL[0] / size[0], CELL[1] / size[1])
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
