"""Training images of a dataset, or a folder of crops with any names."""

from pathlib import Path

from reidaug.data.crop_names import PATTERN, compile_pattern
from reidaug.data.image_folders import ImageFolder, beside, check_left_out, list_images, printable
from reidaug.data.market1501 import (
    SPLITS,
    TRAIN,
    Person,
    ReIDDataset,
    SplitFiles,
    find_root,
    left_out_lines,
    read_crops,
    read_market1501,
)
from reidaug.data.name_forms import pattern_advice
from reidaug.errors import ReidaugError, UsageError


def find_crops(dataset: Path) -> tuple[Path, bool]:
    """Find the root of a dataset, or else a folder of crops: its path, and whether it is a root.

    Raises:
        ReidaugError: There is no such folder, or it is one split of a root.
    """
    try:
        return find_root(dataset), True
    except ReidaugError:
        if dataset.name in SPLITS or not dataset.expanduser().is_dir():
            raise
        return dataset.expanduser(), False


def read_training(
    dataset: Path, *, pattern: str | None = None, allow_left_out: bool = False
) -> tuple[ReIDDataset, bool]:
    """Read the training images of a dataset, or a folder of crops.

    Args:
        dataset: A Market-1501 root or one of its usual parents, or a folder of images or of folders
            of images.
        pattern: Regular expression that reads person and camera from names, see
            `reidaug.data.market1501.read_market1501`. Without it, where no name in a folder of
            crops is like Market-1501's, each folder in it is a person; where there are none, each
            crop counts as a person of its own, numbered from 1 by name, under camera 1.
        allow_left_out: Whether more than a tenth of the images may be left out.

    Returns:
        The images without junk, and whether each crop counts as a person of its own.

    Raises:
        ReidaugError: There is no such folder, nothing in it to read, or too much is left out.
        UsageError: The pattern is no regular expression with these groups.
    """
    folder, is_root = find_crops(dataset)
    if is_root:
        found = read_market1501(
            folder, pattern=pattern, splits=(TRAIN,), allow_left_out=allow_left_out
        )
        return found, False
    return _loose(folder, crops_in(folder), pattern, allow_left_out)


def read_people(
    dataset: Path, *, pattern: str | None = None, allow_left_out: bool = False
) -> ReIDDataset:
    """Read the training images of a dataset, or a folder of crops, that tells who they show.

    Arguments and errors are those of `read_training`.

    Raises:
        UsageError: Neither names nor folders give the persons.
    """
    found, numbered = read_training(dataset, pattern=pattern, allow_left_out=allow_left_out)
    if numbered:
        advice = pattern_advice([person.path.name for person in found.train])
        raise UsageError(f"{found.root}: names such as {_first(found)} give no person; {advice}")
    return found


def crops_in(folder: Path) -> ImageFolder:
    """List the images of a folder of crops by name, or of the folders in it.

    Raises:
        ReidaugError: There is none.
    """
    found = list_images(folder.expanduser())
    if not found.images:
        first = f"; {found.unusable[0]}" if found.unusable else ""
        raise ReidaugError(
            f"{printable(folder)}: neither images in it nor a folder {TRAIN}; name a folder of "
            f"crops or a Market-1501 root{first}"
        )
    return found


def _loose(
    folder: Path, crops: ImageFolder, pattern: str | None, allow_left_out: bool
) -> tuple[ReIDDataset, bool]:
    compiled = compile_pattern(pattern or PATTERN)
    files = read_crops(crops, compiled)
    if pattern is None and not files.people and not files.junk:
        people = tuple(Person(path, number, 1) for number, path in enumerate(crops.images, 1))
        files = SplitFiles(people, unusable=crops.unusable)
    left_out = left_out_lines(folder, files, compiled)
    advice = pattern_advice(files.unmatched) if files.unmatched else ""
    if not files.people:
        raise ReidaugError(
            f"{folder}: of {files.total} images none has a name that matches {compiled.pattern}"
            + (f"; {advice}" if advice else "")
        )
    check_left_out(folder, left_out, files.total, allowed=allow_left_out, advice=advice)
    left_out = (*left_out, *beside(crops))
    dataset = ReIDDataset(folder, files.people, (), (), left_out, files.examples)
    return dataset, pattern is None and not files.examples


def _first(found: ReIDDataset) -> str:
    return found.train[0].path.name
