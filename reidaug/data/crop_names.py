"""File names of crops: person, camera, and the source of a warp."""

import re
from pathlib import Path
from typing import NamedTuple

from reidaug.errors import UsageError

PATTERN = r"([-\d]+)_c(\d+)"
JUNK = -1

_WARPED = re.compile(r"(.+)_w(\d{2,})\.jpg")
_FRAME = re.compile(r"_c\d+s(\d+)_(\d+)")


class Frame(NamedTuple):
    """When a crop was taken, as Market-1501's names tell."""

    sequence: int  # video sequence of the camera
    number: int  # frame of the sequence


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

    Every toolkit still reads person and camera from it.
    """
    return f"{Path(name).stem}_w{pose:02d}.jpg"


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
    except re.error as error:
        raise UsageError(f"pattern {pattern!r}: {error}") from None
    if "pid" not in compiled.groupindex and (compiled.groupindex or compiled.groups != 2):
        raise UsageError(
            f"pattern {pattern!r}: name its groups (?P<pid>...) and (?P<camid>...), or give two"
        )
    return compiled


def ids_in(pattern: re.Pattern[str], name: str) -> tuple[int, int] | None:
    """Read person and camera from a file name; without a group ``camid`` the camera is 1.

    The result is None where the name does not match or the ids are no numbers.
    """
    found = pattern.search(name)
    if found is None:
        return None
    if pattern.groupindex:
        named = found.groupdict()
        pid, camid = named["pid"], named.get("camid", "1")
    else:
        pid, camid = found.groups()
    try:
        return int(pid), int(camid)
    except (TypeError, ValueError):
        return None
