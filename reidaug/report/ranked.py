"""A picture of what a search found: queries, the crops nearest to them, right or wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from reidaug.data.images import read_image
from reidaug.report.figures import Picture

CROP = (168, 84)  # (height, width) a crop is fitted into, in pixels
FRAME = 5
GAP = 6
CAPTION = 20
LETTERS = 13  # pixels
RIGHT, WRONG, ASKED = (30, 142, 62), (201, 42, 42), (38, 42, 48)
INK = (38, 42, 48)
STEP = CROP[1] + 2 * FRAME + GAP
ROW = CAPTION + CROP[0] + 2 * FRAME + CAPTION + GAP


class Result(NamedTuple):
    """A crop of the gallery that a search found.

    Attributes:
        path: Image file.
        distance: Between it and the query.
        right: Whether it shows the query's person.
    """

    path: Path
    distance: float
    right: bool


class RankedQuery(NamedTuple):
    """A query and what was found.

    Attributes:
        path: Image file.
        kind: Why it is shown: ``worst``, ``median`` or ``best``.
        ap: Its average precision in percent.
        results: Nearest first.
    """

    path: Path
    kind: str
    ap: float
    results: tuple[Result, ...]


def choose(ap: Sequence[float | None], *, each: int = 2) -> list[tuple[int, str]]:
    """Choose the queries that fared worst, in the middle and best.

    Args:
        ap: Average precision of every query; None where it has no match and does not count.
        each: How many of each kind, fewer where there are not so many queries.

    Returns:
        Place and kind of each, worst first; of equal ones the first, and none twice.
    """
    scores = {place: score for place, score in enumerate(ap) if score is not None}
    upwards = sorted(scores, key=lambda place: (scores[place], place))
    downwards = sorted(scores, key=lambda place: (-scores[place], place))
    middle = max(0, (len(upwards) - each) // 2)
    kinds = {
        "worst": upwards[:each],
        "median": upwards[middle : middle + each],
        "best": downwards[:each][::-1],
    }
    chosen: dict[int, str] = {}
    for kind, places in kinds.items():
        for place in places:
            chosen.setdefault(place, kind)
    return list(chosen.items())


def ranked_sheet(rows: Sequence[RankedQuery]) -> Picture:
    """Draw queries and what was found for them, a row each.

    Args:
        rows: At least one.

    Returns:
        A picture: the query in a dark frame, then the results by rank, right ones in green frames
        with a tick and wrong ones in red frames with a cross, rank and distance below.

    Raises:
        ReidaugError: A file is no readable image.
    """
    columns = 1 + max(len(row.results) for row in rows)
    size = (columns * STEP + 3 * GAP, len(rows) * ROW + GAP)
    page = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(page)
    font = ImageFont.truetype(
        str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), LETTERS
    )
    for number, row in enumerate(rows):
        top = GAP + number * ROW
        words = f"{row.kind}, AP {row.ap:.1f} %, {row.path.name}"
        pen.text((GAP, top), words, INK, font)
        _place(page, row.path, (top + CAPTION, GAP), ASKED)
        for rank, result in enumerate(row.results, 1):
            left = 2 * GAP + rank * STEP
            colour = RIGHT if result.right else WRONG
            _place(page, result.path, (top + CAPTION, left), colour)
            mark = "\N{CHECK MARK}" if result.right else "\N{BALLOT X}"
            below = top + CAPTION + CROP[0] + 2 * FRAME + 2
            pen.text((left, below), f"{rank} {mark} {result.distance:.3f}", colour, font)
    return torch.from_numpy(np.array(page)).movedim(-1, 0).contiguous()


def _place(
    page: Image.Image, path: Path, corner: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    """Paste a crop in a frame, as large as it fits without changing its shape."""
    crop = Image.fromarray(read_image(path).movedim(0, -1).contiguous().numpy())
    scale = min(CROP[0] / crop.height, CROP[1] / crop.width)
    width, height = max(1, round(crop.width * scale)), max(1, round(crop.height * scale))
    cell = Image.new("RGB", (CROP[1] + 2 * FRAME, CROP[0] + 2 * FRAME), colour)
    cell.paste((255, 255, 255), (FRAME, FRAME, FRAME + CROP[1], FRAME + CROP[0]))
    left, top = FRAME + (CROP[1] - width) // 2, FRAME + (CROP[0] - height) // 2
    cell.paste(crop.resize((width, height), Image.Resampling.BICUBIC), (left, top))
    page.paste(cell, (corner[1], corner[0]))
