"""Re-ID datasets on disk: Market-1501, datasets with such file names, and MSMT17's lists.

A root holds ``bounding_box_train``, ``query`` and ``bounding_box_test``, each with files such as
``0002_c1s1_000451_03.jpg``: person, camera and sequence, frame, detection. Instead of files a split
may hold a folder for each person, as in layumi's ``pytorch/{train_all,query,gallery}``.
"""

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.data.crop_names import JUNK, PATTERN, Reading, compile_pattern, id_of, read_name
from reidaug.data.image_folders import (
    ImageFolder,
    beside,
    check_left_out,
    has_images,
    list_images,
    printable,
)
from reidaug.data.name_forms import holds_many, pattern_advice
from reidaug.errors import ReidaugError
from reidaug.files import read_text

TRAIN, QUERY, GALLERY = SPLITS = ("bounding_box_train", "query", "bounding_box_test")
ALL_SPLITS = f"{TRAIN}, {QUERY} and {GALLERY}"

_BELOW = (
    "",
    "Market-1501-v15.09.15",
    "market1501/Market-1501-v15.09.15",
    "market1501",
    "MSMT17_V2",
    "MSMT17_V1",
    "msmt17/MSMT17_V2",
    "msmt17/MSMT17_V1",
    "pytorch",
)
FOLDERS = {
    TRAIN: (TRAIN, "train_all", "train"),
    QUERY: (QUERY,),
    GALLERY: (GALLERY, "gallery"),
}
"""Folders of the splits; the first one that is there counts."""
_SPLIT_FOLDERS = frozenset(name for names in FOLDERS.values() for name in names)
LISTS = {TRAIN: "list_train.txt", QUERY: "list_query.txt", GALLERY: "list_gallery.txt"}
_LIST_FOLDERS = {
    TRAIN: ("train", "mask_train_v2"),
    QUERY: ("test", "mask_test_v2"),
    GALLERY: ("test", "mask_test_v2"),
}


class Person(NamedTuple):
    """One crop of one person."""

    path: Path  # image file
    pid: int  # person id as the dataset names it; 0 is a distractor
    camid: int  # camera id as the dataset names it (Market-1501 counts from 1)
    folder: str = ""  # the folder it lies in, where files in several folders have one name
    words: tuple[str, str] = ("", "")  # person and camera as written, where these are no numbers

    @property
    def who(self) -> str:
        """The person as written."""
        return self.words[0] or str(self.pid)

    @property
    def key(self) -> str:
        """Its name in keypoint files, and its mask's with another ending: FOLDER/NAME or NAME."""
        return f"{self.folder}/{self.path.name}" if self.folder else self.path.name


class ReIDDataset(NamedTuple):
    """A re-ID dataset."""

    root: Path  # the folder that holds the splits
    train: tuple[Person, ...]  # training crops
    query: tuple[Person, ...]  # query crops
    gallery: tuple[Person, ...]  # gallery crops, distractors included, junk (pid -1) left out
    left_out: tuple[str, ...] = ()  # one line for every file that could not be read
    examples: tuple[str, ...] = ()  # what was read from three names


class SplitFiles(NamedTuple):
    """The files of one split."""

    people: tuple[Person, ...]  # the crops in name order, junk left out
    junk: int = 0  # number of junk images (pid -1)
    unmatched: tuple[str, ...] = ()  # names that give no person and camera
    unusable: tuple[str, ...] = ()  # a line for each image that is no usable file
    folders: tuple[str, ...] = ()  # folders beside the images, which are not read
    by_folder: bool = False  # whether folders, and not names, give the persons
    examples: tuple[str, ...] = ()  # what was read from three names
    beside: tuple[str, ...] = ()  # a line for each folder with images beside those that count

    @property
    def total(self) -> int:
        """Count all images."""
        return len(self.people) + self.junk + len(self.unmatched) + len(self.unusable)


_Split = tuple[tuple[Person, ...], tuple[str, ...], tuple[str, ...]]  # crops, left out, examples


def read_market1501(
    root: Path,
    *,
    pattern: str | None = None,
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
        splits: The splits that must be there, of `SPLITS`; the others are not read.
        allow_left_out: Whether more than a tenth of a split's images may be left out.

    Returns:
        The dataset; ``left_out`` lists images whose name does not fit or that are no usable files.

    Raises:
        ReidaugError: A folder is missing or holds nothing to read, or too much is left out.
        UsageError: The pattern is no regular expression with these groups.
    """
    root = find_root(root)
    if (root / LISTS[TRAIN]).is_file():
        read = {name: _read_list(root, name, allow_left_out) for name in splits}
    else:
        compiled = compile_pattern(pattern or PATTERN)
        read = {
            name: _read_folder(split_folder(root, name), compiled, allow_left_out)
            for name in splits
        }
    people = {name: crops for name, (crops, _, _) in read.items()}
    return ReIDDataset(
        root=root,
        train=people.get(TRAIN, ()),
        query=people.get(QUERY, ()),
        gallery=people.get(GALLERY, ()),
        left_out=tuple(line for _, left_out, _ in read.values() for line in left_out),
        examples=next((examples for _, _, examples in read.values()), ()),
    )


def names_read(dataset: ReIDDataset) -> str:
    """Say in a line what was read from three names, so that wrong persons are seen in time."""
    return f"names are read so: {'; '.join(dataset.examples)}"


def find_root(root: Path) -> Path:
    """Find the folder that holds any of `SPLITS`, or MSMT17's ``list_train.txt``.

    ``root`` is the folder itself, or one above ``Market-1501-v15.09.15``,
    ``market1501/Market-1501-v15.09.15``, layumi's ``pytorch`` or MSMT17's folders.

    Raises:
        ReidaugError: None of them does.
    """
    root = root.expanduser()
    if not root.is_dir():
        what = "a file, and no folder" if root.is_file() else "no such folder"
        raise ReidaugError(f"{root}: {what}; a Market-1501 root holds {ALL_SPLITS}")
    for below in _BELOW:
        folder = root / below
        if any((folder / name).is_dir() for name in SPLITS) or (folder / LISTS[TRAIN]).is_file():
            return folder
        if any((folder / name).is_dir() for name in FOLDERS[TRAIN][1:]) and list_people(folder):
            return folder
    if root.name in SPLITS:
        raise ReidaugError(f"{root}: this is one split; point at the folder above, {root.parent}")
    raise ReidaugError(
        f"{root}: no folder {TRAIN} here or in {_BELOW[1]} or {_BELOW[2]} below; "
        f"a Market-1501 root holds {ALL_SPLITS}"
    )


def split_folder(root: Path, split: str) -> Path:
    """Name the folder of a split, of `FOLDERS`; ``ROOT/SPLIT`` where there is none."""
    names = (name for name in FOLDERS[split] if (root / name).is_dir())
    return root / next(names, split)


def scan_split(folder: Path, pattern: re.Pattern[str]) -> SplitFiles:
    """List the images in the folder of a split; for ``pattern`` see `read_market1501`.

    Raises:
        ReidaugError: The folder is missing, or its folders are no persons.
    """
    if not folder.is_dir():
        raise ReidaugError(
            f"{printable(folder.parent)}: no folder {folder.name}; a Market-1501 root holds "
            f"{ALL_SPLITS}"
        )
    return read_crops(list_images(folder), pattern)


def read_crops(found: ImageFolder, pattern: re.Pattern[str]) -> SplitFiles:
    """Read persons and cameras of images; for ``pattern`` see `read_market1501`.

    Raises:
        ReidaugError: Persons are to be read from folders that are named like splits.
    """
    readings = [_reading(pattern, path, in_folder=found.in_folders) for path in found.images]
    by_folder = found.in_folders and pattern.pattern == PATTERN and not any(readings)
    if by_folder:
        readings = [_folder_reading(path) for path in found.images]
    people, unmatched, kept, junk = [], [], list[tuple[Path, Reading]](), 0
    shared = found.shares_names
    for path, reading in zip(found.images, readings, strict=True):
        if reading is None:
            unmatched.append(f"{path.parent.name}/{path.name}" if found.in_folders else path.name)
        elif reading.ids[0] == JUNK:
            junk += 1
        else:
            folder = path.parent.name if shared else ""
            people.append(Person(path, *reading.ids, folder, reading.words))
            kept.append((path, reading))
    return SplitFiles(
        tuple(people), junk, tuple(unmatched), found.unusable, found.folders, by_folder,
        _examples(kept, in_folders=found.in_folders), beside(found),
    )  # fmt: skip


def _reading(pattern: re.Pattern[str], path: Path, *, in_folder: bool) -> Reading | None:
    reading = read_name(pattern, path.name)
    if reading is None and in_folder:
        reading = read_name(pattern, f"{path.parent.name}/{path.name}")
    return reading


def _folder_reading(path: Path) -> Reading:
    folder = unicodedata.normalize("NFC", path.parent.name)
    if folder.lower() in _SPLIT_FOLDERS or holds_many(folder):
        raise ReidaugError(
            f"{printable(path.parent.parent)}: names give no persons, and folders such as {folder} "
            "are none; name the folder whose folders are persons, or give a --pattern"
        )
    return Reading(folder, "1")


def _examples(kept: Sequence[tuple[Path, Reading]], *, in_folders: bool) -> tuple[str, ...]:
    """Say what was read from the first, a middle and the last name."""
    numbers = sorted({0, len(kept) // 2, len(kept) - 1}) if kept else []
    lines = []
    for path, reading in (kept[number] for number in numbers):
        name = f"{path.parent.name}/{path.name}" if in_folders else path.name
        person, camera = (_plain(text) for text in reading)
        lines.append(f"{name}: person {person}, camera {camera}")
    return tuple(lines)


def _plain(text: str) -> str:
    return str(int(text)) if text.isdecimal() else text


def list_people(folder: Path) -> bool:
    """Decide whether a folder's training images lie in folders, one for each person."""
    train = split_folder(folder, TRAIN)
    with_images = (path for path in train.iterdir() if path.is_dir() and has_images(path))
    return not has_images(train) and next(with_images, None) is not None


def _read_folder(folder: Path, pattern: re.Pattern[str], allow_left_out: bool) -> _Split:
    files = scan_split(folder, pattern)
    left_out = left_out_lines(folder, files, pattern)
    if not files.people:
        first = f", such as {left_out[0]}" if left_out else ""
        advice = f"; {pattern_advice(files.unmatched)}" if files.unmatched else ""
        raise ReidaugError(
            f"{printable(folder)}: {files.total} images, {files.junk} of them junk (pid -1), and "
            f"none that counts{first}; names are like 0002_c1s1_000451_03.jpg, pattern "
            f"{pattern.pattern}{advice}"
        )
    advice = pattern_advice(files.unmatched) if files.unmatched else ""
    check_left_out(folder, left_out, files.total, allowed=allow_left_out, advice=advice)
    return files.people, (*left_out, *files.beside), files.examples


def left_out_lines(folder: Path, files: SplitFiles, pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Write a line for every image of a split that is left out, junk excepted."""
    why = f"the name does not match {pattern.pattern}"
    return (*(f"{folder / name}: {why}" for name in files.unmatched), *files.unusable)


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


def _read_list(root: Path, split: str, allow_left_out: bool) -> _Split:
    path = root / LISTS[split]
    folders = [root / name for name in _LIST_FOLDERS[split] if (root / name).is_dir()]
    if not folders:
        raise ReidaugError(f"{root}: no folder {_LIST_FOLDERS[split][0]} beside {path.name}")
    people, left_out = [], []
    for line, text in _lines(path):
        person = _listed_person(folders[0], text)
        if person is None:
            left_out.append(f"{path}:{line}: expected '0000/0000_000_01_..._0.jpg 0'")
        elif not os.path.isfile(person.path):  # noqa: PTH113 - no error where it is too long
            left_out.append(f"{path}:{line}: no image {printable(person.path)}")
        else:
            people.append(person)
    if not people:
        raise ReidaugError(f"{path}: none of its {len(left_out)} lines names an image")
    total = len(people) + len(left_out)
    check_left_out(path, left_out, total, allowed=allow_left_out, advice="correct these lines")
    read = [(p.path, Reading(str(p.pid), str(p.camid))) for p in people]
    return tuple(people), tuple(left_out), _examples(read, in_folders=False)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(read_text(path).split("\n"), 1):
        if text.strip():
            yield number, text.strip()


def _listed_person(folder: Path, text: str) -> Person | None:
    try:
        name, pid = text.rsplit(maxsplit=1)
        camid = Path(name).name.split("_")[2]
        if not (pid.isdecimal() and camid.isdecimal()) or "\0" in name:
            return None
        return Person(folder / name, id_of(pid), id_of(camid))
    except (ValueError, IndexError):
        return None
