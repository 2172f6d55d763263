"""The file names of a dataset as they are: who is named, who is left out, and how to read the rest.

`reidaug.data.market1501` refuses what it cannot use; this lists it.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.data.crop_names import JUNK, PATTERN, ids_in
from reidaug.data.images import SUFFIXES
from reidaug.data.market1501 import LISTS, TRAIN, Person, file_names, read_market1501
from reidaug.dataset_check.findings import (
    AUGMENT,
    EVALUATION,
    TRAINING,
    Finding,
    Tally,
    advise,
    number,
    problem,
    remark,
)
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
"""Forms of file names that are seen in the wild, the particular ones first."""

_RENAME = (
    "rename them to .jpg: here files are read by their content, and torchreid and fastreid "
    "list *.jpg too"
)
MOST_CAMERAS = 64
MOST_TRIED = 2_000


class Listing(NamedTuple):
    """What lies in one split.

    Attributes:
        split: Its name.
        people: The crops, junk left out.
        junk: How many images are junk (pid -1).
        strangers: Names ending in .jpg that do not match the pattern, or lines of a list.
        others: Images that do not end in .jpg.
        missing: Why there is no such split; empty when there is one.
    """

    split: str
    people: tuple[Person, ...] = ()
    junk: int = 0
    strangers: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    missing: str = ""


def is_listed(root: Path) -> bool:
    """Tell whether a root has MSMT17's list files.

    Args:
        root: As `reidaug.data.market1501.find_root` gives it.

    Returns:
        Whether its crops are named by lists; if not, by their file names.
    """
    return (root / LISTS[TRAIN]).is_file()


def list_split(root: Path, split: str, pattern: re.Pattern[str]) -> Listing:
    """List what lies in one split.

    Args:
        root: As `reidaug.data.market1501.find_root` gives it.
        split: Which, of `reidaug.data.market1501.SPLITS`.
        pattern: Reads person and camera from file names; of no account where there are lists.

    Returns:
        What is there, or why nothing is.
    """
    try:
        if not is_listed(root):
            return _list_folder(root / split, pattern)
        dataset = read_market1501(root, splits=(split,))
    except ReidaugError as error:
        return Listing(split, missing=str(error))
    people = (*dataset.train, *dataset.query, *dataset.gallery)
    return Listing(split, people, strangers=dataset.left_out)


def _list_folder(folder: Path, pattern: re.Pattern[str]) -> Listing:
    people, strangers, others, junk = [], [], [], 0
    for name in file_names(folder):
        if not name.endswith(".jpg"):
            if Path(name).suffix.lower() in SUFFIXES:
                others.append(name)
            continue
        found = ids_in(pattern, name)
        if found is None:
            strangers.append(name)
        elif found[0] == JUNK:
            junk += 1
        else:
            people.append(Person(folder / name, *found))
    return Listing(folder.name, tuple(people), junk, tuple(strangers), tuple(others))


def name_findings(listing: Listing, *, listed: bool) -> list[Finding]:
    """Report which names of a split cannot be used.

    Args:
        listing: The split.
        listed: Whether the names come from MSMT17's lists.

    Returns:
        The findings.
    """
    split, stops = listing.split, uses_of(listing.split)
    if listing.missing:
        advice = "without it only the other splits can be used"
        return [problem(split, listing.missing, advice, Tally(), stops)]
    findings = []
    mend = "mend these lines of the list" if listed else pattern_advice(listing.strangers)
    for names, says, advice in (
        (listing.strangers, "do not say whose they are", mend),
        (listing.others, "do not end in .jpg and are not read", _RENAME),
    ):
        if names and listing.people:
            what = f"{number(len(names), 'name')} {says}"
            findings.append(advise(split, what, advice, Tally(names)))
        elif names:
            what = f"all {number(len(names), 'name')} {says}"
            findings.append(problem(split, what, advice, Tally(names), stops))
    if not listing.people and not findings:
        what = f"no image that counts, {number(listing.junk, 'junk image')} (person -1)"
        advice = "put the images directly in this folder; folders below it are not read"
        findings.append(problem(split, what, advice, Tally(), stops))
    elif listing.junk:
        what = f"{number(listing.junk, 'junk image')} (person -1)"
        findings.append(remark(split, what, "left out, as everywhere", Tally()))
    return findings


def uses_of(split: str) -> tuple[str, ...]:
    """Tell what a split is needed for.

    Args:
        split: Its name.

    Returns:
        Uses of `reidaug.dataset_check.findings.USES`.
    """
    return (AUGMENT, TRAINING) if split == TRAIN else (EVALUATION,)


def pattern_advice(names: Sequence[str]) -> str:
    """Advise how to read names that do not match.

    Args:
        names: File names.

    Returns:
        What to do, with the pattern to try and what it reads from the first name.
    """
    pattern = suggest_pattern(names)
    if pattern is None:
        return f"rename them like 0002_c1s1_000451_03.jpg ({PATTERN}), or give a --pattern"
    pid, camid = ids_in(re.compile(pattern), names[0]) or (0, 0)
    return (
        f"rename them like 0002_c1s1_000451_03.jpg, or try --pattern '{pattern}', which reads "
        f"person {pid}, camera {camid} from {names[0]}"
    )


def suggest_pattern(names: Sequence[str]) -> str | None:
    """Find a pattern that reads person and camera from all of these names.

    Args:
        names: File names; the first `MOST_TRIED` are looked at.

    Returns:
        The first of `FORMS` that reads every name and finds no more cameras than plausible; None
        when none does.
    """
    tried = names[:MOST_TRIED]
    for form in FORMS:
        compiled = re.compile(form)
        found = [ids_in(compiled, name) for name in tried]
        if tried and all(found):
            cameras = {ids[1] for ids in found if ids}
            if len(cameras) <= min(MOST_CAMERAS, max(2, len(tried) // 2)):
                return form
    return None
