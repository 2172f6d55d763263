"""Re-ID datasets on disk: Market-1501, datasets with such file names, and MSMT17's lists.

A root holds ``bounding_box_train``, ``query`` and ``bounding_box_test``, each with files such as
``0002_c1s1_000451_03.jpg``: person, camera and sequence, frame, detection. Instead of files a split
may hold a folder for each person, as in layumi's ``pytorch/{train_all,query,gallery}``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.data.dataset_roots import DatasetRoot, find_dataset, find_root, split_folder
from reidaug.data.image_folders import check_left_out, list_images
from reidaug.data.layouts import GALLERY, LAYOUTS, QUERY, SPLITS, TRAIN, Tracks
from reidaug.data.listed_crops import LISTS, read_lists
from reidaug.data.name_patterns import FOLDERS
from reidaug.data.named_crops import Person, SplitFiles, left_out_lines, read_crops
from reidaug.data.tracklets import read_query_frames
from reidaug.errors import ReidaugError, printable

__all__ = (
    "FOLDERS",
    "GALLERY",
    "LISTS",
    "QUERY",
    "SPLITS",
    "TRAIN",
    "Person",
    "ReIDDataset",
    "find_root",
    "image_names",
    "names_read",
    "read_market1501",
    "read_splits",
    "reading_line",
    "scan_split",
    "split_folder",
    "written_folder",
)


class ReIDDataset(NamedTuple):
    """A re-ID dataset."""

    root: Path  # the folder that holds the splits
    train: tuple[Person, ...]  # training crops
    query: tuple[Person, ...]  # query crops
    gallery: tuple[Person, ...]  # gallery crops, distractors included, junk (pid -1) left out
    left_out: tuple[str, ...] = ()  # one line for every file that could not be read
    examples: tuple[str, ...] = ()  # what was read from three names
    layout: str = ""  # the layout it was read in, of `LAYOUTS`; empty: Market-1501's or a pattern's
    train_folder: str = TRAIN  # the folder of training crops in what is written in its layout


_Split = tuple[tuple[Person, ...], tuple[str, ...], tuple[str, ...]]  # crops, left out, examples


def read_market1501(
    root: Path,
    *,
    pattern: str | None = None,
    layout: str | None = None,
    splits: Sequence[str] = SPLITS,
    allow_left_out: bool = False,
) -> ReIDDataset:
    """Read a re-ID dataset: the same images, persons and cameras as in torchreid and fastreid.

    All images directly in a split's folder count, whatever their format; where there are none,
    those of the folders in it. Junk (pid -1) is dropped, distractors (pid 0) are kept; ids stay as
    in the file names, see `reidaug.data.crop_names.id_of`.

    Args:
        root: The folder with the splits, or one of its usual parents (see `find_root`).
        pattern: Regular expression searched in each file name, with groups named ``pid`` and
            ``camid`` or two groups in this order; without ``camid`` every camera is 1. Where a name
            in a folder does not match it is searched in ``FOLDER/NAME``. Default: Market-1501's,
            with camera ids of any length; where no name in folders matches that, each folder is a
            person, under camera 1.
        layout: The layout of the dataset, of `reidaug.data.layouts.LAYOUTS`, in place of a pattern.
            Without both, it is the one that an augmented dataset keeps, or is recognised where
            Market-1501's folders and names are not there.
        splits: The splits that must be there, of `SPLITS`; the others are not read.
        allow_left_out: Whether more than a tenth of a split's images may be left out.

    Returns:
        The dataset; ``left_out`` lists images whose name does not fit or that are no usable files.

    Raises:
        ReidaugError: A folder is missing or holds nothing to read, or too much is left out.
        UsageError: The pattern is no regular expression with these groups, there is no such layout,
            or its folders are not there.
    """
    place = find_dataset(root, pattern=pattern, layout=layout)
    return read_splits(place, splits, allow_left_out=allow_left_out)


def read_splits(
    place: DatasetRoot, splits: Sequence[str], *, allow_left_out: bool = False
) -> ReIDDataset:
    """Read splits of a dataset that was found; see `read_market1501`."""
    read: dict[str, _Split] = {}
    for name in splits:
        if place.listed:
            read[name] = read_lists(
                place.folder, name, rule=place.rule, allow_left_out=allow_left_out
            )
        else:
            read[name] = _read_folder(place, name, allow_left_out)
    people = {name: crops for name, (crops, _, _) in read.items()}
    return ReIDDataset(
        root=place.folder,
        train=people.get(TRAIN, ()),
        query=people.get(QUERY, ()),
        gallery=people.get(GALLERY, ()),
        left_out=tuple(line for _, left_out, _ in read.values() for line in left_out),
        examples=next((examples for _, _, examples in read.values()), ()),
        layout=place.rule.name,
        train_folder=written_folder(place),
    )


def written_folder(place: DatasetRoot) -> str:
    """Name the folder of training crops in datasets that are written in the layout of one read."""
    if not place.rule.name:
        return TRAIN
    return place.split(TRAIN).relative_to(place.folder).as_posix()


def names_read(dataset: ReIDDataset) -> str:
    """Say in a line what was read from three names, so that wrong persons are seen in time."""
    return reading_line(dataset.layout, dataset.examples)


def reading_line(layout: str, examples: Sequence[str]) -> str:
    """Say how names are read: ``layout`` of `LAYOUTS` or empty, and what was read from some."""
    how = f"as in {LAYOUTS[layout].title} (--layout {layout})" if layout else "so"
    return f"names are read {how}: {'; '.join(examples)}"


def scan_split(place: DatasetRoot, split: str) -> SplitFiles:
    """List the images in the folder of a split.

    Raises:
        ReidaugError: The folder is missing, its folders are no persons, or the files that tell
            queries from the gallery are missing or damaged.
        UsageError: Names and folders number different persons.
    """
    folder = place.split(split)
    if not folder.is_dir():
        if folder.is_symlink():
            raise ReidaugError(f"{printable(folder)}: a link that leads nowhere; mend it")
        raise ReidaugError(
            f"{printable(folder.parent)}: no folder {folder.name}; {place.rule.holds}"
        )
    files = read_crops(list_images(folder), place.rule)
    if place.rule.tracks is None or split == TRAIN:
        return files
    return _test_part(place.folder, split, place.rule.tracks, files)


def _test_part(root: Path, split: str, tracks: Tracks, files: SplitFiles) -> SplitFiles:
    """Take queries, or gallery, of the crops of a test folder that holds both."""
    frames = read_query_frames(root, tracks)
    if split == QUERY:
        people = [person for person in files.people if person.path.name in frames.queries]
    else:
        mine = frames.queries | frames.others
        people = [person for person in files.people if person.path.name not in mine]
    return files._replace(people=tuple(people))


def _read_folder(place: DatasetRoot, split: str, allow_left_out: bool) -> _Split:
    folder, files = place.split(split), scan_split(place, split)
    left_out = left_out_lines(folder, files, place.rule)
    advice = place.rule.advice(files.unmatched)
    if not files.people:
        first = f", such as {left_out[0]}" if left_out else ""
        raise ReidaugError(
            f"{printable(folder)}: {files.total} images, {files.junk} of them junk (pid -1), and "
            f"none that counts{first}; {place.rule.expects}" + (f"; {advice}" if advice else "")
        )
    check_left_out(folder, left_out, files.total, allowed=allow_left_out, advice=advice)
    return files.people, (*left_out, *files.beside), files.examples


def image_names(folder: Path) -> tuple[str, ...]:
    """List all images of a split's folder, junk included, as 14-joint annotations count them.

    They have the names that keypoint files give them, see `Person.key`.

    Raises:
        ReidaugError: The folder is missing.
    """
    if not folder.is_dir():
        raise ReidaugError(f"{folder.parent}: no folder {folder.name}")
    paths, in_folders = (found := list_images(folder)).images, found.shares_names
    return tuple(f"{p.parent.name}/{p.name}" if in_folders else p.name for p in paths)
