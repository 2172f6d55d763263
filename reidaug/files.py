"""Files: atomic writing, checksums, text, the cache folder, summaries of entries left out."""

import hashlib
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from tempfile import TemporaryFile

from reidaug.errors import ReidaugError, UsageError
from reidaug.verbosity import reading

LONGEST_NAME = 255
"""Bytes of the longest file name of usual file systems."""
DIGITS = 16
"""Length of a checksum: 64 bits, against damage and not against malice."""
MOST_TEXT = 2**30
"""Bytes of the largest text file that is read: joints of some million images."""
_PARTIAL = re.compile(r"\..*\.(\d+)\.part", re.DOTALL)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


_collected: ContextVar[dict[Path, str] | None] = ContextVar("collected", default=None)


def checksum(path: Path) -> str:
    """Compute the checksum of a file: 16 hexadecimal digits of its SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def checksum_of(content: bytes) -> str:
    """Compute the `checksum` of a file with some content."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


@contextmanager
def collected_checksums() -> Iterator[dict[Path, str]]:
    """Collect the checksums of all files that this thread writes in the block, by their paths."""
    sums: dict[Path, str] = {}
    token = _collected.set(sums)
    try:
        yield sums
    finally:
        _collected.reset(token)


def write_atomically(path: Path, content: bytes, *, lasting: bool = False) -> None:
    """Write a file completely or not at all; arguments as of `atomic_write`."""
    with atomic_write(path, lasting=lasting) as partial:
        partial.write_bytes(content)


def write_result(path: Path, content: bytes) -> None:
    """Write a file among the user's completely, and remove what killed commands left of it.

    Nothing locks such a place: temporary files of processes at work on this machine stay.
    """
    for partial in path.parent.glob(".*.part"):
        if is_partial(partial.name, of=[path.name]) and not _is_at_work(partial):
            partial.unlink(missing_ok=True)
    write_atomically(path, content)


def _is_at_work(partial: Path) -> bool:
    """Whether the process that a temporary file is of, by its number, may be at work."""
    found = _PARTIAL.fullmatch(partial.name)
    try:
        os.kill(int(found[1]) if found else 0, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def atomic_write(path: Path, *, lasting: bool = False) -> Iterator[Path]:
    """Write a file completely or not at all; its folder must exist.

    A file of the same content stays as it is, with its times.

    Args:
        path: The file.
        lasting: Whether it is on the disk before it takes its name, also if power fails: for what
            says that work is done. Thousands of images would take minutes.

    Yields:
        A temporary path in its folder, renamed afterwards, or removed after an error.
    """
    partial = path.with_name(_partial_name(path.name, os.getpid()))
    try:
        with named_error(path, partial):
            yield partial
            if (sums := _collected.get()) is not None:
                sums[path] = checksum(partial)
            if _same_content(path, partial):
                return
            if lasting:
                _sync(partial)
            partial.replace(path)
            if lasting:
                with suppress(OSError):  # not every system opens folders
                    _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _same_content(path: Path, other: Path) -> bool:
    """Whether a path is a regular file, and no link, of the content of another."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != other.stat().st_size:
            return False
        with path.open("rb") as mine, other.open("rb") as theirs:
            while part := mine.read(1 << 20):
                if part != theirs.read(1 << 20):
                    return False
    except OSError:
        return False
    return True


@contextmanager
def named_error(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Let errors of writing name the file: those on open files, on a full disk for one, do not.

    Args:
        path: The file.
        partial: A temporary path that it is written to, which nobody knows.

    Raises:
        OSError: One in the block that names no file, or the temporary one, with the file's name.
    """
    try:
        yield
    except OSError as error:
        own = error.filename is None or (partial is not None and error.filename == str(partial))
        if error.errno is None or not own:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def remove_partials(folder: Path, *, of: Collection[str] | None = None) -> None:
    """Remove the temporary files of `atomic_write` that a killed process left in a folder.

    Args:
        folder: The folder.
        of: Names of the files that were to be written; None: of all, in a folder of our own.
    """
    for partial in folder.glob(".*.part"):
        if is_partial(partial.name, of=of):
            partial.unlink(missing_ok=True)


def is_partial(name: str, *, of: Collection[str] | None = None) -> bool:
    """Whether a name is that of a temporary file of `atomic_write`, for a file of some names."""
    found = _PARTIAL.fullmatch(name)
    return found is not None and (
        of is None or any(_partial_name(own, found[1]) == name for own in of)
    )


def _partial_name(name: str, pid: int | str) -> str:
    """Name the temporary file of a process for a file."""
    own = f".{pid}.part"
    cut = name.encode(errors="surrogateescape")[: LONGEST_NAME - 1 - len(own)]
    return f".{cut.decode(errors='ignore')}{own}"


def check_writable(path: Path, *, what: str = "file") -> None:
    """Check before the work that a file of a name may be written, in a folder that is there.

    Nothing is written: an earlier file stays as it is.

    Raises:
        UsageError: There is no such folder, it is not writable, or the path is a folder itself.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"{what} {path}: name a file in a folder that is there")
    try:
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        why = error.strerror or "not writable"
        raise UsageError(f"{what} {path}: no file can be written here ({why})") from None


def check_regular(path: Path, *, what: str = "file") -> int:
    """Check that a path leads to a regular file; opening a pipe or a device may last for ever.

    Args:
        path: The path; links are followed.
        what: What the file should be, for the error.

    Returns:
        Its size in bytes.

    Raises:
        ReidaugError: There is no such file, it cannot be reached, or it is none.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ReidaugError(f"{path}: no such {what}") from None
    except OSError as error:
        raise ReidaugError(f"{path}: {error.strerror or error}") from None
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise ReidaugError(f"{path}: is {kind}; only regular files are read")
    reading(path)
    return status.st_size


def check_tensor_file(path: Path, *, what: str) -> None:
    """Check that a path leads to a file of torch's that does not unpack to more than it is.

    ``torch.save`` packs nothing, but ``torch.load`` unpacks, a thousandfold.

    Args:
        path: The file.
        what: What it should be, for the error.

    Raises:
        ReidaugError: As of `check_regular`, or it is packed.
    """
    size, unpacked = check_regular(path, what=what), 0
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # older files are no archives; what is damaged, its reader says
    if unpacked > 2 * size + 2**20:
        raise ReidaugError(
            f"{path}: not read, for its {size:,} bytes unpack to {unpacked:,}; torch.save packs "
            "nothing: save it again"
        )


def is_intact(path: Path) -> bool:
    """Whether all that a file of ``torch.save`` holds is as it was written.

    Its parts have checksums, which ``torch.load`` does not ask.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError):
        return False


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, with or without a byte order mark.

    Raises:
        ReidaugError: The file is missing, unreadable, no regular file, larger than `MOST_TEXT`, or
            no UTF-8 text.
    """
    if check_regular(path) > MOST_TEXT:
        raise ReidaugError(f"{path}: not read, for it is larger than {MOST_TEXT >> 20:,} MiB")
    try:
        with path.open("rb") as file:
            if b"\0" in file.read(4096):
                raise ReidaugError(f"{path}: no UTF-8 text; is it really the file you mean?")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ReidaugError(f"{path}: no UTF-8 text; is it really the file you mean?") from None
    except OSError as error:
        raise ReidaugError(f"{path}: {error.strerror or error}") from None


def cache_folder() -> Path:
    """Return ``$REIDAUG_CACHE``, or ``reidaug`` in ``$XDG_CACHE_HOME`` or in ``~/.cache``.

    Raises:
        ReidaugError: There is no home folder, or none of the user that ``$REIDAUG_CACHE`` names.
    """
    folder = os.environ.get("REIDAUG_CACHE")
    try:
        if folder:
            return Path(folder).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reidaug"
    except RuntimeError:
        whose = f" of {Path(folder).parts[0]}" if folder else ""
        raise ReidaugError(
            f"there is no home folder{whose}: name a folder for weights in REIDAUG_CACHE"
        ) from None


def summarise_left_out(lines: Sequence[str], total: int, *, what: str = "rows") -> str:
    """Summarise entries left out by a reader, with the first three reasons.

    Args:
        lines: One reason for each entry left out.
        total: Number of all entries.
        what: Noun for the entries, in the plural.

    Returns:
        A heading and up to four more lines; the empty string when nothing was left out.
    """
    if not lines:
        return ""
    shown = [f"{len(lines):,} of {total:,} {what} left out:", *(f"  {line}" for line in lines[:3])]
    if len(lines) > 3:
        shown.append(f"  ... and {len(lines) - 3:,} more")
    return "\n".join(shown)


def same_but_for_case(names: Iterable[str]) -> str:
    """Name two names that are one where a disk takes capitals for small letters; else nothing.

    macOS does by default, and takes letters with marks alike, however they are written.
    """
    known: dict[str, str] = {}
    for name in names:
        plain = unicodedata.normalize("NFC", name.casefold())
        if plain in known:
            return f"{known[plain]!r} and {name!r}"
        known[plain] = name
    return ""
