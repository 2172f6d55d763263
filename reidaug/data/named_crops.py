"""Crops whose persons and cameras are read from their names, or from the folders they lie in."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.data.crop_names import JUNK, Reading
from reidaug.data.image_folders import ImageFolder, beside
from reidaug.data.layouts import Layout
from reidaug.data.name_forms import check_person_folder
from reidaug.data.name_patterns import NamePattern
from reidaug.errors import UsageError, printable

NameRule = NamePattern | Layout
"""What reads persons and cameras: what both have is all that readers use, as mypy holds them to."""


class Person(NamedTuple):
    """One crop of one person."""

    path: Path  # image file
    pid: int  # person id as the dataset names it; 0 is a distractor
    camid: int  # camera id as the dataset names it (Market-1501 counts from 1)
    folder: str = ""  # the folder it lies in, where files in several folders have one name
    words: tuple[str, str] = ("", "")  # person and camera as written, where these are no numbers
    # Its place, FOLDER/NAME.jpg or NAME.jpg, below the training folder of a dataset that is written
    # in the layout it was read by; empty: named as in Market-1501.
    place: str = ""

    @property
    def who(self) -> str:
        """The person as written."""
        return self.words[0] or str(self.pid)

    @property
    def key(self) -> str:
        """Its name in keypoint files, and its mask's with another ending: FOLDER/NAME or NAME."""
        return f"{self.folder}/{self.path.name}" if self.folder else self.path.name

    @property
    def file(self) -> str:
        """Its name below the training folder, where it is a crop of an augmented dataset."""
        return self.place or self.path.name


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


def read_crops(found: ImageFolder, rule: NameRule) -> SplitFiles:
    """Read persons and cameras of images; see `reidaug.data.market1501.read_market1501`.

    Raises:
        ReidaugError: Persons are to be read from folders that are named like splits.
        UsageError: Names and folders number different persons, and nothing says which count.
    """
    readings = rule.readings(found)
    by_folder = found.in_folders and rule.falls_back and not any(readings)
    if by_folder:
        readings = [_folder_reading(path.parent, rule) for path in found.images]
    elif found.in_folders and rule.falls_back:
        _check_agreement(found, readings)
    people, unmatched, kept, junk = [], [], list[tuple[Path, Reading]](), 0
    shared = found.shares_names
    for path, reading in zip(found.images, readings, strict=True):
        if reading is None:
            unmatched.append(shown_name(path, in_folders=found.in_folders))
        elif reading.ids[0] == JUNK:
            junk += 1
        else:
            folder = path.parent.name if shared else ""
            place = _place(path, found) if rule.name else ""
            people.append(Person(path, *reading.ids, folder, reading.words, place))
            kept.append((path, reading))
    return SplitFiles(
        tuple(people), junk, tuple(unmatched), found.unusable, found.folders, by_folder,
        examples(kept, in_folders=found.in_folders), beside(found),
    )  # fmt: skip


def shown_name(path: Path, *, in_folders: bool) -> str:
    """Name an image in messages: FOLDER/NAME where images lie in folders."""
    return f"{path.parent.name}/{path.name}" if in_folders else path.name


def _place(path: Path, found: ImageFolder) -> str:
    name = f"{path.stem}.jpg"
    return f"{path.parent.name}/{name}" if found.in_folders else name


def _folder_reading(folder: Path, rule: NameRule) -> Reading:
    check_person_folder(folder, rule.folders)
    return Reading(unicodedata.normalize("NFC", folder.name), "1")


def _check_agreement(found: ImageFolder, readings: Sequence[Reading | None]) -> None:
    """Check that numbers of folders are not other persons' than those that names begin with."""
    differ, seen = list[tuple[Path, Reading]](), 0
    for path, reading in zip(found.images, readings, strict=True):
        folder = path.parent.name
        if reading is None or not folder.isdecimal() or reading.ids[0] == JUNK:
            continue
        seen += 1
        if int(folder) not in reading.ids:
            differ.append((path, reading))
    if 2 * len(differ) > seen:
        path, reading = differ[0]
        raise UsageError(
            f"{printable(path.parent.parent)}: {shown_name(path, in_folders=True)} is of person "
            f"{plain(reading.person)} by its name and of person {plain(path.parent.name)} by its "
            "folder; --layout market1501 reads the names, --layout image-folder the folders"
        )


def examples(kept: Sequence[tuple[Path, Reading]], *, in_folders: bool) -> tuple[str, ...]:
    """Say what was read from the first, a middle and the last name."""
    numbers = sorted({0, len(kept) // 2, len(kept) - 1}) if kept else []
    lines = []
    for path, reading in (kept[number] for number in numbers):
        person, camera = (plain(text) for text in reading)
        name = shown_name(path, in_folders=in_folders)
        lines.append(f"{name}: person {person}, camera {camera}")
    return tuple(lines)


def plain(text: str) -> str:
    """Write a number without leading zeros, and other text as it is."""
    return str(int(text)) if text.isdecimal() else text


def left_out_lines(folder: Path, files: SplitFiles, rule: NameRule) -> tuple[str, ...]:
    """Write a line for every image of a split that is left out, junk excepted."""
    return (*(f"{folder / name}: {rule.unlike}" for name in files.unmatched), *files.unusable)
