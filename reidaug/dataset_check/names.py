"""Checks of the file names of a dataset: what they give, and what is left out."""

from pathlib import Path
from typing import NamedTuple

from reidaug.data.dataset_roots import DatasetRoot
from reidaug.data.image_folders import MOST_LEFT_OUT, list_images
from reidaug.data.listed_crops import read_lists
from reidaug.data.market1501 import QUERY, TRAIN, Person, scan_split
from reidaug.data.named_crops import NameRule, SplitFiles, read_crops
from reidaug.dataset_check.findings import (
    AUGMENT,
    EVALUATION,
    TRAINING,
    Finding,
    Tally,
    number,
)
from reidaug.errors import ReidaugError, UsageError

_JPEG = "torchreid and fastreid list *.jpg alone; here images of every format are read"
_ALLOWED = "they are left out with --allow-left-out"


class Listing(NamedTuple):
    """The files of one split."""

    split: str  # name of the split
    people: tuple[Person, ...] = ()  # the crops, junk left out
    junk: int = 0  # number of junk images (pid -1)
    unmatched: tuple[str, ...] = ()  # names, or lines of a list, that give no person and camera
    unusable: tuple[str, ...] = ()  # a line for each image that is no usable file
    missing: str = ""  # why the split cannot be read; empty when it can
    folders: tuple[str, ...] = ()  # folders beside the images, which are not read
    by_folder: bool = False  # whether folders, and not names, give the persons
    numbered: bool = False  # whether each crop counts as a person of its own
    examples: tuple[str, ...] = ()  # what was read from three names

    @classmethod
    def of(cls, split: str, files: SplitFiles) -> "Listing":
        """Take the files of a split."""
        return cls(
            split, files.people, files.junk, files.unmatched, files.unusable,
            folders=files.folders, by_folder=files.by_folder, examples=files.examples,
        )  # fmt: skip

    @property
    def much_left_out(self) -> bool:
        """Whether more is left out than without being asked, see `MOST_LEFT_OUT`."""
        left_out = len(self.unmatched) + len(self.unusable)
        return left_out > MOST_LEFT_OUT * (len(self.people) + self.junk + left_out)


def list_split(place: DatasetRoot, split: str) -> Listing:
    """List the files of one split, or why there are none.

    Args:
        place: The dataset.
        split: One of `reidaug.data.market1501.SPLITS`.

    Raises:
        UsageError: Names and folders number different persons.
    """
    try:
        if not place.listed:
            return Listing.of(split, scan_split(place, split))
        found = read_lists(place.folder, split, rule=place.rule, allow_left_out=True)
    except UsageError:
        raise
    except (ReidaugError, OSError) as error:
        return Listing(split, missing=str(error))
    return Listing(split, found.people, unmatched=found.left_out, examples=found.examples)


def list_crops(folder: Path, rule: NameRule) -> Listing:
    """List a folder of crops as training images; see `reidaug.data.loose_crops.read_training`."""
    found = list_images(folder)
    try:
        listing = Listing.of(TRAIN, read_crops(found, rule))
    except UsageError:
        raise
    except ReidaugError as error:
        return Listing(TRAIN, missing=str(error))
    if not rule.falls_back or listing.people or listing.junk:
        return listing
    people = tuple(Person(path, count, 1) for count, path in enumerate(found.images, 1))
    return listing._replace(people=people, numbered=bool(people))


def name_findings(
    listing: Listing, *, rule: NameRule, listed: bool, allowed: bool = False
) -> list[Finding]:
    """Report the names of a split that cannot be used.

    Args:
        listing: The split.
        rule: What reads its names.
        listed: Whether they are lines of a list.
        allowed: Whether more than a tenth of the images may be left out.
    """
    split, stops = listing.split, uses_of(listing.split)
    if listing.missing:
        advice = "without it only the other splits can be used"
        return [Finding.problem(split, listing.missing, advice, Tally(), stops)]
    findings = _left_out(listing, rule, listed=listed, allowed=allowed)
    if not listing.people and not findings:
        what = f"no image that counts, {number(listing.junk, 'junk image')} (person -1)"
        advice = "put the images, or a folder of them for each person, directly into this folder"
        if split == QUERY and listing.junk:
            advice = "nothing can be scored; finetune-eval --eval-only lists what is found for each"
        findings.append(Finding.problem(split, what, advice, Tally(), stops))
    elif listing.junk:
        what = f"{number(listing.junk, 'junk image')} (person -1)"
        findings.append(Finding.remark(split, what, "left out, as everywhere", Tally()))
    if listing.by_folder and listing.people:
        what = "names give nobody: each folder counts as a person, all of them under camera 1"
        advice = "for evaluation cameras have to differ: give a --pattern that reads FOLDER/NAME"
        findings.append(Finding.remark(split, what, advice, Tally()))
    if listing.folders and listing.people:
        what = f"{number(len(listing.folders), 'folder')} beside the images, not read"
        findings.append(Finding.remark(split, what, "fine, if meant", Tally(listing.folders)))
    other = Tally(p.path.name for p in listing.people if p.path.suffix != ".jpg")
    if other.count:
        what = f"{number(other.count, 'name')} not ending in .jpg"
        findings.append(Finding.remark(split, what, _JPEG, other))
    return findings


def _left_out(listing: Listing, rule: NameRule, *, listed: bool, allowed: bool) -> list[Finding]:
    split, stops = listing.split, uses_of(listing.split)
    correction = "correct these lines of the list" if listed else rule.advice(listing.unmatched)
    findings = []
    if listing.numbered:
        what = f"all {number(len(listing.unmatched), 'name')} give no person: each crop is its own"
        tally = Tally(listing.unmatched)
        findings.append(Finding.problem(split, what, correction, tally, (TRAINING,)))
        listing = listing._replace(unmatched=())
    unreadable = "mend or remove these files"
    for names, says, advice in (
        (listing.unmatched, "do not name person and camera", correction),
        (listing.unusable, "are no usable images", unreadable),
    ):
        if names and listing.people and (allowed or not listing.much_left_out):
            what = f"{number(len(names), 'name')} {says}"
            findings.append(Finding.advise(split, what, advice, Tally(names)))
        elif names and listing.people:
            what = f"{number(len(names), 'name')} {says}, more than a tenth"
            mend = f"{advice}; {_ALLOWED}"
            findings.append(Finding.problem(split, what, mend, Tally(names), stops))
        elif names:
            what = f"all {number(len(names), 'name')} {says}"
            findings.append(Finding.problem(split, what, advice, Tally(names), stops))
    return findings


def uses_of(split: str) -> tuple[str, ...]:
    """Return the uses, of `reidaug.dataset_check.findings.USES`, that need a split."""
    return (AUGMENT, TRAINING) if split == TRAIN else (EVALUATION,)
