"""Contact sheet of crops with their estimated skeletons and outlines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from reidaug.data.contact_sheet import ContactSheet
from reidaug.data.images import channels_last, read_image
from reidaug.data.skeletons import draw_skeleton
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import on_canvas
from reidaug.perception.pose_estimator import PoseEstimator
from reidaug.perception.second_tries import find_person

COLUMNS = 10
CELL = (192, 112)  # (height, width) in pixels
CAPTION = 14
LETTERS = 17  # of a caption
OUTLINE = (80, 230, 120)


def pose_sheet(estimator: PoseEstimator, crops: Sequence[Path], captions: Sequence[str]) -> bytes:
    """Draw crops with skeleton and outline as a PNG file; where no person is found, the crop alone.

    Args:
        estimator: Estimates the poses once more.
        crops: Files; one that cannot be read is an empty cell.
        captions: A few letters below each.
    """
    columns = min(max(len(crops), 1), COLUMNS)
    sheet = ContactSheet(max(1, -(-len(crops) // columns)), columns, (CELL[0] + CAPTION, CELL[1]))
    draw = ImageDraw.Draw(sheet.picture)
    for k, (path, caption) in enumerate(zip(crops, captions, strict=True)):
        row, column = divmod(k, columns)
        try:
            sheet.place(_drawn(estimator, path), row, column)
        except ReidaugError:
            continue
        left, top = sheet.corner(row, column)
        draw.text((left, top + CELL[0] + 1), caption[:LETTERS], fill="black")
    return sheet.png()


def edge(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Find the pixels of a mask (h, w) that touch its outside; beyond the image is not outside."""
    around = np.pad(mask, 1, mode="edge")
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return mask & ~inner


def _drawn(estimator: PoseEstimator, path: Path) -> Image.Image:
    image = channels_last(read_image(path))
    estimate, attempt = find_person(estimator, image)
    before = (image.shape[0], image.shape[1])
    size = _fitted(before)
    picture = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    if attempt:
        mask = Image.fromarray(estimate.mask).resize(picture.size, Image.Resampling.NEAREST)
        pixels = np.array(picture)
        pixels[edge(np.array(mask))] = OUTLINE
        picture = Image.fromarray(pixels)
        draw_skeleton(picture, on_canvas(estimate.pose, before, size), 2)
    cell = Image.new("RGB", (CELL[1], CELL[0]), (235, 235, 235))
    cell.paste(picture, ((CELL[1] - size[1]) // 2, (CELL[0] - size[0]) // 2))
    return cell


def _fitted(size: Size) -> Size:
    """Compute the largest size of the same shape that fits a cell."""
    scale = min(CELL[0] / size[0], CELL[1] / size[1])
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
