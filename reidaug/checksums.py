"""Checksums of runs: files that were damaged or removed since they were written are noticed.

A run folder keeps the checksums of its files in ``checksums.json``; records and that file itself
are JSON with a checksum of their own.
"""

import json
import math
from collections.abc import Collection, Mapping, Set
from pathlib import Path
from typing import Any

from reidaug.errors import ReidaugError
from reidaug.files import check_regular, checksum, checksum_of, read_text, write_atomically

SUMS = "checksums.json"
RECIPE, REPORT = "recipe.yaml", "report.json"
TABLES = (".csv", ".parquet")
CHANGED, DAMAGED = "not as it was written", "damaged"
_SUM, _VALUE = "sha256", "value"


def sealed(value: Any) -> bytes:
    """Write a JSON value with its checksum; `ValueError` for numbers that are not finite."""
    text = _text(value)
    return f'{{"{_SUM}":"{checksum_of(text.encode())}","{_VALUE}":{text}}}'.encode()


def unsealed(text: str) -> Any:
    """Read a JSON value of `sealed`, or one that an older version wrote, without a checksum.

    Raises:
        ValueError: It is damaged.
    """
    read = json.loads(text)
    if not isinstance(read, dict) or not read.keys() & {_SUM, _VALUE}:
        return read
    value = read.get(_VALUE)
    if read.keys() != {_SUM, _VALUE} or checksum_of(_text(value).encode()) != read[_SUM]:
        raise ValueError(CHANGED)
    return value


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def finite_or_null(value: Any) -> Any:
    """Replace numbers that JSON cannot hold, NaN and infinity, by None in JSON values."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite_or_null(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_null(inner) for inner in value]
    return value


class Checksums:
    """Checksums of the files of a folder, or of those beside a file.

    Args:
        path: The file that holds them; names of files are relative to its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, str] | None:
        """Read the checksums by file name; None where there are none, or they are damaged."""
        try:
            sums = unsealed(read_text(self.path))
        except (ReidaugError, ValueError, RecursionError):
            return None
        return sums if isinstance(sums, dict) else None

    @property
    def damaged(self) -> bool:
        """Whether there is a file of checksums, and it cannot be read."""
        return self.path.exists() and self.read() is None

    def write(self, sums: Mapping[str, str]) -> None:
        """Write the checksums of files by their names."""
        write_atomically(self.path, sealed(dict(sums)), lasting=True)

    def changed(self, only: Collection[str] | None = None) -> dict[str, str]:
        """List the files that are not as they were written, and how: ``missing``, for one.

        Damaged checksums are the one file named then: of the others nothing is known. ``only`` are
        names of files that are looked at; None: all.
        """
        kept = self.read()
        if kept is None:
            return {self.path.name: DAMAGED} if self.path.exists() else {}
        sums = {name: own for name, own in kept.items() if only is None or name in only}
        found = {name: flaw_of(self.path.parent / name, own) for name, own in sums.items()}
        return {name: flaw for name, flaw in found.items() if flaw}


def flaw_of(path: Path, own: str) -> str:
    """Compare a file with its checksum; say what is wrong with it, nothing where all is well."""
    try:
        if not path.exists():
            return "missing"
        size = check_regular(path)
        if checksum(path) == own:
            return ""
        return CHANGED if size else "empty"
    except (ReidaugError, OSError, ValueError):
        return "not readable"


def is_one_of(file: Path, sums: Set[str]) -> bool:
    """Whether a file is there with one of some checksums; an empty one stands for any file."""
    return any(not own or not flaw_of(file, own) for own in sums)


def describe(changed: Mapping[str, str]) -> str:
    """Say which files are not as they were written."""
    (name, flaw), more = next(iter(changed.items())), len(changed) - 1
    return f"{name} is {flaw}" + (f", and {more:,} more like it" if more else "")


def check_file(path: Path) -> None:
    """Check a file that another command reads, such as weights, if it is of a run of ours.

    Args:
        path: The file, in the run folder or in a folder of it.

    Raises:
        ReidaugError: It is missing or damaged.
    """
    path = path.absolute()
    for folder in path.parents[:2]:
        sums, name = Checksums(folder / SUMS), path.relative_to(folder).as_posix()
        if flaw := sums.changed({name}).get(name):
            raise ReidaugError(
                f"{path} is {flaw}; make it again by the command that wrote it, or remove "
                f"{sums.path} if the change is meant"
            )


def check_written(folder: Path, *, finished: bool = True, meant: str = "") -> None:
    """Check that the data of a run, which another command reads, are whole and as it wrote them.

    Tables count, its recipe, which tells what the data are, and all that lies in folders of its
    own; sheets and reports are for people. A folder without checksums, of no run of ours, passes.

    Args:
        folder: The run folder.
        finished: Whether the run has to be finished.
        meant: What to do where a change is meant; by default to remove the checksums.

    Raises:
        ReidaugError: The run is not finished, or a file is missing or damaged.
    """
    sums = Checksums(folder / SUMS)
    meant = meant or f"remove {sums.path}"
    known = sums.read() or {}
    if finished and RECIPE in known and not (folder / REPORT).exists():
        raise ReidaugError(
            f"{folder}: its command has not finished it; run it again as it was (with --resume "
            f"where it has that option), which also brings a {REPORT} back that was removed"
        )
    data = {name for name in known if "/" in name or name == RECIPE or name.endswith(TABLES)}
    changed = sums.changed(data)
    if SUMS in changed:
        raise ReidaugError(
            f"{sums.path} is damaged, and what lies beside it cannot be checked; run the command "
            f"that wrote it again, or {meant}"
        )
    if changed:
        raise ReidaugError(
            f"{folder}: {describe(changed)}; make it again by the command that wrote it, or "
            f"{meant} if the change is meant"
        )
