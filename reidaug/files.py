"""Files: read with a clear complaint, written whole or not at all, kept in a cache, left out."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reidaug.errors import ReidaugError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all.

    Args:
        path: The file; its folder must exist.
        content: What to write.
    """
    with whole(path) as partial:
        partial.write_bytes(content)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give the name under which a file is written until it is whole.

    Args:
        path: The file; its folder must exist.

    Yields:
        A file beside it, which takes its name afterwards, or is removed after an error.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partials(folder: Path, *, of: str = "") -> None:
    """Remove what a killed process left half written.

    Args:
        folder: The folder.
        of: How the names of the files begin whose halves are removed; by default all.
    """
    for partial in folder.glob(".*.part"):
        if partial.name.startswith(f".{of}"):
            partial.unlink(missing_ok=True)


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, with or without a byte order mark.

    Args:
        path: The file.

    Returns:
        Its text.

    Raises:
        ReidaugError: It is missing, unreadable or no UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ReidaugError(f"{path}: no UTF-8 text; is it really the file you mean?") from None
    except OSError as error:
        raise ReidaugError(f"{path}: {error.strerror or error}") from None


def cache_folder() -> Path:
    """Name the folder of what is fetched or built once for a user.

    Returns:
        ``$REIDAUG_CACHE``; without it ``reidaug`` in ``$XDG_CACHE_HOME`` or in ``~/.cache``.
    """
    named = os.environ.get("REIDAUG_CACHE")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reidaug"


def summarise_left_out(lines: Sequence[str], total: int, *, what: str = "rows") -> str:
    """Say how much was left out, and show the first three reasons.

    Args:
        lines: One reason each, as the readers give them.
        total: How many there were, left out or not.
        what: What was read, in the plural.

    Returns:
        A heading and up to four more lines; the empty string when nothing was left out.
    """
    if not lines:
        return ""
    shown = [f"{len(lines):,} of {total:,} {what} left out:", *(f"  {line}" for line in lines[:3])]
    if len(lines) > 3:
        shown.append(f"  ... and {len(lines) - 3:,} more")
    return "\n".join(shown)
