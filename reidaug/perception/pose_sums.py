"""Checksums of estimated poses, in a file beside theirs: what was damaged since is noticed."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from reidaug.checksums import CHANGED, describe, flaw_of, sealed, unsealed
from reidaug.errors import ReidaugError
from reidaug.files import checksum, read_text, write_atomically
from reidaug.runs import notice

SUMS = ".checksums.json"


class PoseSums(NamedTuple):
    """What a finished run of `reidaug pose` wrote."""

    inputs: str  # hash of network and crops
    files: dict[str, str]  # checksum of each file by its path from the keypoint file's folder


def sums_file(keypoints: Path) -> Path:
    """Name the file of checksums beside a keypoint file."""
    return keypoints.with_name(f"{keypoints.stem}{SUMS}")


def write_sums(keypoints: Path, inputs: str, files: Iterable[Path]) -> None:
    """Write the checksums of a keypoint file and of further files."""
    found = {name_of(keypoints, path): checksum(path) for path in (keypoints, *files)}
    write_atomically(sums_file(keypoints), sealed(PoseSums(inputs, found)._asdict()), lasting=True)


def read_sums(keypoints: Path) -> PoseSums | None:
    """Read the checksums of a keypoint file; None where there are none, or they are damaged."""
    try:
        return PoseSums(**unsealed(read_text(sums_file(keypoints))))
    except (ReidaugError, ValueError, TypeError, RecursionError):
        return None


def name_of(keypoints: Path, path: Path) -> str:
    """Name a file among the checksums."""
    return os.path.relpath(path.resolve(), keypoints.parent.resolve())


def flaws(keypoints: Path, files: Iterable[Path]) -> dict[Path, str]:
    """List those of some files that are not as they were written, and how; see `flaw_of`.

    Files without a checksum are not among them.
    """
    sums = read_sums(keypoints)
    known = {} if sums is None else sums.files
    named = ((path, known.get(name_of(keypoints, path))) for path in files)
    found = {path: flaw_of(path, own) for path, own in named if own is not None}
    return {path: flaw for path, flaw in found.items() if flaw}


def check_poses(keypoints: Path, masks: Path | None) -> None:
    """Check a keypoint file and its masks before another command reads them.

    What was changed, perhaps by hand, is told.

    Raises:
        ReidaugError: A file that `reidaug pose` wrote is missing or empty.
    """
    sums, folder = read_sums(keypoints), keypoints.parent.resolve()
    files = [] if sums is None else [Path(os.path.normpath(folder / name)) for name in sums.files]
    wanted = {keypoints.resolve(), *([] if masks is None else [masks.resolve()])}
    used = [path for path in files if not wanted.isdisjoint((path, *path.parents))]
    found = flaws(keypoints, used)
    changed = {str(path): flaw for path, flaw in found.items() if flaw == CHANGED}
    if changed:
        notice(f"{describe(changed)}: by hand?")
    check_files(keypoints, *(path for path in found if str(path) not in changed))


def check_files(keypoints: Path, *files: Path) -> None:
    """Check that files beside a keypoint file, which another command reads, are as written.

    Raises:
        ReidaugError: One is missing or damaged.
    """
    if found := flaws(keypoints, files):
        text = describe({str(path): flaw for path, flaw in found.items()})
        raise ReidaugError(
            f"{text}; run `reidaug pose` again as it was, or remove {sums_file(keypoints)} if the "
            "change is meant"
        )
