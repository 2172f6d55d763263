"""Fingerprints of the files that a run reads: what changed since it began, by content.

A run folder keeps in ``.inputs`` a line for every file that the run read: name, digest of its
content, and its size, times and inode. A file is read again only where one of the latter differs;
only another digest counts as a change.
"""

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from reidaug.errors import ReidaugError
from reidaug.files import remove_partials, write_atomically
from reidaug.machine import cores

FOLDER = ".inputs"
"""Folder of a run that keeps the fingerprints of its inputs."""
ABSENT, UNREADABLE = "absent", "unreadable"
"""Digests of files that are not there, and of those that are none or cannot be read."""
MIXED = "mixed"
"""Digest of a file that changed while a run was made of it."""
UNKNOWN = (
    f"{FOLDER} is missing, as in a copy without hidden files or a run of an earlier version: what "
    "the files were that it was made of cannot be told, and they are taken as they are now"
)
"""What is said of a run that keeps no fingerprints."""
SHOWN = 3  # names in a message
RECENT = 2_000_000_000  # ns: a file changed so shortly before it was read may change unnoticed
AT_ONCE = 1024  # files looked at before the next ones


def digest_of(*parts: object) -> str:
    """Digest plain values, such as names and digests of files, in their order."""
    text = repr(parts).encode(errors="backslashreplace")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


class Stamp(NamedTuple):
    """A file as it was read."""

    name: str  # its path below the folder that all files of its kind are in
    digest: str
    size: int  # bytes
    modified: int  # ns
    changed: int  # ns; of the content, name, owner or mode
    inode: int  # -1: changed so recently that it is to be read again

    def line(self) -> bytes:
        """Write it as a line: numbers, then the name as JSON."""
        numbers = f"{self.digest} {self.size} {self.modified} {self.changed} {self.inode} "
        return f"{numbers}{json.dumps(self.name)}\n".encode()

    @classmethod
    def of(cls, line: bytes) -> "Stamp":
        """Read a `line`; `ValueError` where it is damaged."""
        digest, size, modified, changed, inode, name = line.decode("ascii").split(" ", 5)
        return cls(json.loads(name), digest, int(size), int(modified), int(changed), int(inode))

    def same_file(self, other: "Stamp") -> bool:
        """Whether nothing tells that the file is another one or was written to."""
        return self[2:] == other[2:] and self.inode >= 0


class Changes(NamedTuple):
    """Files of one kind that are not what they were; all empty where nothing changed."""

    changed: tuple[str, ...] = ()  # names of other content
    renamed: tuple[str, ...] = ()  # ``old to new``
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()  # what cannot be told: fingerprints that are damaged

    def __bool__(self) -> bool:
        return any(self)

    def text(self) -> str:
        """Count the files and name the first ones."""
        parts = []
        for kind, names in self._asdict().items():
            if names:
                more = ", ..." if len(names) > SHOWN else ""
                parts.append(f"{len(names):,} {kind} ({', '.join(names[:SHOWN])}{more})")
        return ", ".join(parts)


class Inputs:
    """Fingerprints of the inputs of a run, kind by kind, beside those that its folder keeps.

    Nothing is written before `save`.
    """

    def __init__(self, run: Path) -> None:
        self.folder = run / FOLDER
        self._lines: dict[str, bytes] = {}
        self._changes: dict[str, Changes] = {}

    @property
    def known(self) -> bool:
        """Whether the run folder keeps fingerprints; those of earlier versions do not."""
        return self.folder.is_dir()

    def add(self, what: str, files: Iterable[Path]) -> str:
        """Fingerprint files of one kind; see `each`.

        Returns:
            Digest of their names below their common folder and of their content, in any order.
        """
        digest = hashlib.blake2b(digest_size=16)
        for _, stamp in self._look(what, files):
            digest.update(f"{stamp.name!r}{stamp.digest}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def each(self, what: str, files: Iterable[Path]) -> dict[Path, str]:
        """Fingerprint files of one kind, such as ``training images``; a name of a message.

        Returns:
            Digest of the content of every file; `ABSENT` or `UNREADABLE` where there is none.
        """
        return {path: stamp.digest for path, stamp in self._look(what, files)}

    def note(self, what: str, digests: Mapping[str, str]) -> str:
        """Keep digests of what is no file of its own, such as joints, by name.

        Returns:
            A digest of all.
        """
        stamps = (Stamp(name, digests[name], 0, 0, 0, 0) for name in sorted(digests))
        kept, changes, lines = _Kept(self.file(what)), _Comparison(), list[bytes]()
        for stamp, old in _merged(((stamp.name, stamp) for stamp in stamps), iter(kept)):
            changes.add(old, stamp and stamp[1])
            if stamp is not None:
                lines.append(stamp[1].line())
        self._keep(what, kept, changes, lines)
        return hashlib.blake2b(b"".join(lines), digest_size=16).hexdigest()

    def changes(self, *kinds: str) -> dict[str, Changes]:
        """List what changed, by kind, of some kinds or of all.

        Nothing did in kinds that were not kept.
        """
        return {k: c for k, c in self._changes.items() if c and (not kinds or k in kinds)}

    def text(self, *kinds: str) -> str:
        """Say in a line what `changes`; empty where nothing did."""
        return "; ".join(f"{what}: {c.text()}" for what, c in self.changes(*kinds).items())

    def since(self, now: "Inputs", *kinds: str) -> str:
        """Say in a line how files of some kinds, or of all, differ now; empty where none does."""
        lines = []
        for what in kinds or self._lines:
            old, new = ({s.name: s for s in inputs._stamps(what)} for inputs in (self, now))
            changes = _Comparison()
            for name in sorted(old.keys() | new.keys()):
                changes.add(old.get(name), new.get(name))
            if found := changes.found():
                lines.append(f"{what}: {found.text()}")
        return "; ".join(lines)

    def check(self, *kinds: str, advice: str) -> None:
        """Check that nothing of some kinds changed, or of any.

        Raises:
            ReidaugError: A file did: it is named, and the advice is given.
        """
        if line := self.text(*kinds):
            raise ReidaugError(
                f"{self.folder.parent} was made from other files: {line}; {advice}, put them back, "
                f"or remove {self.folder} to go on with those that are there"
            )

    def save(self) -> None:
        """Keep the fingerprints in the run folder, which must exist."""
        self.folder.mkdir(exist_ok=True)
        remove_partials(self.folder)
        for what, lines in self._lines.items():
            write_atomically(self.file(what), lines, lasting=True)

    def save_mixed(self) -> None:
        """Keep that files which changed meanwhile are none of those that a run was made of.

        They count as changed from now on. Those that cannot be read do not: no work was made of it.
        """
        for what in filter(self.replaced, self._changes):
            lines, mixed = [], self.replaced(what)
            for stamp in _Kept(self.file(what)):
                new = stamp._replace(digest=MIXED, inode=-1) if stamp.name in mixed else stamp
                lines.append(new.line())
            content = b"".join((f"{len(lines)}\n".encode(), *lines))
            write_atomically(self.file(what), content, lasting=True)

    def replaced(self, what: str) -> set[str]:
        """Name the files of one kind that changed and can be read."""
        now = {s.name for s in self._stamps(what) if s.digest not in (ABSENT, UNREADABLE)}
        return now.intersection(self._changes[what].changed)

    def _stamps(self, what: str) -> list[Stamp]:
        return [Stamp.of(line) for line in self._lines[what].splitlines()[1:]]

    def file(self, what: str) -> Path:
        """Name the file that keeps the fingerprints of a kind."""
        return self.folder / f"{what.replace(' ', '_')}.txt"

    def _look(self, what: str, files: Iterable[Path]) -> Iterator[tuple[Path, Stamp]]:
        """Stamp files in the order of their names; note what changed, and the lines to keep."""
        kept, changes, lines = _Kept(self.file(what)), _Comparison(), list[bytes]()
        pairs = _merged(_named(files), iter(kept))
        with ThreadPoolExecutor(cores()) as readers:
            while some := list(islice(pairs, AT_ONCE)):
                stamps = [_stamp(*file, old) if file else None for file, old in some]
                unread = [k for k, stamp in enumerate(stamps) if stamp and not stamp.digest]
                paths = [file[1] for k in unread if (file := some[k][0])]
                for k, digest in zip(unread, readers.map(content_digest, paths), strict=True):
                    if found := stamps[k]:
                        stamps[k] = found._replace(digest=digest)
                for (file, old), stamp in zip(some, stamps, strict=True):
                    changes.add(old, stamp)
                    if file is not None and stamp is not None:
                        lines.append(stamp.line())
                        yield file[1], stamp
        self._keep(what, kept, changes, lines)

    def _keep(self, what: str, kept: "_Kept", changes: "_Comparison", lines: list[bytes]) -> None:
        self._lines[what] = b"".join((f"{len(lines)}\n".encode(), *lines))
        damaged = (f"{kept.file.name} is damaged",) if kept.file.exists() else ()
        self._changes[what] = changes.found() if kept.whole else Changes(unknown=damaged)


def kept_digests(run: Path, what: str) -> dict[str, str] | None:
    """Read the digests that a run keeps of files of one kind, by name; see `Inputs`.

    None where it keeps none, or they are damaged.
    """
    kept = _Kept(Inputs(run).file(what))
    digests = {stamp.name: stamp.digest for stamp in kept}
    return digests if kept.whole else None


class _Kept:
    """The stamps that a run keeps of one kind, in the order of their names."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.whole = False  # whether all of them could be read; told after the last one

    def __iter__(self) -> Iterator[Stamp]:
        try:
            with self.file.open("rb") as lines:
                count = int(next(lines, b"-1"))
                for line in lines:
                    yield Stamp.of(line)
                    count -= 1
                self.whole = not count
        except (OSError, ValueError, TypeError):
            return  # what is not known is read again


class _Comparison:
    """Collects how files differ from those that a run keeps."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.new: dict[str, str] = {}  # names to digests
        self.gone: dict[str, str] = {}

    def add(self, old: Stamp | None, new: Stamp | None) -> None:
        """Compare what a run keeps with what there is; None where there is nothing."""
        if old is None and new is not None:
            self.new[new.name] = new.digest
        elif old is not None and new is None:
            self.gone[old.name] = old.digest
        elif old is not None and new is not None and old.digest != new.digest:
            self.changed.append(new.name)

    def found(self) -> Changes:
        """List the changes; a file gone whose content has a new name was renamed."""
        names = {digest: name for name, digest in reversed(self.new.items()) if digest}
        renamed = {old: names.pop(d) for old, d in self.gone.items() if d in names}
        to = set(renamed.values())
        return Changes(
            tuple(self.changed),
            tuple(f"{old} to {new}" for old, new in renamed.items()),
            tuple(name for name in self.new if name not in to),
            tuple(name for name in self.gone if name not in renamed),
        )


T = TypeVar("T")


def _named(files: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Name files below the folder that they have in common; each once, in the order of names."""
    paths = sorted({os.fspath(file): file for file in files}.items())
    folders = {os.path.dirname(path) for path, _ in paths}  # noqa: PTH120 - half a million paths
    alike = len({folder.startswith(os.sep) for folder in folders}) == 1 and "" not in folders
    common = os.path.commonpath(folders) if alike else ""
    start = len(common.rstrip(os.sep)) + 1 if common else 0
    for path, file in paths:
        yield path[start:], file


def _merged(
    new: Iterator[tuple[str, T]], old: Iterator[Stamp]
) -> Iterator[tuple[tuple[str, T] | None, Stamp | None]]:
    """Pair what has a name with stamps of the same name; both come in the order of names."""
    file, stamp = next(new, None), next(old, None)
    while file is not None or stamp is not None:
        if stamp is None or (file is not None and file[0] < stamp.name):
            yield file, None
            file = next(new, None)
        elif file is None or stamp.name < file[0]:
            yield None, stamp
            stamp = next(old, None)
        else:
            yield file, stamp
            file, stamp = next(new, None), next(old, None)


def _stamp(name: str, file: Path, old: Stamp | None) -> Stamp:
    """Stamp a file, with the digest of the same file as it was; empty where it must be read."""
    before = time.time_ns()
    try:
        status = os.stat(file)  # noqa: PTH116 - half a million files
    except OSError:
        return Stamp(name, ABSENT, 0, 0, 0, 0)
    size, inode = status.st_size, status.st_ino
    stamp = Stamp(name, "", size, status.st_mtime_ns, status.st_ctime_ns, inode)
    if old is not None and old.same_file(stamp):
        return old
    if stamp.changed > before - RECENT:
        stamp = stamp._replace(inode=-1)
    return stamp if stat.S_ISREG(status.st_mode) else stamp._replace(digest=UNREADABLE)


def content_digest(file: Path) -> str:
    """Digest the content of a regular file; `UNREADABLE` where it cannot be read."""
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=16))
    except OSError:
        return UNREADABLE
    return found.hexdigest()
