"""Crops that lists name, as MSMT17's do: a path below a folder and a person on each line."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from reidaug.data.crop_names import Reading, id_of
from reidaug.data.image_folders import check_left_out
from reidaug.data.layouts import LAYOUTS, first_folder
from reidaug.data.named_crops import NameRule, Person, examples
from reidaug.errors import ReidaugError, printable
from reidaug.files import read_text

MSMT17 = LAYOUTS["msmt17"]._replace(name="")
"""MSMT17's lists where nobody asked for them: warps are named as in Market-1501."""
LISTS = {split: names[0] for split, names in MSMT17.lists.items()}
"""The list of each split."""


class ListedCrops(NamedTuple):
    """The crops of a split that lists name."""

    people: tuple[Person, ...]  # in their order
    left_out: tuple[str, ...]  # one line for each line that names no image
    examples: tuple[str, ...]  # what was read from three lines


def read_lists(
    root: Path, split: str, *, rule: NameRule = MSMT17, allow_left_out: bool = False
) -> ListedCrops:
    """Read the crops that the lists of a split name.

    Args:
        root: The folder with the lists.
        split: One of `reidaug.data.layouts.SPLITS`.
        rule: What names the lists; crops of a layout that has a name keep their places.
        allow_left_out: Whether more than a tenth of the lines may name no image.

    Raises:
        ReidaugError: A list or folder is missing, or names nothing, or too much is left out.
    """
    folder, lists = first_folder(root, rule.folders[split]), rule.lists[split]
    first, named = root / lists[0], dict[str, _Named]()
    if not folder.is_dir():
        raise ReidaugError(f"{root}: no folder {folder.name} beside {first.name}")
    read_each = [
        (root / name, *_read(folder, root / name, named, keep_places=bool(rule.name)))
        for name in lists
    ]
    repeated = [line for one in named.values() for line in one.again]
    people = [person for _, crops, _ in read_each for person in crops]
    left_out = [line for _, _, wrong in read_each for line in wrong]
    if not people:
        such = f", such as {left_out[0]}" if left_out else ""
        raise ReidaugError(f"{first}: none of its {len(left_out)} lines names an image{such}")
    for path, crops, wrong in read_each:
        total, advice = len(crops) + len(wrong), "correct these lines"
        check_left_out(path, wrong, total, allowed=allow_left_out, advice=advice)
    read = [(p.path, Reading(str(p.pid), str(p.camid))) for p in people]
    return ListedCrops(tuple(people), (*left_out, *repeated), examples(read, in_folders=False))


def list_lines(people: Mapping[str, int]) -> str:
    """Write the list of a split: a line for each file below its folder, with the person."""
    return "".join(f"{name} {pid}\n" for name, pid in sorted(people.items()))


class _Named(NamedTuple):
    """An image that a list names."""

    where: str  # list and line
    pid: int
    again: list[str]  # a line for each further time


def _read(
    folder: Path, path: Path, named: dict[str, _Named], *, keep_places: bool
) -> tuple[list[Person], list[str]]:
    """Read a list, after others that named some images; lines for what names no image."""
    people, left_out = list[Person](), list[str]()
    for line, text in _lines(path):
        where, person = f"{path}:{line}", _listed_person(folder, text, keep_places=keep_places)
        if person is None:
            left_out.append(f"{where}: expected '0000/0000_000_01_..._0.jpg 0'")
        elif not os.path.isfile(person.path):  # noqa: PTH113 - no error where it is too long
            left_out.append(f"{where}: no image {printable(person.path)}")
        else:
            key = os.path.normpath(person.path)
            before = named.setdefault(key, _Named(where, person.pid, []))
            if before.pid != person.pid:
                raise ReidaugError(
                    f"{where}: {printable(person.path)} is of person {person.pid} here, and of "
                    f"person {before.pid} in {before.where}; correct one of these lines"
                )
            if before.where == where:
                people.append(person)
            else:
                before.again.append(f"{where}: the same image as in {before.where}, counted once")
    return people, left_out


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(read_text(path).split("\n"), 1):
        if text.strip():
            yield number, text.strip()


def _listed_person(folder: Path, text: str, *, keep_places: bool) -> Person | None:
    try:
        name, pid = text.replace("\\", "/").rsplit(maxsplit=1)
        camid = Path(name).name.split("_")[2]
        if not (pid.isdecimal() and camid.isdecimal()) or "\0" in name:
            return None
        place = PurePosixPath(name).with_suffix(".jpg") if keep_places else PurePosixPath()
        if place.is_absolute() or ".." in place.parts:
            return None
        return Person(
            folder / name, id_of(pid), id_of(camid), place=place.as_posix() if keep_places else ""
        )
    except (ValueError, IndexError):
        return None
