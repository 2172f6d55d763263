"""Training images of a dataset, or a folder of crops with any names."""

from pathlib import Path
from typing import NamedTuple

from reidaug.data.dataset_roots import DatasetRoot, layout_of, read_by
from reidaug.data.image_folders import ImageFolder, beside, check_left_out, list_images
from reidaug.data.market1501 import SPLITS, TRAIN, Person, ReIDDataset, read_splits
from reidaug.data.name_forms import pattern_advice
from reidaug.data.name_patterns import NamePattern
from reidaug.data.named_crops import SplitFiles, left_out_lines, read_crops
from reidaug.errors import ReidaugError, UsageError, printable


class FoundCrops(NamedTuple):
    """A dataset, or a folder of crops."""

    place: DatasetRoot
    is_root: bool  # whether it has splits


def find_crops(
    dataset: Path,
    *,
    pattern: str | None = None,
    layout: str | None = None,
    one_split: bool = False,
) -> FoundCrops:
    """Find the root of a dataset, or else a folder of crops.

    Args:
        dataset: Its folder, or one of its usual parents.
        pattern: Regular expression that reads person and camera from names.
        layout: A layout of `reidaug.data.layouts.LAYOUTS`, see
            `reidaug.data.dataset_roots.find_dataset`.
        one_split: Whether one split of a root may count as a folder of crops.

    Raises:
        ReidaugError: There is no such folder, or it is one split of a root.
        UsageError: Pattern or layout are wrong, or the layout's folders are not there.
    """
    kind = layout_of(dataset, pattern=pattern, layout=layout)
    try:
        return FoundCrops(read_by(dataset, kind, pattern), is_root=True)
    except ReidaugError:
        loose = kind is None or kind.loose
        split = dataset.name in SPLITS and not one_split
        if not loose or split or not dataset.expanduser().is_dir():
            raise
        rule = kind or NamePattern.of(pattern)
        return FoundCrops(DatasetRoot(dataset.expanduser(), rule), is_root=False)


def find_folder(dataset: Path, *, pattern: str | None = None, layout: str | None = None) -> Path:
    """Find the folder of a dataset's splits, or of crops; arguments and errors of `find_crops`."""
    return find_crops(dataset, pattern=pattern, layout=layout).place.folder


def read_training(
    dataset: Path,
    *,
    pattern: str | None = None,
    layout: str | None = None,
    allow_left_out: bool = False,
) -> tuple[ReIDDataset, bool]:
    """Read the training images of a dataset, or a folder of crops.

    Args:
        dataset: A Market-1501 root or one of its usual parents, or a folder of images or of folders
            of images.
        pattern: Regular expression that reads person and camera from names, see
            `reidaug.data.market1501.read_market1501`. Without it, where no name in a folder of
            crops is like Market-1501's, each folder in it is a person; where there are none, each
            crop counts as a person of its own, numbered from 1 by name, under camera 1.
        layout: The layout of the dataset, see `reidaug.data.market1501.read_market1501`.
        allow_left_out: Whether more than a tenth of the images may be left out.

    Returns:
        The images without junk, and whether each crop counts as a person of its own.

    Raises:
        ReidaugError: There is no such folder, nothing in it to read, or too much is left out.
        UsageError: The pattern is no regular expression with these groups, there is no such layout,
            or its folders are not there.
    """
    place, is_root = find_crops(dataset, pattern=pattern, layout=layout)
    if is_root:
        return read_splits(place, (TRAIN,), allow_left_out=allow_left_out), False
    return _loose(place, crops_in(place.folder), allow_left_out)


def read_people(
    dataset: Path,
    *,
    pattern: str | None = None,
    layout: str | None = None,
    allow_left_out: bool = False,
) -> ReIDDataset:
    """Read the training images of a dataset, or a folder of crops, that tells who they show.

    Arguments and errors are those of `read_training`.

    Raises:
        UsageError: Neither names nor folders give the persons.
    """
    found, numbered = read_training(
        dataset, pattern=pattern, layout=layout, allow_left_out=allow_left_out
    )
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
    place: DatasetRoot, crops: ImageFolder, allow_left_out: bool
) -> tuple[ReIDDataset, bool]:
    """Read a folder of crops."""
    folder, rule = place
    files = read_crops(crops, rule)
    if rule.falls_back and not files.people and not files.junk:
        people = tuple(Person(path, number, 1) for number, path in enumerate(crops.images, 1))
        files = SplitFiles(people, unusable=crops.unusable)
    left_out, advice = left_out_lines(folder, files, rule), rule.advice(files.unmatched)
    if not files.people:
        what = f"{folder}: none of {files.total} images counts; {rule.expects}"
        raise ReidaugError(what + (f"; {advice}" if advice else ""))
    check_left_out(folder, left_out, files.total, allowed=allow_left_out, advice=advice)
    left_out = (*left_out, *beside(crops))
    dataset = ReIDDataset(folder, files.people, (), (), left_out, files.examples)
    if rule.name:
        dataset = dataset._replace(layout=rule.name, train_folder="train")
    return dataset, rule.falls_back and not files.examples


def _first(found: ReIDDataset) -> str:
    return found.train[0].path.name
