"""Checks of every image file and mask of a dataset, in several processes."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from joblib import delayed
from numpy.typing import NDArray
from PIL import Image

from reidaug.data.images import JPEG, is_turned, open_image, pixel_digest, read_mask, upright_rgb
from reidaug.data.plain_images import are_mostly_plain, is_plain, sampled_pixels
from reidaug.dataset_check.findings import Finding, Tally, number
from reidaug.dataset_check.names import uses_of
from reidaug.errors import ReidaugError
from reidaug.jobs import run_tasks

AT_ONCE = 128  # files of one task
TINY = 32  # rows; below, joints are a pixel or two apart
LARGE = 2**20  # pixels
ASPECTS = (1.0, 4.5)  # least and greatest height over width of a standing person
GREY_WITHIN = 6  # greatest difference of the channels of a grey image after JPEG, in bytes
LEAST_PERSON = 0.02  # least share of an image that a person's mask covers

# What is found and advised for each mark: of how a file is stored, and of what spoils an image.
_STORED = {
    "turned": (
        "are upright only after their EXIF orientation",
        "reidaug applies it, torchreid and fastreid do not: save them upright",
    ),
    "cmyk": ("are CMYK", "read as RGB; save them as RGB if colours look wrong"),
    "alpha": ("have transparent parts", "composed with white; torchreid makes them black"),
    "deep": ("have more than 8 bits", "read as 8 bits; other toolkits clip them"),
    "grey": ("have no colour", "fine if night cameras took them; else look for the originals"),
    "misnamed": ("are called .jpg and are not", "fine here and wherever content decides"),
    "large": ("are larger than a megapixel", "crop the person: images are read again and again"),
}
_SPOILT = {
    "flat": ("show one plain colour", "nobody is in them: remove them"),
    "tiny": ("have fewer than 32 rows or 16 columns", "too small for joints: remove them"),
    "shape": (
        "are wider than high, or very narrow",
        "are they whole persons? Everything is resized to one shape",
    ),
    "mask missing": (
        "have no mask beside the others'",
        "limbs drawn from the joints replace it; make the missing ones with `reidaug pose`",
    ),
    "mask unreadable": (
        "have a damaged mask",
        "augment leaves them out, and stops where it needs their pose: make it anew or remove it",
    ),
    "mask of another size": ("have a mask of another size", "it is resized; is it theirs?"),
    "mask empty": ("have a mask of nearly nothing, or of everything", "is somebody in them?"),
}


class ImageFacts(NamedTuple):
    """Facts of one image file."""

    digest: int  # of the pixels, see `reidaug.data.images.pixel_digest`; 0: not readable
    height: int  # rows of the upright image; 0 when it cannot be read
    width: int  # columns of the upright image
    marks: tuple[str, ...] = ()  # keys of the findings it belongs to
    error: str = ""  # why it cannot be read; empty when it can


class ImageSummary:
    """Facts of all image files of a split, in some 20 bytes per image.

    ``marks`` and ``errors`` hold number and first examples of the images with each mark, and of
    those that cannot be read.
    """

    def __init__(self) -> None:
        self._digests, self._sizes = array("Q"), array("I")
        self.marks: dict[str, Tally] = {}
        self.errors = Tally()

    def add(self, path: Path, facts: ImageFacts) -> None:
        """Add the facts of one file."""
        self._digests.append(facts.digest)
        self._sizes.extend((facts.height, facts.width))
        for mark in facts.marks:
            self.marks.setdefault(mark, Tally()).add(path.name)
        if facts.error:
            self.errors.add(facts.error)

    def digests(self) -> NDArray[np.uint64]:
        """Return the digests (N,) in the files' order; 0 where unknown."""
        return np.array(self._digests, dtype=np.uint64)

    def sizes(self) -> NDArray[np.int64]:
        """Return (height, width) of each image (N, 2); 0 where unknown."""
        return np.array(self._sizes, dtype=np.int64).reshape(-1, 2)


def inspect_images(
    paths: Sequence[Path],
    *,
    masks: Sequence[Path] | None,
    workers: int,
    advance: Callable[[int], None],
) -> ImageSummary:
    """Inspect image files.

    Args:
        paths: The files.
        masks: The person mask of each to inspect as well, or None.
        workers: Number of processes.
        advance: Called with the number of files just inspected.

    Raises:
        ReidaugError: A worker was killed.
    """
    summary = ImageSummary()
    parts = [slice(k, k + AT_ONCE) for k in range(0, len(paths), AT_ONCE)]
    chunks = [paths[part] for part in parts]
    tasks = (
        delayed(_inspect_chunk)(paths[part], None if masks is None else masks[part])
        for part in parts
    )
    found = run_tasks(tasks, min(workers, len(chunks)), advice="try fewer --workers")
    for chunk, facts in zip(chunks, found, strict=True):
        for path, one in zip(chunk, facts, strict=True):
            summary.add(path, one)
        advance(len(chunk))
    return summary


def _inspect_chunk(paths: Sequence[Path], masks: Sequence[Path] | None) -> list[ImageFacts]:
    return [
        inspect_image(path, None if masks is None else masks[k]) for k, path in enumerate(paths)
    ]


def inspect_image(path: Path, mask: Path | None = None) -> ImageFacts:
    """Inspect one image file, and its mask where one is given; raises nothing."""
    try:
        with open_image(path) as image:
            upright = upright_rgb(image)
            digest = pixel_digest(upright)
            marks = [*_storage_marks(image, path), *_shape_marks(*upright.size)]
            marks += _colour_marks(upright)
    except ReidaugError as error:
        return ImageFacts(0, 0, 0, error=str(error))
    if mask is not None:
        marks += _mask_marks(mask, upright.size)
    return ImageFacts(digest, upright.height, upright.width, tuple(marks))


def _storage_marks(image: Image.Image, path: Path) -> Iterator[str]:
    named_jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    marks = {
        "cmyk": image.mode == "CMYK",
        "alpha": image.has_transparency_data,
        "deep": image.mode.startswith(("I", "F")),
        "turned": is_turned(image),
        "misnamed": named_jpeg and image.format not in JPEG,
    }
    return (name for name, found in marks.items() if found)


def _shape_marks(width: int, height: int) -> Iterator[str]:
    if height < TINY or width < TINY // 2:
        yield "tiny"
    if height * width > LARGE:
        yield "large"
    if not ASPECTS[0] <= height / width <= ASPECTS[1]:
        yield "shape"


def _colour_marks(image: Image.Image) -> Iterator[str]:
    pixels = sampled_pixels(image)
    if is_plain(pixels):
        yield "flat"
    elif int((pixels.max(-1) - pixels.min(-1)).max()) <= GREY_WITHIN:
        yield "grey"


def _mask_marks(path: Path, size: tuple[int, int]) -> Iterator[str]:
    if not path.exists():
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


def image_findings(split: str, images: ImageSummary, total: int) -> list[Finding]:
    """Report unreadable, odd and differently sized images of a split with ``total`` images."""
    findings = []
    if images.errors.count:
        what = f"{images.errors.count:,} of {number(total, 'image')} cannot be read"
        advice = "copy them anew, or remove them: training and evaluation stop at the first one"
        stops = [use for use in uses_of(split) if use != "augment" or images.errors.count == total]
        findings.append(Finding.problem(split, what, advice, images.errors, stops))
    for marks, report in ((_SPOILT, Finding.advise), (_STORED, Finding.remark)):
        for mark, (says, advice) in marks.items():
            tally = images.marks.get(mark)
            if tally is None:
                continue
            what = f"{tally.count:,} of {number(total, 'image')} {says}"
            if mark == "flat" and are_mostly_plain(tally.count, total):
                findings.append(Finding.problem(split, what, advice, tally, uses_of(split)))
            else:
                findings.append(report(split, what, advice, tally))
    return findings + _size_findings(split, images)


def _size_findings(split: str, images: ImageSummary) -> list[Finding]:
    sizes = images.sizes()
    sizes = sizes[sizes[:, 0] > 0]
    kinds, counts = np.unique(sizes, axis=0, return_counts=True)
    if len(kinds) < 2:
        return []
    height, width = kinds[counts.argmax()]
    (low, narrow), (high, wide) = sizes.min(0), sizes.max(0)
    what = (
        f"{len(kinds):,} sizes from {low} to {high} rows and {narrow} to {wide} columns, "
        f"most often {height} x {width}"
    )
    advice = "everything is resized to one size; keep the aspect ratios alike"
    return [Finding.remark(split, what, advice, Tally())]
