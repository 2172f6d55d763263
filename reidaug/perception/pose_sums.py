"""Checksums of estimated poses, in a file beside theirs: damage and other crops are noticed."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.checksums import CHANGED, describe, flaw_of, sealed, unsealed
from reidaug.data.pose_matching import match_images
from reidaug.errors import ReidaugError
from reidaug.files import checksum, read_text, write_atomically
from reidaug.fingerprint import Changes, Inputs
from reidaug.runs import notice

SUMS = ".checksums.json"
CROPS = "crops"
"""Kind of the fingerprints of crops."""


class PoseSums(NamedTuple):
    """What a finished run of `reidaug pose` wrote."""

    inputs: str  # digest of network and crops
    files: dict[str, str]  # checksum of each file by its path from the keypoint file's folder
    # Digest of the content of each crop by its name in the keypoint file; None in those of older
    # versions.
    crops: dict[str, str] | None = None


def sums_file(keypoints: Path) -> Path:
    """Name the file of checksums beside a keypoint file."""
    return keypoints.parent / f"{keypoints.stem}{SUMS}"  # a folder may have no name


def records_folder(keypoints: Path) -> Path:
    """Name the folder of records of a run of `reidaug pose` that is not finished."""
    return keypoints.parent / f".{keypoints.name}.records"


def estimates_folder(keypoints: Path) -> Path:
    """Name the folder that keeps the records of a finished run, and fingerprints of its crops."""
    return keypoints.parent / f".{keypoints.name}.estimates"


def write_sums(
    keypoints: Path, inputs: str, files: Iterable[Path], crops: Mapping[str, str]
) -> None:
    """Write the checksums of a keypoint file and of further files, and the digests of its crops."""
    found = {name_of(keypoints, path): checksum(path) for path in (keypoints, *files)}
    sums = PoseSums(inputs, found, dict(crops))
    write_atomically(sums_file(keypoints), sealed(sums._asdict()), lasting=True)


def renew_sums(keypoints: Path, files: Iterable[Path]) -> None:
    """Write the checksums of some of the files anew that have one already."""
    if (sums := read_sums(keypoints)) is not None:
        found = {name_of(keypoints, path): checksum(path) for path in files}
        sums = sums._replace(files=sums.files | found)
        write_atomically(sums_file(keypoints), sealed(sums._asdict()), lasting=True)


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
        ReidaugError: `reidaug pose` did not finish them, or a file that it wrote is missing or
            empty.
    """
    check_finished(keypoints)
    sums, folder = read_sums(keypoints), keypoints.parent.resolve()
    files = [] if sums is None else [Path(os.path.normpath(folder / name)) for name in sums.files]
    wanted = {keypoints.resolve(), *([] if masks is None else [masks.resolve()])}
    used = [path for path in files if not wanted.isdisjoint((path, *path.parents))]
    found = flaws(keypoints, used)
    changed = {str(path): flaw for path, flaw in found.items() if flaw == CHANGED}
    if changed:
        notice(f"{describe(changed)}: by hand?")
    check_files(keypoints, *(path for path in found if str(path) not in changed))


def check_finished(keypoints: Path) -> None:
    """Check that no command is half done with a keypoint file, there already or not.

    Raises:
        ReidaugError: One is.
    """
    if records_folder(keypoints).is_dir():
        raise ReidaugError(
            f"{keypoints}: the command that estimates these poses and masks has not finished them; "
            f"run it again as it was, it goes on where it stopped (or remove "
            f"{records_folder(keypoints)} if they are not to be finished)"
        )


def check_crops(keypoints: Path, images: Sequence[Path]) -> None:
    """Check that images are what they were when `reidaug pose` estimated their joints.

    Images that it did not see are told; joints that are not its own are not known to be of others.

    Args:
        keypoints: The keypoint file.
        images: The images that it is read for.

    Raises:
        ReidaugError: One was changed, put back or mended since; the first ones are named.
    """
    if changed := changed_crops(keypoints, images):
        raise ReidaugError(
            f"{keypoints}: crops are not as they were when `reidaug pose` estimated their poses: "
            f"{changed}; run it again as it was, and it estimates these again, or remove "
            f"{sums_file(keypoints)} if their joints are the same"
        )
    sums = read_sums(keypoints)
    known = match_images((sums and sums.crops) or (), images, file=keypoints)
    new = Changes(new=tuple(path.name for path in images if path not in known)).text()
    if new and known:
        notice(
            f"{keypoints}: `reidaug pose` has not seen all crops: {new}; run it again as it was, "
            "and it estimates these too"
        )


def changed_crops(keypoints: Path, images: Sequence[Path]) -> str:
    """Count and name the images that are not what they were when `reidaug pose` read them."""
    sums = read_sums(keypoints)
    if sums is None or sums.crops is None:
        return ""
    names = match_images(sums.crops, images, file=keypoints)
    found = Inputs(estimates_folder(keypoints)).each(CROPS, names)
    changed = (name for path, name in names.items() if sums.crops[name] != found[path])
    return Changes(changed=tuple(changed)).text()


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
