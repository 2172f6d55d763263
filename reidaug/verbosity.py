"""Verbosity of commands: how much they say beside their results, warnings and errors.

An environment variable holds it, so that worker processes know it too.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from pathlib import Path
from typing import Protocol, runtime_checkable

from reidaug.errors import printable_lines

VARIABLE = "REIDAUG_VERBOSITY"
FILES_SHOWN = 3  # of one folder
_read: Counter[Path] = Counter()
_seen: set[Path] = set()
# The process of the command; its workers do not say what they read.
_owner: ContextVar[int] = ContextVar("owner", default=0)


class Verbosity(Enum):
    """How much a command says."""

    QUIET = "quiet"  # results, warnings and errors
    NORMAL = "normal"  # also progress
    VERBOSE = "verbose"  # also which files are read, how long it takes, and tracebacks


@contextmanager
def of_a_command() -> Iterator[None]:
    """Say as much as usual until `set_verbosity` is called; afterwards as much as before."""
    before, owner = os.environ.pop(VARIABLE, None), _owner.set(os.getpid())
    _read.clear()
    _seen.clear()
    try:
        yield
    finally:
        _owner.reset(owner)
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before


def set_verbosity(chosen: Verbosity) -> None:
    """Choose how much this process and those that it starts from now on say."""
    os.environ[VARIABLE] = chosen.value


def verbosity() -> Verbosity:
    """Return how much this process says."""
    value = os.environ.get(VARIABLE, Verbosity.NORMAL.value)
    return next((known for known in Verbosity if known.value == value), Verbosity.NORMAL)


def is_quiet() -> bool:
    """Whether progress is not to be shown."""
    return verbosity() is Verbosity.QUIET


def is_verbose() -> bool:
    """Whether details are to be shown."""
    return verbosity() is Verbosity.VERBOSE


def detail(line: str) -> None:
    """Print a line that --verbose alone shows to standard error."""
    if is_verbose():
        _print(line)


def progress_line(line: str, *, beside: bool = True) -> None:
    """Print a line about the work, unless --quiet hides it: beside the result, or with it."""
    if not is_quiet():
        _print(line, beside=beside)


def reading(path: Path) -> None:
    """Tell with --verbose that a file is read; of a folder the first few, and that there are more.

    Worker processes tell nothing: the files are known to the process that shares the work.
    """
    if not is_verbose() or os.getpid() != _owner.get() or path in _seen:
        return
    _seen.add(path)
    folder = path.parent
    _read[folder] += 1
    if _read[folder] <= FILES_SHOWN:
        _print(f"reading {path}")
    elif _read[folder] == FILES_SHOWN + 1:
        _print(f"reading more files of {folder}")


@runtime_checkable
class Advance(Protocol):
    """A function that is told how many items were just done, or had been done before."""

    def __call__(self, done: int, /, *, before: bool = False) -> None:
        """Count items; those that an earlier run had done say nothing about the rate."""


def rate_of(fresh: int, seconds: float, unit: str) -> str:
    """Say how many items a second were done; nothing where all had been done before."""
    return f"{fresh / max(seconds, 1e-9):.1f} {unit}/s" if fresh else ""


def in_lines(total: int, what: str, unit: str, *, every: float) -> Advance:
    """Make a function that is told how many items were just done, and prints a line now and then.

    The rate is that of the items done now, without those of an earlier run.

    Args:
        total: Number of items.
        what: The work, in a word or two.
        unit: Name of an item.
        every: Seconds between lines; the last one comes at once.
    """
    started = shown = time.monotonic()
    count = fresh = 0

    def advance(done: int, /, *, before: bool = False) -> None:
        nonlocal count, fresh, shown
        count += done
        fresh += 0 if before else done
        now = time.monotonic()
        if (count >= total or now - shown >= every) and (done or count < total):
            shown = now
            left = (total - count) * (now - started) / max(fresh, 1)
            rate = rate_of(fresh, now - started, unit)
            told = f"{rate}, {left:.0f} s left" if rate else "done before"
            progress_line(f"{what}: {count}/{total} ({told})")

    return advance


def _print(line: str, *, beside: bool = True) -> None:
    stream = sys.stderr if beside else sys.stdout
    stream.write(f"{printable_lines(line)}\n")
    stream.flush()
