"""Provenance of estimated poses: a table beside a keypoint file, which has no place for it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from reidaug.data.image_folders import POSE_PROVENANCE
from reidaug.data.manifest import read_manifest, write_manifest
from reidaug.errors import ReidaugError
from reidaug.perception.pose_records import PoseRecord
from reidaug.perception.pose_sums import check_files

Found = Literal["first", "second"]
"""Whether the first estimate or a second try found the person of a crop."""
_NOBODY = "none"


def provenance_file(keypoints: Path) -> Path:
    """Name the table beside a keypoint file."""
    return keypoints.parent / f"{keypoints.stem}{POSE_PROVENANCE}"


def write_provenance(keypoints: Path, records: Iterable[PoseRecord]) -> None:
    """Write the table of a keypoint file, one row a crop that could be read.

    Its columns: ``name``; ``pose_from``, which is ``first``, ``second`` or ``none``; ``attempt``,
    see `reidaug.perception.second_tries.PersonSearch`; ``person``, the probability of a person.
    """
    rows = (
        {
            "name": record.name,
            "pose_from": _found(record) or _NOBODY,
            "attempt": record.attempt,
            "person": float(record.person),
        }
        for record in records
    )
    write_manifest(provenance_file(keypoints), rows)


def read_provenance(keypoints: Path) -> dict[str, Found]:
    """Read which estimate each pose of a keypoint file comes from, by file name.

    Crops without a person are not in it. It is empty where there is no table: `reidaug pose` did
    not make the file.

    Raises:
        ReidaugError: The table is damaged, or was removed.
    """
    path = provenance_file(keypoints)
    check_files(keypoints, path)
    if not path.is_file():
        return {}
    known: dict[str, Found] = {kind: kind for kind in get_args(Found)}
    try:
        rows = read_manifest(path, {"name": str, "pose_from": str})
    except ReidaugError as error:
        raise ReidaugError(f"{error}; it is no table of `reidaug pose`: delete it") from None
    return {row["name"]: known[row["pose_from"]] for row in rows if row["pose_from"] in known}


def _found(record: PoseRecord) -> Found | None:
    if not record.found:
        return None
    return "first" if record.attempt == 1 else "second"
