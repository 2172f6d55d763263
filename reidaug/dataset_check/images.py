"""Looks at every image file of a dataset, in several processes, a few files at a time."""

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from joblib import delayed
from numpy.typing import NDArray
from PIL import Image

from reidaug.data.images import as_seen, open_image, read_mask, turn_of
from reidaug.dataset_check.findings import Tally
from reidaug.errors import ReidaugError
from reidaug.jobs import run_tasks

AT_ONCE = 128  # files a process is given
TINY = 32  # rows; below, joints are a pixel or two apart
LARGE = 2**20  # pixels
SHAPES = (1.0, 4.5)  # least and largest height over width of a person standing
SAMPLED = 256  # rows and columns looked at for colour
GREY_WITHIN = 6  # bytes two colour channels of a grey picture may differ by after JPEG
FLAT_WITHIN = 4  # bytes between the least and the greatest value of a colour in an empty picture
LEAST_PERSON = 0.02  # share of a picture a person's mask covers at least


class ImageFacts(NamedTuple):
    """What is known of one image file.

    Attributes:
        digest: 64 bits of a hash of the file's content; 0 when it cannot be read.
        height: Rows as seen; 0 when it is no readable image.
        width: Columns as seen.
        marks: What is remarkable about it, by the names the findings use.
        error: Why it is not readable; empty when it is.
    """

    digest: int
    height: int
    width: int
    marks: tuple[str, ...] = ()
    error: str = ""


class Album:
    """All image files of a split: numbers of each, and how often each mark was found.

    Some 20 bytes an image, whatever their size.

    Attributes:
        marks: How many images have a mark, and the first of them.
        errors: How many are not readable, and the first reasons.
    """

    def __init__(self) -> None:
        self._digests, self._sizes = array("Q"), array("I")
        self.marks: dict[str, Tally] = {}
        self.errors = Tally()

    def add(self, path: Path, facts: ImageFacts) -> None:
        """Take up one image.

        Args:
            path: Its file.
            facts: What is known of it.
        """
        self._digests.append(facts.digest)
        self._sizes.extend((facts.height, facts.width))
        for mark in facts.marks:
            self.marks.setdefault(mark, Tally()).add(path.name)
        if facts.error:
            self.errors.add(facts.error)

    def digests(self) -> NDArray[np.uint64]:
        """Give the hashes (N,) in the order the images were taken up; 0 where unknown."""
        return np.array(self._digests, dtype=np.uint64)

    def sizes(self) -> NDArray[np.int64]:
        """Give (height, width) of each image (N, 2); 0 where it is not readable."""
        return np.array(self._sizes, dtype=np.int64).reshape(-1, 2)


def inspect_images(
    paths: Sequence[Path], *, masks: Path | None, workers: int, advance: Callable[[int], None]
) -> Album:
    """Look at image files.

    Args:
        paths: The files.
        masks: Folder of person masks ``<stem>.png`` to look at as well, or None.
        workers: Number of processes.
        advance: Called with the number of files just done.

    Returns:
        What was found.

    Raises:
        ReidaugError: A worker was killed.
    """
    album = Album()
    chunks = list(_chunks(paths))
    tasks = (delayed(_inspect_chunk)(chunk, masks) for chunk in chunks)
    found = run_tasks(tasks, min(workers, len(chunks)), advice="try fewer --workers")
    for chunk, facts in zip(chunks, found, strict=True):
        for path, one in zip(chunk, facts, strict=True):
            album.add(path, one)
        advance(len(chunk))
    return album


def _chunks(paths: Sequence[Path]) -> Iterator[list[Path]]:
    rest = iter(paths)
    while chunk := list(islice(rest, AT_ONCE)):
        yield chunk


def _inspect_chunk(paths: Sequence[Path], masks: Path | None) -> list[ImageFacts]:
    return [inspect_image(path, masks) for path in paths]


def inspect_image(path: Path, masks: Path | None = None) -> ImageFacts:
    """Look at one image file.

    Args:
        path: The file.
        masks: Folder of person masks, or None when masks do not matter.

    Returns:
        What is known of it; damaged files are an answer, not an error.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).digest()
        with open_image(path) as image:
            seen = as_seen(image)
            marks = [*_stored_marks(image, path), *_shape_marks(*seen.size), *_colour_marks(seen)]
    except OSError as error:
        return ImageFacts(0, 0, 0, error=f"{path}: {error.strerror or error}")
    except ReidaugError as error:
        return ImageFacts(int.from_bytes(digest), 0, 0, error=str(error))
    if masks is not None:
        marks += _mask_marks(masks / f"{path.stem}.png", seen.size)
    return ImageFacts(int.from_bytes(digest), seen.height, seen.width, tuple(marks))


def _stored_marks(image: Image.Image, path: Path) -> Iterator[str]:
    marks: Mapping[str, bool] = {
        "cmyk": image.mode == "CMYK",
        "alpha": image.has_transparency_data,
        "deep": image.mode.startswith(("I", "F")),
        "turned": turn_of(image) is not None,
        "misnamed": path.suffix.lower() in (".jpg", ".jpeg")
        and image.format not in ("JPEG", "MPO"),
    }
    return (name for name, found in marks.items() if found)


def _shape_marks(width: int, height: int) -> Iterator[str]:
    if height < TINY or width < TINY // 2:
        yield "tiny"
    if height * width > LARGE:
        yield "large"
    if not SHAPES[0] <= height / width <= SHAPES[1]:
        yield "shape"


def _colour_marks(image: Image.Image) -> Iterator[str]:
    step = max(1, *(side // SAMPLED for side in image.size))
    pixels = np.asarray(image)[::step, ::step].astype(np.int16)
    if int((pixels.max((0, 1)) - pixels.min((0, 1))).max()) <= FLAT_WITHIN:
        yield "flat"
    elif int((pixels.max(-1) - pixels.min(-1)).max()) <= GREY_WITHIN:
        yield "grey"


def _mask_marks(path: Path, size: tuple[int, int]) -> Iterator[str]:
    if not path.is_file():
        yield "mask missing"
        return
    try:
        mask = read_mask(path).numpy()
    except ReidaugError:
        yield "mask unreadable"
        return
    if mask.shape[::-1] != size:
        yield "mask of another size"
    if not LEAST_PERSON <= mask.mean() < 1:
        yield "mask empty"
