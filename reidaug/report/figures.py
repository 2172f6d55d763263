"""Pictures of people and poses, arranged in tables: no axes, no theme."""

import colorsys
import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from reidaug.data import skeletons
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, select

# Heights and widths are free: pictures of several sizes meet in one call.
Picture = UInt8[Tensor, "3 _ _"]

WHITE = (255, 255, 255)
INK = (29, 33, 38)
OUTLINE = (38, 42, 48)
SMOOTHING = 4
READABLE_HEIGHT = 192
FONT_SIZE = 18
MOST_COLUMNS = 13

# PATN's number k of each limb of `skeletons.LIMBS`; its hue is 20 k degrees.
_PATN_LIMBS = (0, 2, 3, 7, 8, 6, 1, 4, 5, 10, 11, 9, 12, 13, 14, 15, 16)
_PATN_COLOURS: list[tuple[int, ...]] = [
    tuple(round(255 * channel) for channel in colorsys.hsv_to_rgb(k / 18, 1, 1))
    for k in _PATN_LIMBS
]


def draw_skeleton(picture: Picture, pose: Pose, *, scale: int = 1) -> Picture:
    """Draw a pose over a picture in PATN's limb colours, joints and limbs outlined.

    Args:
        picture: Picture to draw on (3, H, W).
        pose: The 18 joints (18, 2) in its pixels; missing ones and their limbs are left out.
        scale: Whole factor by which the picture is enlarged first, to (3, scale H, scale W).
    """
    base = _to_pillow(enlarge(picture, scale)).convert("RGBA")
    layer = Image.new("RGBA", (base.width * SMOOTHING, base.height * SMOOTHING), (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    fine = Pose((pose.xy + 0.5) * scale * SMOOTHING, pose.visible)
    breadth = max(1.5, base.height / 56) * SMOOTHING
    casing: list[tuple[int, ...]] = [OUTLINE] * len(skeletons.LIMBS)
    for grow, limbs, joint in ((0.7 * SMOOTHING, casing, OUTLINE), (0.0, _PATN_COLOURS, WHITE)):
        skeletons.draw_skeleton(layer, fine, round(breadth + 2 * grow), limbs)
        for x, y in fine.xy[fine.visible].tolist():
            radius = breadth * 0.62 + grow
            pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=joint)
    smooth = layer.resize(base.size, Image.Resampling.LANCZOS)
    return _from_pillow(Image.alpha_composite(base, smooth).convert("RGB"))


def blank(size: Size, colour: tuple[int, int, int] = WHITE) -> Picture:
    """Make a picture (3, height, width) of one RGB colour."""
    return torch.tensor(colour, dtype=torch.uint8)[:, None, None].expand(3, *size).clone()


def enlarge(picture: Picture, scale: int) -> Picture:
    """Enlarge a picture (3, H, W) by a whole factor, at least 1, with a bicubic filter."""
    if scale == 1:
        return picture
    height, width = picture.shape[-2:]
    size = (width * scale, height * scale)
    return _from_pillow(_to_pillow(picture).resize(size, Image.Resampling.BICUBIC))


def sheet(
    rows: Sequence[Sequence[Picture | None]],
    *,
    gap: int = 4,
    background: tuple[int, int, int] = WHITE,
) -> Picture:
    """Arrange pictures in a table, centred in rows as high and columns as wide as their largest.

    Args:
        rows: Pictures by row; None leaves a cell empty. Rows may have different lengths.
        gap: Pixels between cells and around the table.
        background: Colour between the pictures.
    """
    heights = [max((p.shape[1] for p in row if p is not None), default=0) for row in rows]
    count = max((len(row) for row in rows), default=0)
    columns = [[row[k] for row in rows if k < len(row)] for k in range(count)]
    widths = [max((p.shape[2] for p in column if p is not None), default=0) for column in columns]
    size = (sum(heights) + gap * (len(heights) + 1), sum(widths) + gap * (count + 1))
    page = blank(size, background)
    for i, row in enumerate(rows):
        for k, picture in enumerate(row):
            if picture is None:
                continue
            height, width = picture.shape[-2:]
            top = gap + sum(heights[:i]) + gap * i + (heights[i] - height) // 2
            left = gap + sum(widths[:k]) + gap * k + (widths[k] - width) // 2
            page[:, top : top + height, left : left + width] = picture
    return page


def warp_sheet(
    sources: Sequence[Picture],
    target_poses: Pose,
    warps: Sequence[Sequence[Picture]],
    *,
    scale: int = 2,
) -> Picture:
    """Draw the source and the warps of each person in a row, under a header of the target poses.

    Args:
        sources: One crop per person, all of one size.
        target_poses: The poses (T, 18, 2) in pixels of that size.
        warps: Per person one warp a pose.
        scale: Enlargement of every picture.
    """
    size = (sources[0].shape[-2], sources[0].shape[-1])
    poses = [select(target_poses, t) for t in range(target_poses.xy.shape[0])]
    rows: list[list[Picture | None]] = [
        [None, *(draw_skeleton(blank(size), pose, scale=scale) for pose in poses)]
    ]
    for person in zip(sources, warps, strict=True):
        rows.append([enlarge(picture, scale) for picture in (person[0], *person[1])])
    return sheet(rows, gap=3 * scale)


def labelled_columns(
    columns: Mapping[str, Sequence[Picture]], *, repeated: int = 2, most: int = MOST_COLUMNS
) -> Picture:
    """Arrange pictures (3, H, W) in columns of equal length, each under its name.

    Pictures lower than `READABLE_HEIGHT` are enlarged by a whole factor. Names are broken where
    they are wider than their column. More columns than fit beside each other go on below.

    Args:
        columns: Pictures by name.
        repeated: How many of the first columns stand at the left of each part: source and target.
        most: Columns beside each other, more than those repeated.

    Raises:
        ValueError: A column has more pictures than another, or none.
    """
    counts = {len(pictures) for pictures in columns.values()}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(f"columns of equal length expected, got {sorted(counts)}")
    highest = max(picture.shape[-2] for column in columns.values() for picture in column)
    scale = max(1, -(-READABLE_HEIGHT // highest))
    names = list(columns)
    first, others = names[:repeated], names[repeated:]
    parts = max(1, -(-len(others) // (most - repeated)))
    beside = -(-len(others) // parts)  # as many in each part
    bands = []
    for k in range(parts):
        shown = [*first, *others[k * beside : (k + 1) * beside]]
        widths = [scale * columns[name][0].shape[-1] for name in shown]
        lines = [broken(name, width) for name, width in zip(shown, widths, strict=True)]
        height = max(len(one) for one in lines)
        rows: list[list[Picture | None]] = [[label(*one, lines=height) for one in lines]]
        for row in zip(*(columns[name] for name in shown), strict=True):
            rows.append([enlarge(picture, scale) for picture in row])
        bands.append(sheet(rows, gap=8))
    return _stacked(bands)


def _stacked(bands: Sequence[Picture]) -> Picture:
    """Put pictures below each other, at the left."""
    width = max(band.shape[-1] for band in bands)
    wide = []
    for band in bands:
        page = blank((band.shape[-2], width))
        page[:, :, : band.shape[-1]] = band
        wide.append(page)
    return torch.cat(wide, dim=1)


def broken(text: str, width: int) -> list[str]:
    """Break a name into lines of at most so many pixels, behind spaces and underscores alone."""
    font, lines = ImageFont.load_default(FONT_SIZE), [""]
    for part in re.findall(r"[^_ ]*[_ ]+|[^_ ]+", text):
        if lines[-1] and font.getlength(lines[-1] + part.rstrip()) + 2 > width:
            lines.append("")
        lines[-1] += part
    return lines


def label(*text: str, lines: int = 1) -> Picture:
    """Draw lines of text, dark on white; labels of as many lines (at least) are equally high."""
    font, step = ImageFont.load_default(FONT_SIZE), round(1.5 * FONT_SIZE)
    width = max(round(font.getlength(line)) for line in text) + 2
    image = Image.new("RGB", (width, step * max(lines, len(text))), WHITE)
    for k, line in enumerate(text):
        ImageDraw.Draw(image).text((1, 2 + k * step), line, fill=INK, font=font)
    return _from_pillow(image)


def _to_pillow(picture: Picture) -> Image.Image:
    return Image.fromarray(picture.movedim(0, -1).contiguous().numpy())


def _from_pillow(image: Image.Image) -> Picture:
    return torch.from_numpy(np.array(image)).movedim(-1, 0).contiguous()
