"""Child processes: they end with their parent, and import nothing from the current folder."""

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

SAFE_PATH = "PYTHONSAFEPATH"
SECONDS_BETWEEN_LOOKS = 0.2


@contextmanager
def safe_children() -> Iterator[None]:
    """Let Python processes started meanwhile import nothing from the current folder.

    ``python -m`` and ``python -c``, which start workers, would look there first: a file
    ``numpy.py`` beside a dataset would be executed.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


@contextmanager
def deaf_children() -> Iterator[None]:
    """Let processes started in the block, and by threads begun there, not hear their terminal.

    It sends Ctrl-C, and SIGHUP when it is closed, to them too; those that hear one while they start
    print a traceback each, and one that has ended looks like one that lacked memory. They end with
    their parent, which hears it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Where it is started amid the block, as pools of workers do, it lets this thread hear again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent(parent: int | None = None) -> None:
    """End this process as soon as its parent ends, however that ends.

    A worker that outlived its command would write into a continued run. A thread watches: Linux's
    ``PR_SET_PDEATHSIG`` would end it with the *thread* that started it.

    Args:
        parent: Process id of the parent; where it is another one now, that one has ended.
    """
    parent = os.getppid() if parent is None else parent

    def watch() -> None:
        _wait_for_end(parent)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_worker_with_parent(number: int) -> None:
    """Do `end_with_parent` in a data-loading worker, whose number does not matter."""
    end_with_parent()


def _wait_for_end(parent: int) -> None:
    """Return when a process, the parent of this one, has ended."""
    try:
        descriptor = os.pidfd_open(parent)
    except (AttributeError, OSError):  # not Linux, an old one, or it has ended
        descriptor = None
    if descriptor is not None and os.getppid() == parent:
        select.select([descriptor], [], [])
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
