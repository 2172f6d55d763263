"""The records of a re-ID dataset."""

from pathlib import Path
from typing import NamedTuple


class Person(NamedTuple):
    """One crop of one person.

    Attributes:
        path: Image file.
        pid: Person id as the dataset names it; 0 is a distractor.
        camid: Camera id as the dataset names it (Market-1501 counts from 1).
    """

    path: Path
    pid: int
    camid: int


class ReIDDataset(NamedTuple):
    """A re-ID dataset: whom to learn from, whom to look for, and where.

    Attributes:
        root: The folder that holds the splits.
        train: Training crops.
        query: Query crops.
        gallery: Gallery crops, distractors included, junk (pid -1) left out.
        left_out: One line for every file that was there and could not be taken.
    """

    root: Path
    train: tuple[Person, ...]
    query: tuple[Person, ...]
    gallery: tuple[Person, ...]
    left_out: tuple[str, ...] = ()
