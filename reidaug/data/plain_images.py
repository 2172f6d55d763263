"""Plain images: pictures of one colour, with nobody in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from reidaug.data.images import open_image, upright_rgb
from reidaug.errors import ReidaugError

SAMPLED = 256  # rows and columns that are looked at
WITHIN = 4  # greatest range of a channel, in bytes: more than compression makes
LOOKED_AT, FEW = 32, 8  # images of a folder, evenly taken; fewer than the second are not judged


def is_plain(image: Image.Image) -> bool:
    """Whether an RGB image shows one colour."""
    step = max(1, *(side // SAMPLED for side in image.size))
    pixels = np.asarray(image)[::step, ::step].astype(np.int16)
    return int((pixels.max((0, 1)) - pixels.min((0, 1))).max()) <= WITHIN


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
                plain += [path] if is_plain(upright_rgb(image)) else []
        except ReidaugError:  # told elsewhere
            continue
        looked += 1
    if looked >= FEW and 2 * len(plain) > looked:
        raise ReidaugError(
            f"{where}: {len(plain)} of {looked} images looked at show one plain colour, such as "
            f"{plain[0].name}: nobody is in them; get them again"
        )
