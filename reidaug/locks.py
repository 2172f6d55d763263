"""Locks: one run at a time in a folder; the lock of a run that was killed holds nobody up."""

import errno
import json
import os
import socket
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from reidaug.errors import ReidaugError

try:
    import fcntl
except ImportError:  # systems without it have no locks
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
"""Name of the lock in a run folder; a killed run leaves it, the next one takes it over."""
PATIENCE = 3.0
"""Seconds to wait for another run: the workers of a killed one end within them."""

_OPEN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_NOT_THIS_FILE = (errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR)
_kept: list["Lock"] | None = None
_held: weakref.WeakValueDictionary[Path, "Lock"] = weakref.WeakValueDictionary()


class Lock:
    """A lock of this process on a file, which is removed with it; use `lock` to get one.

    The system gives it up when the process ends, however that ends.
    """

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self.path = path
        self._finalizer = weakref.finalize(self, _release, path, descriptor, os.getpid())

    def release(self) -> None:
        """Give the lock up, and remove its file."""
        self._finalizer()
        _held.pop(self.path, None)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def lock(path: Path, *, of: Path) -> Lock:
    """Lock a file, or share the lock that this process has on it.

    Where the system or the file system has no locks, or the folder cannot be written to, nothing
    is locked.

    Args:
        path: The lock's file; its folder must exist.
        of: What it locks, for the error.

    Returns:
        The lock; it is given up when it is released or no longer referred to.

    Raises:
        ReidaugError: Another process has the lock; the line names it.
    """
    path = path.parent.resolve() / path.name
    if (held := _held.get(path)) is not None:
        return held
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            descriptor = _try(path)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ReidaugError(
                    f"{of}: another run is at work on it ({_holder(path)}); wait for it or end "
                    "it, or name another place with --out"
                ) from None
            time.sleep(0.05)
            continue
        taken = Lock(path, descriptor)
        _held[path] = taken
        if _kept is not None:
            _kept.append(taken)
        return taken


def look(path: Path, *, of: Path) -> None:
    """See whether a file can be locked, without keeping the lock; for the rest see `lock`."""
    mine = path.parent.resolve() / path.name in _held
    taken = lock(path, of=of)
    if not mine:
        taken.release()


@contextmanager
def locks_of_a_command() -> Iterator[None]:
    """Keep the locks that this process takes in the block until its end, and give all up then.

    A signal that comes while what refers to a lock is disposed of would be lost: Python prints such
    exceptions and goes on. An error may still refer to the run that it ended.
    """
    global _kept  # noqa: PLW0603 - whoever takes a lock knows nothing of the command
    before, _kept = _kept, []
    try:
        yield
    finally:
        _kept = before
        for held in list(_held.values()):
            held.release()


def _try(path: Path) -> int | None:
    """Lock a file now; None where there are no locks, `BlockingIOError` where another has it."""
    if fcntl is None:
        return None
    while True:
        if (descriptor := _open(path)) is None:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise
            return None
        if _is(path, descriptor):
            break
        os.close(descriptor)  # the file of a run that just ended
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{json.dumps(holder)}\n".encode(), 0)
    except OSError:  # a full disk: the lock holds without the name
        pass
    return descriptor


def _open(path: Path) -> int | None:
    """Open the file of a lock; None where nothing can be written to its folder.

    What cannot be written is not changed; whoever tries, says why. In a folder that several users
    write to, the file may be that of another one: it can be locked where it can be read.

    Raises:
        ReidaugError: The folder can be written to, and its lock cannot be opened.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | _OPEN, 0o644)
    except OSError as error:
        if error.errno not in _NOT_THIS_FILE or not os.access(path.parent, os.W_OK | os.X_OK):
            return None
    try:
        return os.open(path, os.O_RDONLY | _OPEN)
    except FileNotFoundError:
        return _open(path)  # its run has just ended
    except OSError as error:
        raise ReidaugError(
            f"{path}: cannot be opened ({error.strerror}), and so nobody knows whether another run "
            "is at work here; remove it if none is"
        ) from None


def _is(path: Path, descriptor: int) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    """Name the process that has a lock."""
    try:
        holder: Any = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"its lock is {path}"


def _release(path: Path, descriptor: int | None, owner: int) -> None:
    """Give up a lock, unless this is a copy of the process that has it."""
    if descriptor is None or os.getpid() != owner:
        return
    try:
        if _is(path, descriptor):
            path.unlink()
    except OSError:  # nobody is held up by the file
        pass
    finally:
        os.close(descriptor)
