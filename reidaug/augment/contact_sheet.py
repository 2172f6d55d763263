"""A contact sheet: several people in every pose, on one picture."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from reidaug.augment.target_poses import TargetPoses
from reidaug.augment.warping import Source
from reidaug.data.crop_names import warp_name
from reidaug.data.images import read_image, resize, to_bytes, to_float
from reidaug.data.market1501 import TRAIN
from reidaug.data.skeletons import draw_skeleton
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, on_canvas, select

GAP = 4
MOST_COLUMNS = 60
LONGEST_SIDE = 256  # of a picture on the sheet, in pixels


def pick(sources: Sequence[Source], people: int) -> list[Source]:
    """Pick the first image of people spread evenly over the dataset.

    Args:
        sources: All sources.
        people: How many at most.

    Returns:
        One source a person.
    """
    first: dict[int, Source] = {}
    for source in sources:
        first.setdefault(source.person.pid, source)
    found = list(first.values())
    shown = min(people, len(found))
    return [found[k * len(found) // shown] for k in range(shown)]


def contact_sheet(
    out: Path, sources: Sequence[Source], targets: TargetPoses, images: Sequence[Path]
) -> bytes:
    """Draw people in every pose: a row a person, a column a pose, the skeletons on top.

    Args:
        out: The dataset made.
        sources: The people to show.
        targets: The poses; without any, each person's only warp is shown.
        images: The images the poses belong to.

    Returns:
        A PNG file. A warp that was not kept is an empty place.
    """
    size = _shown(targets.size)
    columns = min(max(len(targets.images), 1), MOST_COLUMNS)
    header = 2 if targets.images else 0
    rows = header + len(sources)
    sheet = Image.new(
        "RGB",
        ((columns + 1) * (size[1] + GAP) + GAP, rows * (size[0] + GAP) + GAP),
        "white",
    )

    def place(picture: NDArray[np.uint8] | Image.Image, row: int, column: int) -> None:
        if isinstance(picture, np.ndarray):
            picture = Image.fromarray(picture)
        sheet.paste(picture, (GAP + column * (size[1] + GAP), GAP + row * (size[0] + GAP)))

    for column, path in enumerate(images[:columns], 1):
        place(_pixels(path, size), 0, column)
        pose = on_canvas(select(targets.pose, column - 1), targets.size, size)
        place(_skeleton(pose, size), 1, column)
    for row, source in enumerate(sources, header):
        place(_pixels(source.person.path, size), row, 0)
        for column in range(columns):
            path = out / TRAIN / warp_name(source.name, column)
            if path.exists():
                place(_pixels(path, size), row, column + 1)
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _shown(size: Size) -> Size:
    shrunk = min(1.0, LONGEST_SIDE / max(size))
    return max(1, round(size[0] * shrunk)), max(1, round(size[1] * shrunk))


def _pixels(path: Path, size: Size) -> NDArray[np.uint8]:
    try:
        image: UInt8[Tensor, "3 H W"] = to_bytes(resize(to_float(read_image(path)), size))
    except ReidaugError:
        return np.full((*size, 3), 235, dtype=np.uint8)
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def _skeleton(pose: Pose, size: Size) -> Image.Image:
    picture = Image.new("RGB", (size[1], size[0]), (40, 44, 52))
    draw_skeleton(picture, pose, max(1, round(size[0] / 48)))
    return picture
