"""Checks of the file names of a dataset, and patterns that read other forms of names."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.data.crop_names import PATTERN, ids_in
from reidaug.data.market1501 import LISTS, TRAIN, Person, read_market1501, scan_split
from reidaug.dataset_check.findings import AUGMENT, EVALUATION, TRAINING, Finding, Tally, number
from reidaug.errors import ReidaugError

FORMS = (
    r"^(?P<pid>\d{4})_\d{3}_(?P<camid>\d{2})_",  # MSMT17
    r"^\d_(?P<pid>\d{3,4})_(?P<camid>\d)_\d+",  # CUHK03
    r"(?i)(?=.*cam(?:era)?[-_ ]?(?P<camid>\d+)).*?(?:id|person|p)[-_ ]?(?P<pid>\d+)",
    r"(?i)cam(?:era)?[-_ ]?(?P<camid>\d+)\D+(?P<pid>\d+)",
    r"(?i)(?P<pid>\d+).*?c(?:am|amera)?[-_ ]?(?P<camid>\d+)",
    r"^\D*(?P<pid>\d+)\D+(?P<camid>\d+)",
    r"^\D*(?P<pid>\d+)",
)
"""Common forms of file names, the most specific ones first."""

_RENAME = (
    "rename them to .jpg: here files are read by their content, and torchreid and fastreid "
    "list *.jpg too"
)
MOST_CAMERAS = 64
MOST_NAMES = 2_000


class Listing(NamedTuple):
    """The files of one split."""

    split: str  # name of the split
    people: tuple[Person, ...] = ()  # the crops, junk left out
    junk: int = 0  # number of junk images (pid -1)
    unmatched: tuple[str, ...] = ()  # names ending in .jpg, or lines of a list, that do not match
    other_formats: tuple[str, ...] = ()  # images that do not end in .jpg
    missing: str = ""  # why the split cannot be read; empty when it can


def is_listed(root: Path) -> bool:
    """Decide whether MSMT17's lists name the crops of a root, and not their file names."""
    return (root / LISTS[TRAIN]).is_file()


def list_split(root: Path, split: str, pattern: re.Pattern[str]) -> Listing:
    """List the files of one split, or why there are none.

    Args:
        root: As `reidaug.data.market1501.find_root` returns it.
        split: One of `reidaug.data.market1501.SPLITS`.
        pattern: Reads person and camera from file names; ignored where there are lists.
    """
    try:
        if not is_listed(root):
            files = scan_split(root / split, pattern)
            return Listing(split, files.people, files.junk, files.unmatched, files.other_formats)
        dataset = read_market1501(root, splits=(split,))
    except ReidaugError as error:
        return Listing(split, missing=str(error))
    people = (*dataset.train, *dataset.query, *dataset.gallery)
    return Listing(split, people, unmatched=dataset.left_out)


def name_findings(listing: Listing, *, listed: bool) -> list[Finding]:
    """Report the names of a split that cannot be used; ``listed``: they are lines of a list."""
    split, stops = listing.split, uses_of(listing.split)
    if listing.missing:
        advice = "without it only the other splits can be used"
        return [Finding.problem(split, listing.missing, advice, Tally(), stops)]
    findings = []
    correction = "correct these lines of the list" if listed else pattern_advice(listing.unmatched)
    for names, says, advice in (
        (listing.unmatched, "do not name person and camera", correction),
        (listing.other_formats, "do not end in .jpg and are not read", _RENAME),
    ):
        if names and listing.people:
            what = f"{number(len(names), 'name')} {says}"
            findings.append(Finding.advise(split, what, advice, Tally(names)))
        elif names:
            what = f"all {number(len(names), 'name')} {says}"
            findings.append(Finding.problem(split, what, advice, Tally(names), stops))
    if not listing.people and not findings:
        what = f"no image that counts, {number(listing.junk, 'junk image')} (person -1)"
        advice = "put the images directly in this folder; folders below it are not read"
        findings.append(Finding.problem(split, what, advice, Tally(), stops))
    elif listing.junk:
        what = f"{number(listing.junk, 'junk image')} (person -1)"
        findings.append(Finding.remark(split, what, "left out, as everywhere", Tally()))
    return findings


def uses_of(split: str) -> tuple[str, ...]:
    """Return the uses, of `reidaug.dataset_check.findings.USES`, that need a split."""
    return (AUGMENT, TRAINING) if split == TRAIN else (EVALUATION,)


def pattern_advice(names: Sequence[str]) -> str:
    """Advise how to read unmatched names, with a pattern and what it reads from the first one."""
    pattern = suggest_pattern(names)
    if pattern is None:
        return f"rename them like 0002_c1s1_000451_03.jpg ({PATTERN}), or give a --pattern"
    pid, camid = ids_in(re.compile(pattern), names[0]) or (0, 0)
    return (
        f"rename them like 0002_c1s1_000451_03.jpg, or try --pattern '{pattern}', which reads "
        f"person {pid}, camera {camid} from {names[0]}"
    )


def suggest_pattern(names: Sequence[str]) -> str | None:
    """Find a pattern that reads person and camera from names; the first `MOST_NAMES` count.

    Returns:
        The first of `FORMS` that reads every name and finds a plausible number of cameras, or None.
    """
    names = names[:MOST_NAMES]
    for form in FORMS:
        compiled = re.compile(form)
        found = [ids_in(compiled, name) for name in names]
        if names and all(found):
            cameras = {ids[1] for ids in found if ids}
            if len(cameras) <= min(MOST_CAMERAS, max(2, len(names) // 2)):
                return form
    return None
