"""Forms of file names that datasets use, and the pattern that reads them."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from reidaug.data.crop_names import PATTERN, ids_in, read_name
from reidaug.errors import ReidaugError, printable

_NUMBERS = r"^(?P<pid>\d+)(?=\D)"
FORMS = (
    r"^(?P<pid>\d{4})_\d{3}_(?P<camid>\d{2})_",  # MSMT17
    r"^\d_(?P<pid>\d{3,4})_(?P<camid>\d)_\d+",  # CUHK03
    r"^(?P<pid>\d+)_\d+_c(?P<camid>\d+)",  # LTCC: the second number is the clothes
    r"(?i)(?=.*cam(?:era)?[-_ ]?(?P<camid>\d+)).*?(?<![a-z])(?:id|person|pid|p)[-_ ]?(?P<pid>\d+)",
    r"(?i)^(?:id|person|pid|p)[-_ ]?(?P<pid>\d+)(?=\D).*?c[-_ ]?(?P<camid>\d+)",
    r"(?i)cam(?:era)?[-_ ]?(?P<camid>\d+)\D+(?P<pid>\d+)",
    r"(?i)^c(?P<camid>\d+)(?:s\d+)?_(?P<pid>\d+)",
    r"(?i)^(?P<pid>\d+).*?c(?:am|amera)?[-_ ]?(?P<camid>\d+)",
    r"^(?P<pid>\d+)\D+(?P<camid>\d+)",
    r"(?i)^(?P<pid>[a-z]+[-_ ]?\d*)_c(?:am|amera)?[-_ ]?(?P<camid>\d+)",
    r"(?i)^(?:id|person|pid|p)[-_ ]?(?P<pid>\d+)",
    _NUMBERS,
)
"""Common forms of file names, the most specific ones first."""

_NO_PERSON = re.compile(
    r"(?i)crops|data|images?|imgs?|jpgs?|masks|png|test|val|valid|validation|frames"
    r"|persons?|people|pedestrians?|bicycle|car|motorcycle"  # classes of a detector
    r"|(?:cam(?:era)?|view|video|vid|clip|seq(?:uence)?|session|scene|day|date|batch|part|split"
    r"|fold|frames?|images?|img)s?(?:[-_ .]?\d[-_.\d]*|[-_ .][a-z])"
)

MOST_CAMERAS = 64
MOST_NAMES = 2_000
FEW = 5  # names; people may well be as many


def holds_many(folder: str) -> bool:
    """Decide by its name whether a folder holds many people: ``images``, ``cam_a``, ``video 2``."""
    return _NO_PERSON.fullmatch(folder) is not None


def check_person_folder(folder: Path, splits: Mapping[str, Sequence[str]]) -> None:
    """Check that a folder may be a person's by its name: no split's, none that holds many people.

    Raises:
        ReidaugError: It is none.
    """
    name = unicodedata.normalize("NFC", folder.name)
    if holds_many(name) or any(name.lower() in names for names in splits.values()):
        raise ReidaugError(
            f"{printable(folder.parent)}: names give no persons, and folders such as {name} "
            "are none; name the folder whose folders are persons, or give a --pattern"
        )


def pattern_advice(names: Sequence[str]) -> str:
    """Advise how to read unmatched names, with a pattern and what it reads from the first one."""
    pattern = suggest_pattern(names)
    reading = read_name(re.compile(pattern), names[0]) if pattern else None
    if reading is None:
        return f"rename them like 0002_c1s1_000451_03.jpg ({PATTERN}), or give a --pattern"
    return (
        f"rename them like 0002_c1s1_000451_03.jpg, or try --pattern '{pattern}', which reads "
        f"person {reading.person}, camera {reading.camera} from {names[0]}"
    )


def suggest_pattern(names: Sequence[str]) -> str | None:
    """Find a pattern that reads person and camera from names; the first `MOST_NAMES` count.

    Returns:
        The first of `FORMS` that reads every name, finds a plausible number of cameras, leaves no
        differing words before the person (a number after them may be another person's) and, of more
        than `FEW` names, finds several people with several names each, or None.
    """
    names = names[:MOST_NAMES]
    for form in FORMS:
        compiled = re.compile(form)
        found = [ids_in(compiled, name) for name in names]
        if names and all(found):
            people, cameras = ({ids[k] for ids in found if ids} for k in (0, 1))
            if len(people) == len(names) > (1 if form == _NUMBERS else FEW):
                continue  # they count the images
            if len(people) == 1 and len(names) > FEW:
                continue  # a date, or the dataset
            before = {_words_before(compiled, name) for name in names}
            if len(before) == 1 and len(cameras) <= min(MOST_CAMERAS, max(2, len(names) // 2)):
                return form
    return None


def _words_before(pattern: re.Pattern[str], name: str) -> str:
    """Take what stands before the person in a name that matches, without digits."""
    found = pattern.search(name)
    return re.sub(r"\d+", "", name[: found.start("pid")]) if found else ""
