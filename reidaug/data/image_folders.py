"""Folders of images: the files that count, and why others do not."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.data.images import SUFFIXES, open_image
from reidaug.data.plain_images import check_not_plain
from reidaug.errors import ReidaugError, printable
from reidaug.files import check_regular

FOREIGN = frozenset(
    f".{ending}"
    for ending in (
        "apng", "avif", "dib", "heic", "heif", "j2k", "jp2", "jxl", "pbm", "pcx", "pgm", "pnm",
        "ppm", "ras", "sgi", "tga",
    )
) - SUFFIXES  # fmt: skip
"""Endings of pictures in formats that are not read."""

_STARTS = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|BM.{4}\0{4}|RIFF.{4}WEBP|II\*\0|MM\0\*|GIF8", re.DOTALL
)
"""First bytes of the images that are read."""
_NAMED = re.compile(rf"(?i).+({'|'.join(map(re.escape, sorted(SUFFIXES, reverse=True)))})(?=.)")
"""The name of an image, before something else."""
_UNNAMED = "an image whose name has no ending of images, such as .jpg: rename it"
_UNPACKED = (
    "the name has a backslash, as folders of a ZIP file of Windows have where they were not made: "
    "unpack it with another program, or rename it"
)

MOST_LEFT_OUT = 0.1
"""Share of the images that may be left out without being asked."""
ALLOW_HELP = "Go on where more than a tenth of a split's images is left out."
"""What the option ``--allow-left-out`` of every command does."""
POSE_SHEET, POSE_PROVENANCE = ".sheet.png", ".provenance.parquet"
"""Endings of two files that ``reidaug pose`` writes beside a keypoint file, among crops perhaps."""


class ImageFolder(NamedTuple):
    """The images of a folder."""

    images: tuple[Path, ...]  # by name
    unusable: tuple[str, ...]  # ``file: reason`` for each file that is named like an image
    in_folders: bool  # whether they lie in folders of the folder
    folders: tuple[str, ...] = ()  # folders beside images, which are not read

    @property
    def shares_names(self) -> bool:
        """Whether images in several folders have one name: only FOLDER/NAME tells them apart."""
        return len({path.name for path in self.images}) < len(self.images)


def list_images(folder: Path) -> ImageFolder:
    """List the images directly in a folder; where there are none, those of the folders in it.

    Files whose names begin with a dot do not count, nor do contact sheets of ``reidaug pose``. A
    file cannot be used whose name is not UTF-8 or has a backslash or a control character,
    that is no regular file: a broken link, a pipe, a device, or that begins as an image and is not
    called like one.

    Raises:
        OSError: The folder cannot be read.
    """
    images, unusable, folders = _direct(folder)
    if images or unusable:
        return ImageFolder(tuple(images), tuple(unusable), in_folders=False, folders=tuple(folders))
    for name in folders:
        more, bad, _ = _direct(folder / name)
        if printable(name) != name:
            flaw = "the name of its folder is not UTF-8 or has a control character"
            bad += [f"{printable(path)}: {flaw}" for path in more]
            more = []
        images += more
        unusable += bad
    return ImageFolder(tuple(images), tuple(unusable), in_folders=True)


def has_images(folder: Path) -> bool:
    """Decide whether files directly in a folder are named like images."""
    images, unusable, _ = _direct(folder)
    return bool(images or unusable)


def check_left_out(
    where: Path, left_out: Sequence[str], total: int, *, allowed: bool, advice: str = ""
) -> None:
    """Stop before the work where more than `MOST_LEFT_OUT` of some images would be left out.

    Args:
        where: Folder or list of the images.
        left_out: One line for each image left out, ``file: reason``.
        total: Number of images, left out or not.
        allowed: Whether the user allows it.
        advice: How to mend it.

    Raises:
        ReidaugError: More are left out, and it is not allowed.
    """
    if allowed or len(left_out) <= MOST_LEFT_OUT * total:
        return
    mend = f"{advice}; or" if advice else "mend them, or"
    raise ReidaugError(
        f"{printable(where)}: {len(left_out):,} of {total:,} images would be left out, such as "
        f"{left_out[0]}; {mend} go on without them by --allow-left-out (in a recipe "
        "allow_left_out: true)"
    )


def check_readable(where: Path, images: Sequence[Path], *, allowed: bool) -> tuple[str, ...]:
    """Check before the work that no more than `MOST_LEFT_OUT` of some images are no images.

    Pixels are not decoded, but for a few images: what is cut off in the middle is not noticed.

    Args:
        where: Folder of the images.
        images: The images.
        allowed: Whether the user allows more to be left out.

    Returns:
        A line for each that is none.

    Raises:
        ReidaugError: More are none, and it is not allowed, or most show one plain colour.
    """
    lines = list[str]()
    for path in images:
        try:
            with open_image(path, decode=False):
                pass
        except ReidaugError as error:
            lines.append(str(error))
    check_left_out(where, lines, len(images), allowed=allowed)
    check_not_plain(where, images)
    return tuple(lines)


def beside(found: ImageFolder) -> tuple[str, ...]:
    """Write a line for each folder with images beside those of a folder, which is not read.

    Not for one whose images have the names of those beside it, as masks have.
    """
    stems, lines = {path.stem for path in found.images}, list[str]()
    for folder in (found.images[0].parent / name for name in found.folders if found.images):
        images = _direct(folder)[0]
        if {path.stem for path in images} - stems:
            lines.append(
                f"{printable(folder)}: {len(images):,} images in a folder beside "
                f"{len(found.images):,} others, not read"
            )
    return tuple(lines)


def _direct(folder: Path) -> tuple[list[Path], list[str], list[str]]:
    """List images, lines for what cannot be used, and folders directly in a folder, by name."""
    images, unusable, folders = list[Path](), list[str](), list[str]()
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    for name in names:
        path = folder / name
        if path.is_dir():
            folders.append(name)
        elif _is_pose_sheet(path):
            continue
        elif path.suffix.lower() in SUFFIXES | FOREIGN:
            if why := _flaw(path):
                unusable.append(f"{printable(path)}: {why}")
            else:
                images.append(path)
        elif not _is_copy(path) and _begins_as_image(path):
            unusable.append(f"{printable(path)}: {_UNNAMED}")
    return images, unusable, folders


def _begins_as_image(path: Path) -> bool:
    """Whether a regular file begins as images do that are read, whatever its name ends in."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return _STARTS.match(file.read(16)) is not None
    except OSError:
        return False


def _is_copy(path: Path) -> bool:
    """Whether a file beside an image has its name with something after it, as backups have."""
    named = _NAMED.match(path.name)
    return named is not None and path.with_name(named[0]).exists()


def _is_pose_sheet(path: Path) -> bool:
    """Whether a picture is the contact sheet of a keypoint file."""
    stem = path.name.removesuffix(POSE_SHEET)
    return stem != path.name and path.with_name(f"{stem}{POSE_PROVENANCE}").is_file()


def _flaw(path: Path) -> str | None:
    """Say why a file that is named like an image cannot be used; None where it can."""
    if printable(path.name) != path.name:
        return "the name is not UTF-8 or has a line break or another control character"
    if "\\" in path.name:
        return _UNPACKED
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    try:
        check_regular(path)
    except ReidaugError as error:
        return str(error).removeprefix(f"{path}: ")
    suffix = path.suffix.lower()
    return f"pictures that end in {suffix} are not read" if suffix in FOREIGN else None
