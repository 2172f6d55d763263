"""Commands in processes that are killed, told to end, or lose what they read.

A process that has imported everything forks one for each attempt: imports take longer than these
commands. Attempts are in a session of their own, and a fault comes before the k-th change of a file
below a folder (the same place each time) or after some seconds.
"""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import psutil

from reidaug.interruptions import SIGNALS, end_while_importing
from reidaug.streams import make_usable

PATIENCE = 600.0
"""Seconds that an attempt may take; one that takes longer hangs."""
_CHANGES = frozenset(
    ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Ended(NamedTuple):
    """How an attempt ended."""

    code: int | None  # exit code, minus the number of the signal that ended it, None: it hung
    said: str  # standard error
    seconds: float
    changes: int  # changes of files that it began, in the process of the command itself
    left: int  # processes that were still there ten seconds later


def attempt(
    arguments: Sequence[str],
    folder: Path,
    *,
    place: Path,
    before: tuple[int, Callable[[], object]] | None = None,
    after: tuple[float, Callable[[psutil.Process], object]] | None = None,
    streams: Mapping[int, int] | None = None,
) -> Ended:
    """Run a command in a process of its own.

    Args:
        arguments: Those of ``reidaug``.
        folder: Where it starts, and where ``said`` and ``changes`` are kept.
        place: The folder whose changes are counted.
        before: The number of a change, from 1, and what happens before it, in that process.
        after: Seconds, and what is done then to its process.
        streams: Descriptors in place of its standard output (1) and error (2).
    """
    said, counted = folder / "said", folder / "changes"
    counted.write_text("0")
    started = time.monotonic()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the command has begun
    pid = os.fork()
    if pid == 0:
        _work(arguments, said, place, before, counted, streams or {})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    process, group = psutil.Process(pid), [psutil.Process(pid)]
    if after is not None:
        code = _wait(pid, started + after[0])
        if code is None:
            group += process.children(recursive=True)
            after[1](process)
    else:
        code = None
    code = _wait(pid, started + PATIENCE) if code is None else code
    seconds = time.monotonic() - started
    if code is None:
        group += process.children(recursive=True)
        process.kill()
        os.waitpid(pid, 0)
    left = _still_there(group[1:])
    return Ended(code, said.read_text(), seconds, int(counted.read_text()), left)


def kill_group() -> None:
    """Kill the process, and all of its group, at once."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _work(
    arguments: Sequence[str],
    said: Path,
    place: Path,
    before: tuple[int, Callable[[], object]] | None,
    counted: Path,
    streams: Mapping[int, int],
) -> None:
    """Do an attempt, and end this process."""
    os.setsid()
    os.chdir(said.parent)
    with said.open("wb") as file:
        for number in (1, 2):
            os.dup2(streams.get(number, file.fileno()), number)
    # Workers import the main module of whoever started them.
    main = ModuleType("__main__")
    main.__spec__ = find_spec("reidaug.__main__")
    sys.modules["__main__"] = main
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the trials ignore it, `nohup`
    end_while_importing()  # as `reidaug.__main__` does
    make_usable()
    _watch_changes(place, before, os.open(counted, os.O_WRONLY))
    from reidaug.cli import main as run

    code: Any = 70
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        run(list(arguments))
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        for number in SIGNALS:  # in all threads: it is done
            signal.signal(number, signal.SIG_IGN)
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(code))


def _watch_changes(
    place: Path, before: tuple[int, Callable[[], object]] | None, counted: int
) -> None:
    """Count changes of files below a folder, and let something happen before one of them."""
    number, own, within, busy = 0, os.getpid(), os.fspath(place), False

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal number, busy
        if busy or (event not in _CHANGES and event != "open") or os.getpid() != own:
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITES):
            return
        path = arguments[0]
        if not isinstance(path, str | os.PathLike) or not os.fspath(path).startswith(within):
            return
        number += 1
        os.pwrite(counted, str(number).encode(), 0)
        if before is not None and number == before[0]:
            busy = True
            before[1]()
            busy = False

    sys.addaudithook(watch)


def _wait(pid: int, until: float) -> int | None:
    """Wait for a process until a time; its exit code, None where it has not ended."""
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(0.005)


def _still_there(processes: Sequence[psutil.Process]) -> int:
    """Count processes that are still there ten seconds later, and kill them."""
    _, alive = psutil.wait_procs(list(processes), timeout=10)
    alive = [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    for process in alive:
        process.kill()
    return len(alive)
