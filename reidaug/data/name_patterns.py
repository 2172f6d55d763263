"""Patterns of names: what reads a dataset for which no layout is asked, and none recognised."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from reidaug.data.crop_names import PATTERN, Reading, compile_pattern, read_name
from reidaug.data.image_folders import ImageFolder
from reidaug.data.layouts import GALLERY, QUERY, TRAIN
from reidaug.data.name_forms import pattern_advice

FOLDERS = {
    TRAIN: (TRAIN, "train_all", "train"),
    QUERY: (QUERY,),
    GALLERY: (GALLERY, "gallery"),
}
"""Folders of the splits where no layout tells them; the first one that is there counts."""
ALL_SPLITS = f"{TRAIN}, {QUERY} and {GALLERY}"


@dataclass(frozen=True)
class NamePattern:
    """A pattern that reads person and camera from names, in the usual folders.

    Who reads datasets need not know whether it is a `Layout`: attributes and methods are the same.
    """

    pattern: re.Pattern[str]  # see `read_name`
    falls_back: bool = False  # whether folders, or else numbers, are persons where names give none

    name: ClassVar[str] = ""  # no layout that could be asked for
    folders: ClassVar[Mapping[str, tuple[str, ...]]] = FOLDERS
    lists: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    tracks: ClassVar[None] = None
    nobody: ClassVar[bool] = True
    holds: ClassVar[str] = f"a Market-1501 root holds {ALL_SPLITS}"

    @classmethod
    def of(cls, pattern: str | None) -> "NamePattern":
        """Take a regular expression of the user's; None: Market-1501's, and folders or numbers.

        Raises:
            UsageError: It is no regular expression, or has other groups, see `compile_pattern`.
        """
        return cls(compile_pattern(pattern or PATTERN), falls_back=pattern is None)

    def readings(self, found: ImageFolder) -> list[Reading | None]:
        """Read person and camera of each image of a folder; None where it does not match.

        In folders, where a name does not match, FOLDER/NAME counts.
        """
        return [
            read_name(self.pattern, path.name)
            or (read_name(self.pattern, _below(path)) if found.in_folders else None)
            for path in found.images
        ]

    @property
    def expects(self) -> str:
        """What it reads, for messages."""
        if self.falls_back:
            return f"names are like 0002_c1s1_000451_03.jpg, pattern {self.pattern.pattern}"
        return f"names must match {self.pattern.pattern}"

    @property
    def unlike(self) -> str:
        """Why a crop is not read."""
        return f"the name does not match {self.pattern.pattern}"

    def advice(self, names: Sequence[str]) -> str:
        """Advise how names that it does not read can be read; empty where there are none."""
        return pattern_advice(names) if names else ""


def _below(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
