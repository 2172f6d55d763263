"""Crops whose persons and cameras are read from their names, or from the folders they lie in."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.data.crop_names import JUNK, PATTERN, Reading, read_name
from reidaug.data.image_folders import ImageFolder, beside, printable
from reidaug.data.layouts import GALLERY, LAYOUTS, QUERY, TRAIN, Layout
from reidaug.data.name_forms import holds_many, pattern_advice
from reidaug.errors import ReidaugError, UsageError

NameRule = re.Pattern[str] | Layout
"""What reads person and camera of a crop: a pattern, see `read_name`, or a layout."""

FOLDERS = {
    TRAIN: (TRAIN, "train_all", "train"),
    QUERY: (QUERY,),
    GALLERY: (GALLERY, "gallery"),
}
"""Folders of the splits where no layout tells them; the first one that is there counts."""
_SPLIT_FOLDERS = frozenset(name for names in FOLDERS.values() for name in names)


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
    """Read persons and cameras of images; for a pattern see `read_market1501`.

    Raises:
        ReidaugError: Persons are to be read from folders that are named like splits.
        UsageError: Names and folders number different persons, and nothing says which count.
    """
    readings = crop_readings(found, rule)
    default = isinstance(rule, re.Pattern) and rule.pattern == PATTERN
    by_folder = found.in_folders and default and not any(readings)
    if by_folder:
        readings = [_folder_reading(path) for path in found.images]
    elif found.in_folders and default:
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
            place = _place(path, found) if isinstance(rule, Layout) else ""
            people.append(Person(path, *reading.ids, folder, reading.words, place))
            kept.append((path, reading))
    return SplitFiles(
        tuple(people), junk, tuple(unmatched), found.unusable, found.folders, by_folder,
        examples(kept, in_folders=found.in_folders), beside(found),
    )  # fmt: skip


def crop_readings(found: ImageFolder, rule: NameRule) -> list[Reading | None]:
    """Read person and camera of each image of a folder; None where its name gives neither.

    Raises:
        ReidaugError: A layout's persons are to be read from folders that are no persons.
    """
    if isinstance(rule, re.Pattern):
        return [_reading(rule, path, in_folder=found.in_folders) for path in found.images]
    if rule.person_folders and not found.in_folders:
        return [None] * len(found.images)
    if rule.loose:
        for path in found.images:
            _check_person_folder(path)
    return [rule.read(path) for path in found.images]


def shown_name(path: Path, *, in_folders: bool) -> str:
    """Name an image in messages: FOLDER/NAME where images lie in folders."""
    return f"{path.parent.name}/{path.name}" if in_folders else path.name


def _reading(pattern: re.Pattern[str], path: Path, *, in_folder: bool) -> Reading | None:
    reading = read_name(pattern, path.name)
    if reading is None and in_folder:
        reading = read_name(pattern, f"{path.parent.name}/{path.name}")
    return reading


def _place(path: Path, found: ImageFolder) -> str:
    name = f"{path.stem}.jpg"
    return f"{path.parent.name}/{name}" if found.in_folders else name


def _folder_reading(path: Path) -> Reading:
    _check_person_folder(path)
    return Reading(unicodedata.normalize("NFC", path.parent.name), "1")


def _check_person_folder(path: Path) -> None:
    folder = unicodedata.normalize("NFC", path.parent.name)
    if folder.lower() in _SPLIT_FOLDERS or holds_many(folder):
        raise ReidaugError(
            f"{printable(path.parent.parent)}: names give no persons, and folders such as {folder} "
            "are none; name the folder whose folders are persons, or give a --pattern"
        )


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
    if isinstance(rule, Layout):
        why = f"its place or name is not as in {rule.example}, --layout {rule.name}"
    else:
        why = f"the name does not match {rule.pattern}"
    return (*(f"{folder / name}: {why}" for name in files.unmatched), *files.unusable)


def names_advice(rule: NameRule, names: Sequence[str]) -> str:
    """Advise how names that a rule does not read can be read; empty where there are none."""
    if not names:
        return ""
    if isinstance(rule, Layout):
        others = [name for name in LAYOUTS if name != rule.name]
        return f"other layouts are {', '.join(others)}; a --pattern reads any names"
    return pattern_advice(names)


def names_expected(rule: NameRule) -> str:
    """Say what names a rule reads."""
    if isinstance(rule, Layout):
        return f"paths are like {rule.example}, --layout {rule.name}"
    return f"names are like 0002_c1s1_000451_03.jpg, pattern {rule.pattern}"
