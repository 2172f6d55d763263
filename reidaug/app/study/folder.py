"""The folder of a study: its images, its settings in ``report.json``, its answers."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reidaug.app.study.answers import Answers
from reidaug.app.study.schedule import Design, Round, plan
from reidaug.checksums import SUMS, Checksums, describe
from reidaug.errors import ReidaugError
from reidaug.files import read_text
from reidaug.fingerprint import digest_of

ANSWERS = "answers.sqlite"
IMAGES = "images"
REPORT = "report.json"
SOURCE, TARGET = "source", "target"


class Settings(BaseModel):
    """What ``report.json`` of a study holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    text: tuple[str, ...]  # paragraphs that are read before the first round
    methods: tuple[str, ...] = Field(min_length=2)  # the reference is the first
    samples: tuple[str, ...] = Field(min_length=1)  # names of those that count
    practice_samples: tuple[str, ...]  # names of those of practice
    rounds: int = Field(ge=1)
    practice: int = Field(ge=0)
    seed: int = Field(ge=0)


class Study(NamedTuple):
    """A study that was made."""

    path: Path  # its folder
    settings: Settings

    @property
    def design(self) -> Design:
        """What it compares."""
        own = self.settings
        return Design(
            reference=own.methods[0],
            rivals=own.methods[1:],
            samples=len(own.samples),
            practice_samples=len(own.practice_samples),
            rounds=own.rounds,
            practice=own.practice,
            seed=own.seed,
        )

    def plan(self, participant: int) -> list[Round]:
        """Plan the rounds of a participant, by number from 0."""
        return plan(self.design, participant)

    def answers(self, *, make: bool = False) -> Answers:
        """Open its answers, see `Answers`; only its owner may read the file."""
        path = self.path / ANSWERS
        if make and not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        return Answers(path, make=make, of=self.number)

    @property
    def number(self) -> int:
        """Number that its answers are marked with: of what they refer to, from 1 to 2^31 - 1."""
        own = self.settings
        samples = (own.samples, own.practice_samples)
        digest = digest_of(own.methods, *samples, own.rounds, own.practice, own.seed)
        return int(digest, 16) % (2**31 - 1) + 1

    def sample_name(self, sample: int) -> str:
        """Return the name of a sample by its number."""
        return (*self.settings.samples, *self.settings.practice_samples)[sample]

    def image(self, sample: int, name: str) -> Path:
        """Return the PNG file of a sample: `SOURCE`, `TARGET` or the result of a method."""
        return self.path / image_name(sample, name)


def image_name(sample: int, name: str) -> str:
    """Name an image of a sample within the folder; see `Study.image`."""
    kind = name if name in (SOURCE, TARGET) else f"result_{name}"
    return f"{IMAGES}/{sample:04d}/{kind}.png"


def read_study(path: Path) -> Study:
    """Read a study that `reidaug study new` made.

    Raises:
        ReidaugError: The folder holds none, or files of it are missing or damaged.
    """
    advice = f"{path}: no study; make one with  reidaug study new ... --out {path}"
    if not (path / REPORT).is_file():
        raise ReidaugError(advice)
    try:
        values = json.loads(read_text(path / REPORT))
        settings = Settings.model_validate(values)
    except (ValidationError, ValueError, RecursionError):
        raise ReidaugError(f"{advice} ({REPORT} is no study's, or damaged)") from None
    if changed := Checksums(path / SUMS).changed():
        raise ReidaugError(
            f"{path}: {describe(changed)}; make the study again by the command that made it: "
            "answers stay"
        )
    return Study(path, settings)
