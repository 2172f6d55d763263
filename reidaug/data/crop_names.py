"""File names of crops: person, camera, and the source of a warp."""

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from reidaug.errors import UsageError

PATTERN = r"^(-1|\d+)_c(\d+)"
"""Market-1501's names: the person begins the name, -1 is junk; camera ids have any length."""
PATTERN_HELP = (
    "Regular expression that reads person and camera from file names of another form: groups named "
    "pid and camid, or pid alone; where images lie in folders, of FOLDER/NAME too. [default: the "
    "person begins the name, as in 0002_c1s1_000451_03.jpg; where names in folders give nobody, "
    "each folder is a person]"
)
"""What the option ``--pattern`` of every command does."""
JUNK = -1

HASHED = 2**48
"""Ids from here to twice this stand for words and for longer numbers, see `id_of`."""
MOST_DIGITS = 4300  # of a number that Python reads

_JUNK = (f"{JUNK}_", f"{JUNK}/")  # a name, or a folder and a name
_WARPED = re.compile(r"(.+)_w(\d{2,18})\.jpg")
_FRAME = re.compile(r"_c\d+s(\d{1,18})_(\d{1,18})(?!\d)")


class Frame(NamedTuple):
    """When a crop was taken, as Market-1501's names tell."""

    sequence: int  # video sequence of the camera
    number: int  # frame of the sequence


class Reading(NamedTuple):
    """What a pattern reads from the name of a crop."""

    person: str  # the person as written; ``-1``: junk
    camera: str  # the camera as written

    @property
    def ids(self) -> tuple[int, int]:
        """Person and camera as numbers, see `id_of`."""
        return JUNK if self.person == str(JUNK) else id_of(self.person), id_of(self.camera)

    @property
    def words(self) -> tuple[str, str]:
        """Person and camera as written where these are other than their numbers, else empty."""
        person, camera = (
            "" if text in (str(JUNK), str(number)) or text.lstrip("0") == str(number) else text
            for text, number in zip(self, self.ids, strict=True)
        )
        return person if self.ids[0] else "", camera if self.ids[1] else ""


def spelled(name: str) -> str:
    """Spell a name as most systems do, in NFC; macOS may write ``é`` as two letters, in NFD."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def market_name(pid: int, camid: int, sequence: int, frame: int, detection: int) -> str:
    """Name a crop as Market-1501 does, such as ``0002_c1s1_000451_03.jpg``; pid -1 is junk.

    Camera and sequence are counted from 1; the last numbers are the frame and its detection.
    """
    person = str(pid) if pid < 0 else f"{pid:04d}"
    return f"{person}_c{camid}s{sequence}_{frame:06d}_{detection:02d}.jpg"


def frame_of(name: str) -> Frame | None:
    """Read sequence and frame from a name like Market-1501's; None for other names."""
    found = _FRAME.search(name)
    return Frame(int(found[1]), int(found[2])) if found else None


def warp_name(name: str, pose: int) -> str:
    """Name a warp of an image, such as ``0002_c1s1_000451_03_w07.jpg`` for target pose 7.

    Every toolkit still reads person and camera from it. A folder before the name stays.
    """
    return f"{name.removesuffix(Path(name).suffix)}_w{pose:02d}.jpg"


def warp_source(name: str) -> tuple[str, int] | None:
    """Read source image and index of the target pose from a warp's name; None for other names."""
    found = _WARPED.fullmatch(name)
    return (f"{found[1]}.jpg", int(found[2])) if found else None


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a regular expression that reads person and camera from file names.

    It has groups named ``pid`` and ``camid``, ``pid`` alone, or two groups in this order.

    Raises:
        UsageError: It is no regular expression, or has other groups.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"pattern {pattern!r}: {error}") from None
    if "pid" not in compiled.groupindex and (compiled.groupindex or compiled.groups != 2):
        raise UsageError(
            f"pattern {pattern!r}: name its groups (?P<pid>...) and (?P<camid>...), or give two"
        )
    return compiled


def read_name(pattern: re.Pattern[str], name: str) -> Reading | None:
    """Read person and camera from a file name; without a group ``camid`` the camera is 1.

    A dash is part of the person only in a name that begins with ``-1_``, or a folder ``-1``, which
    is junk: that of ``id-1`` is none. The result is None where the name does not match, an id is
    neither number nor word, or the person's number begins the name and is negative.
    """
    name = spelled(name)
    found = pattern.search(name)
    if found is None:
        return None
    person = "pid" if pattern.groupindex else 1
    pid = found[person]
    if pattern.groupindex:
        camid = found["camid"] if "camid" in pattern.groupindex else "1"
    else:
        camid = found[2]
    if pid == str(JUNK) and found.start(person) == 0 and name.startswith(_JUNK):
        return Reading(pid, camid) if is_id(camid) else None
    if not is_id(pid) or not is_id(camid) or (found.start(person) == 0 and pid[0] == "-"):
        return None
    return Reading(pid.lstrip("-"), camid.lstrip("-"))


def ids_in(pattern: re.Pattern[str], name: str) -> tuple[int, int] | None:
    """Read person and camera from a file name as numbers; None where `read_name` gives nothing."""
    reading = read_name(pattern, name)
    return reading.ids if reading else None


def id_of(text: str) -> int:
    """Number a person or camera as written in a name or by a folder, the same in every dataset.

    A number below twice `HASHED` stays. A word, or a number too long for the 64 bits of arrays and
    other toolkits, becomes one from `HASHED` on that depends on nothing else.
    """
    if text.isdecimal() and len(text) <= MOST_DIGITS:
        value = int(text)
        if value < 2 * HASHED:
            return value
        text = str(value)
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
    return HASHED + int.from_bytes(digest[:6])


def is_id(text: str | None) -> bool:
    """Decide whether a text can name a person or camera: it has a letter or digit."""
    return text is not None and any(character.isalnum() for character in text)
