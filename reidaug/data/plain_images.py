"""Plain images: pictures of one colour, with nobody in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidaug.data.images import open_image, upright_rgb
from reidaug.errors import ReidaugError

SAMPLED = 256  # rows or columns that are looked at, of the longer side, or up to twice as many
WITHIN = 4  # greatest range of a channel, in bytes: more than compression makes
LOOKED_AT, FEW = 32, 8  # images of a folder, evenly taken; fewer than the second are not judged


def sampled_pixels(image: Image.Image) -> NDArray[np.int16]:
    """Take rows and columns (h, w, 3) of an RGB image, evenly; all of a small one."""
    step = max(1, *(side // SAMPLED for side in image.size))
    return np.asarray(image)[::step, ::step].astype(np.int16)


def is_plain(pixels: NDArray[np.int16]) -> bool:
    """Whether pixels (h, w, 3) in bytes, see `sampled_pixels`, show one colour."""
    return int((pixels.max((0, 1)) - pixels.min((0, 1))).max()) <= WITHIN


def are_mostly_plain(plain: int, looked: int) -> bool:
    """Whether so many plain ones are most of the images that were looked at."""
    return looked >= FEW and 2 * plain > looked


def check_not_plain(where: Path, images: Sequence[Path]) -> None:
    """Look at some of many images, and stop where most are plain: they were written empty.

    Images that cannot be read do not count.

    Raises:
        ReidaugError: More than half are plain.
    """
    looked, plain = 0, list[Path]()
    for path in images[:: max(1, len(images) // LOOKED_AT)]:
        try:
            with open_image(path) as image:
                plain += [path] if is_plain(sampled_pixels(upright_rgb(image))) else []
        except ReidaugError:  # told elsewhere
            continue
        looked += 1
    if are_mostly_plain(len(plain), looked):
        raise ReidaugError(
            f"{where}: {len(plain)} of {looked} images looked at show one plain colour, such as "
            f"{plain[0].name}: nobody is in them; get them again"
        )
