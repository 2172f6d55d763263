"""Contact sheet of an augmented dataset: several people in every pose."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Bool
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from reidaug.augment.inputs import Source
from reidaug.augment.shipped_poses import shipped_outline
from reidaug.augment.target_poses import TargetPoses
from reidaug.data.contact_sheet import ContactSheet
from reidaug.data.crop_names import warp_name
from reidaug.data.images import read_image, resize, to_bytes, to_float
from reidaug.data.market1501 import TRAIN
from reidaug.data.skeletons import draw_skeleton
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, on_canvas, select

SHEET = "contact_sheet.png"
PEOPLE = 8
MAX_COLUMNS = 60
EMPTY = ("white:", "no warp", "is kept")
LONGEST_SIDE = 256  # of a picture on the sheet, in pixels


def pick(sources: Sequence[Source], people: int) -> list[Source]:
    """Pick the first image of each of some people, spread evenly over the dataset."""
    first: dict[int, Source] = {}
    for source in sources:
        first.setdefault(source.person.pid, source)
    found = list(first.values())
    shown = min(people, len(found))
    return [found[k * len(found) // shown] for k in range(shown)]


def warp_sheet(
    out: Path, sources: Sequence[Source], targets: TargetPoses, train: str = TRAIN
) -> bytes:
    """PNG of people in every pose: a row a person, a column a pose, the skeletons above.

    Above the skeletons are the images that the poses come from, or the outlines of shipped poses.

    A warp that was not kept is an empty cell; where there are some, the corner says so.

    Args:
        out: The augmented dataset.
        sources: All sources, see `pick`.
        targets: The poses; without any, each person's only warp is shown.
        train: The folder of the warps in the dataset.
    """
    shrunk = min(1.0, LONGEST_SIDE / max(targets.size))
    size = (max(1, round(targets.size[0] * shrunk)), max(1, round(targets.size[1] * shrunk)))
    columns = min(max(len(targets.images), 1), MAX_COLUMNS)
    header = 2 if targets.images else 0
    people = pick(sources, PEOPLE)
    sheet = ContactSheet(header + len(people), columns + 1, size)
    images = {source.person.key: source.person.path for source in sources}
    for column, name in enumerate(targets.images[:columns], 1):
        outline = shipped_outline(name, size)
        shown = _picture(images[name], size) if outline is None else _outline(outline)
        sheet.place(shown, 0, column)
        pose = on_canvas(select(targets.pose, column - 1), targets.size, size)
        sheet.place(_skeleton(pose, size), 1, column)
    empty = False
    for row, source in enumerate(people, header):
        sheet.place(_picture(source.person.path, size), row, 0)
        for column in range(columns):
            path = out / train / warp_name(source.name, column)
            if path.exists():
                sheet.place(_picture(path, size), row, column + 1)
            else:
                empty = True
    if header and empty:
        sheet.place(_note(EMPTY, size), 0, 0)
    return sheet.png()


def _note(lines: Sequence[str], size: Size) -> Image.Image:
    """Write short lines into a white cell, as large as its width allows."""
    picture = Image.new("RGB", (size[1], size[0]), "white")
    draw = ImageDraw.Draw(picture)
    widest = max(draw.textlength(line, ImageFont.load_default(10)) for line in lines)
    font = ImageFont.load_default(max(6, int(10 * (size[1] - 4) / widest)))
    draw.multiline_text((2, 2), "\n".join(lines), "black", font)
    return picture


def _picture(path: Path, size: Size) -> Image.Image:
    try:
        image = to_bytes(resize(to_float(read_image(path)), size))
    except ReidaugError:
        return Image.new("RGB", (size[1], size[0]), (235, 235, 235))
    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


def _outline(outline: Bool[Tensor, "h w"]) -> Image.Image:
    return Image.fromarray(outline.numpy()).convert("RGB")


def _skeleton(pose: Pose, size: Size) -> Image.Image:
    picture = Image.new("RGB", (size[1], size[0]), (40, 44, 52))
    draw_skeleton(picture, pose, max(1, round(size[0] / 48)))
    return picture
