"""Re-ID datasets on disk: Market-1501, datasets with such file names, and MSMT17's lists.

A root holds ``bounding_box_train``, ``query`` and ``bounding_box_test``, each with files such as
``0002_c1s1_000451_03.jpg``: person, camera and sequence, frame, detection.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.data.crop_names import JUNK, PATTERN, compile_pattern, ids_in
from reidaug.data.images import SUFFIXES
from reidaug.errors import ReidaugError
from reidaug.files import read_text

TRAIN, QUERY, GALLERY = SPLITS = ("bounding_box_train", "query", "bounding_box_test")

_BELOW = (
    "",
    "Market-1501-v15.09.15",
    "market1501/Market-1501-v15.09.15",
    "market1501",
    "MSMT17_V2",
    "MSMT17_V1",
    "msmt17/MSMT17_V2",
    "msmt17/MSMT17_V1",
)
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


class ReIDDataset(NamedTuple):
    """A re-ID dataset."""

    root: Path  # the folder that holds the splits
    train: tuple[Person, ...]  # training crops
    query: tuple[Person, ...]  # query crops
    gallery: tuple[Person, ...]  # gallery crops, distractors included, junk (pid -1) left out
    left_out: tuple[str, ...] = ()  # one line for every file that could not be read


class SplitFiles(NamedTuple):
    """The files of one split."""

    people: tuple[Person, ...]  # the crops in name order, junk left out
    junk: int  # number of junk images (pid -1)
    unmatched: tuple[str, ...]  # names ending in .jpg that do not match the pattern
    other_formats: tuple[str, ...]  # images that do not end in .jpg


_Split = tuple[tuple[Person, ...], tuple[str, ...]]  # the crops, and a line for each other file


def read_market1501(
    root: Path, *, pattern: str | None = None, splits: Sequence[str] = SPLITS
) -> ReIDDataset:
    """Read a re-ID dataset: the same images, persons and cameras as in torchreid and fastreid.

    Only ``*.jpg`` directly in a split's folder counts. Junk (pid -1) is dropped, distractors
    (pid 0) are kept; ids stay as in the file names.

    Args:
        root: The folder with the splits, or one of its usual parents (see `find_root`).
        pattern: Regular expression searched in each file name, with groups named ``pid`` and
            ``camid`` or two groups in this order; without ``camid`` every camera is 1. Default:
            Market-1501's, with camera ids of any length.
        splits: The splits that must be there, of `SPLITS`; the others are not read.

    Returns:
        The dataset; ``left_out`` lists images whose name or suffix does not fit.

    Raises:
        ReidaugError: A folder is missing or holds nothing to read.
        UsageError: The pattern is no regular expression with these groups.
    """
    root = find_root(root)
    if (root / LISTS[TRAIN]).is_file():
        read = {name: _read_list(root, name) for name in splits}
    else:
        compiled = compile_pattern(pattern or PATTERN)
        read = {name: _read_folder(root / name, compiled) for name in splits}
    people = {name: crops for name, (crops, _) in read.items()}
    return ReIDDataset(
        root=root,
        train=people.get(TRAIN, ()),
        query=people.get(QUERY, ()),
        gallery=people.get(GALLERY, ()),
        left_out=tuple(line for _, left_out in read.values() for line in left_out),
    )


def find_root(root: Path) -> Path:
    """Find the folder that holds any of `SPLITS`, or MSMT17's ``list_train.txt``.

    ``root`` is the folder itself, or one above ``Market-1501-v15.09.15``,
    ``market1501/Market-1501-v15.09.15`` or MSMT17's folders.

    Raises:
        ReidaugError: None of them does.
    """
    root = root.expanduser()
    if not root.is_dir():
        what = "a file, and no folder" if root.is_file() else "no such folder"
        raise ReidaugError(f"{root}: {what}; a Market-1501 root holds {_listed(SPLITS)}")
    for below in _BELOW:
        folder = root / below
        if any((folder / name).is_dir() for name in SPLITS) or (folder / LISTS[TRAIN]).is_file():
            return folder
    if root.name in SPLITS:
        raise ReidaugError(f"{root}: this is one split; point at the folder above, {root.parent}")
    raise ReidaugError(
        f"{root}: no folder {TRAIN} here or in {_BELOW[1]} or {_BELOW[2]} below; "
        f"a Market-1501 root holds {_listed(SPLITS)}"
    )


def scan_split(folder: Path, pattern: re.Pattern[str]) -> SplitFiles:
    """List the files directly in the folder of a split; for ``pattern`` see `read_market1501`.

    Raises:
        ReidaugError: The folder is missing.
    """
    people, unmatched, other_formats, junk = [], [], [], 0
    for name in file_names(folder):
        if not name.endswith(".jpg"):
            if Path(name).suffix.lower() in SUFFIXES:
                other_formats.append(name)
            continue
        ids = ids_in(pattern, name)
        if ids is None:
            unmatched.append(name)
        elif ids[0] == JUNK:
            junk += 1
        else:
            people.append(Person(folder / name, *ids))
    return SplitFiles(tuple(people), junk, tuple(unmatched), tuple(other_formats))


def _read_folder(folder: Path, pattern: re.Pattern[str]) -> _Split:
    files = scan_split(folder, pattern)
    reasons = dict.fromkeys(files.other_formats, "only files ending in .jpg are read")
    reasons |= dict.fromkeys(files.unmatched, f"the name does not match {pattern.pattern}")
    if not files.people:
        raise ReidaugError(
            f"{folder}: {len(reasons) + files.junk} images, {files.junk} of them junk (pid -1), "
            f"and none that counts; names are like 0002_c1s1_000451_03.jpg, pattern "
            f"{pattern.pattern}"
        )
    return files.people, tuple(f"{folder / name}: {reasons[name]}" for name in sorted(reasons))


def image_names(folder: Path) -> tuple[str, ...]:
    """List all ``*.jpg`` directly in a folder, junk included, as 14-joint annotations count them.

    Raises:
        ReidaugError: The folder is missing.
    """
    return tuple(name for name in file_names(folder) if name.endswith(".jpg"))


def file_names(folder: Path) -> list[str]:
    """List the files directly in the folder of a split by name, hidden ones left out.

    Raises:
        ReidaugError: The folder is missing.
    """
    if not folder.is_dir():
        raise ReidaugError(
            f"{folder.parent}: no folder {folder.name}; a Market-1501 root holds {_listed(SPLITS)}"
        )
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_file())


def _read_list(root: Path, split: str) -> _Split:
    path = root / LISTS[split]
    folders = [root / name for name in _LIST_FOLDERS[split] if (root / name).is_dir()]
    if not folders:
        raise ReidaugError(f"{root}: no folder {_LIST_FOLDERS[split][0]} beside {path.name}")
    people, left_out = [], []
    for line, text in _lines(path):
        person = _listed_person(folders[0], text)
        if person is None:
            left_out.append(f"{path}:{line}: expected '0000/0000_000_01_..._0.jpg 0'")
        elif not person.path.is_file():
            left_out.append(f"{path}:{line}: no image {person.path}")
        else:
            people.append(person)
    if not people:
        raise ReidaugError(f"{path}: none of its {len(left_out)} lines names an image")
    return tuple(people), tuple(left_out)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(read_text(path).split("\n"), 1):
        if text.strip():
            yield number, text.strip()


def _listed_person(folder: Path, text: str) -> Person | None:
    try:
        name, pid = text.rsplit(maxsplit=1)
        return Person(folder / name, int(pid), int(Path(name).name.split("_")[2]))
    except (ValueError, IndexError):
        return None


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
