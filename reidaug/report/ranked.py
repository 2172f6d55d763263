"""Picture of ranked retrieval results: queries and their nearest gallery crops."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
LETTERS = 13  # font size in pixels
RIGHT, WRONG, INK = (30, 142, 62), (201, 42, 42), (38, 42, 48)
MARKS = {True: (RIGHT, " \N{CHECK MARK}"), False: (WRONG, " \N{BALLOT X}"), None: (INK, "")}
STEP = CROP[1] + 2 * FRAME + GAP
ROW = CAPTION + CROP[0] + 2 * FRAME + CAPTION + GAP


class Result(NamedTuple):
    """A gallery crop in the ranking of a query."""

    path: Path  # image file
    distance: float  # distance to the query
    right: bool | None  # whether it shows the query's person; None: who that is, is not known


class RankedQuery(NamedTuple):
    """A query and its ranked results."""

    path: Path  # image file
    kind: str  # ``worst``, ``median`` or ``best`` by average precision; ``unknown`` person
    ap: float | None  # average precision in percent; None where it is not defined
    results: tuple[Result, ...]  # gallery crops, nearest first
    who: str = ""  # the person as written, where the file's name does not tell

    def within_dataset(self) -> "RankedQuery":
        """Shorten all paths to ``split/file``."""
        results = tuple(r._replace(path=_in_dataset(r.path)) for r in self.results)
        return self._replace(path=_in_dataset(self.path), results=results)

    def as_dict(self) -> dict[str, Any]:
        """Convert to JSON values."""
        return {
            "query": str(self.path),
            "kind": self.kind,
            **({"person": self.who} if self.who else {}),
            "ap": self.ap,
            "results": [{**r._asdict(), "path": str(r.path)} for r in self.results],
        }

    @classmethod
    def of(cls, values: dict[str, Any]) -> "RankedQuery":
        """Convert from JSON values."""
        results = (Result(Path(r["path"]), r["distance"], r["right"]) for r in values["results"])
        who = values.get("person", "")
        return cls(Path(values["query"]), values["kind"], values["ap"], tuple(results), who)


def choose_unknown(count: int, *, most: int = 6) -> list[tuple[int, str]]:
    """Choose queries of unknown people, evenly over their list: their indices and kind."""
    wanted = min(count, most)
    return [(k * count // wanted, "unknown") for k in range(wanted)]


def choose_queries(ap: Sequence[float | None], *, each: int = 2) -> list[tuple[int, str]]:
    """Choose the queries with the worst, median and best average precision.

    Args:
        ap: Average precision of every query; None where it has no match and does not count.
        each: Queries of each kind; fewer where there are not enough.

    Returns:
        Index and kind of each, worst first; equal scores by index, no query twice.
    """
    scores = {index: score for index, score in enumerate(ap) if score is not None}
    upwards = sorted(scores, key=lambda index: (scores[index], index))
    downwards = sorted(scores, key=lambda index: (-scores[index], index))
    middle = max(0, (len(upwards) - each) // 2)
    kinds = {
        "worst": upwards[:each],
        "median": upwards[middle : middle + each],
        "best": downwards[:each][::-1],
    }
    chosen: dict[int, str] = {}
    for kind, indices in kinds.items():
        for index in indices:
            chosen.setdefault(index, kind)
    return list(chosen.items())


def ranked_sheet(rows: Sequence[RankedQuery]) -> Picture:
    """Draw queries, at least one, in dark frames with their results, a row each.

    Right results have green frames with a tick, wrong ones red frames with a cross, those of an
    unknown person dark ones; rank and distance are below.

    Raises:
        ReidaugError: A file cannot be read as an image.
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
        score = "" if row.ap is None else f", AP {row.ap:.1f} %"
        words = f"{row.kind}{score}, {row.who}{': ' if row.who else ''}{row.path.name}"
        pen.text((GAP, top), words, INK, font)
        _paste(page, row.path, (top + CAPTION, GAP), INK)
        for rank, result in enumerate(row.results, 1):
            left = 2 * GAP + rank * STEP
            colour, mark = MARKS[result.right]
            _paste(page, result.path, (top + CAPTION, left), colour)
            below = top + CAPTION + CROP[0] + 2 * FRAME + 2
            pen.text((left, below), f"{rank}{mark} {result.distance:.3f}", colour, font)
    return torch.from_numpy(np.array(page)).movedim(-1, 0).contiguous()


def _paste(
    page: Image.Image, path: Path, corner: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    """Paste a crop in a frame, as large as fits with its aspect ratio."""
    crop = Image.fromarray(read_image(path).movedim(0, -1).contiguous().numpy())
    scale = min(CROP[0] / crop.height, CROP[1] / crop.width)
    width, height = max(1, round(crop.width * scale)), max(1, round(crop.height * scale))
    cell = Image.new("RGB", (CROP[1] + 2 * FRAME, CROP[0] + 2 * FRAME), colour)
    cell.paste((255, 255, 255), (FRAME, FRAME, FRAME + CROP[1], FRAME + CROP[0]))
    left, top = FRAME + (CROP[1] - width) // 2, FRAME + (CROP[0] - height) // 2
    cell.paste(crop.resize((width, height), Image.Resampling.BICUBIC), (left, top))
    page.paste(cell, (corner[1], corner[0]))


def _in_dataset(path: Path) -> Path:
    return Path(path.parent.name, path.name)
