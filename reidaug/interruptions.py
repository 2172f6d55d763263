"""Interruptions: Ctrl-C, SIGTERM and SIGHUP end a command in one line, whenever they come.

Three times differ. While a command is imported nothing has begun, and libraries in the middle of
their own imports turn exceptions into others: the process ends at once. While it works, signals
raise, and files are closed and workers ended. When it is done, signals end the process as they are
wont to, without a word.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

SECONDS = 0.05
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
_owner = 0  # process whose signals raise; copies of it work for it


class Terminated(KeyboardInterrupt):
    """The process was asked to end, by SIGTERM."""


class HungUp(KeyboardInterrupt):
    """The terminal of the process was closed: SIGHUP."""


_WORDS = {
    signal.SIGINT: (KeyboardInterrupt, "interrupted"),
    signal.SIGTERM: (Terminated, "terminated"),
    signal.SIGHUP: (HungUp, "its terminal was closed"),
}
SIGNALS = tuple(_WORDS)


def signal_of(interruption: KeyboardInterrupt | type[KeyboardInterrupt]) -> signal.Signals:
    """Return the signal that raised an interruption; SIGINT where none did."""
    kind = interruption if isinstance(interruption, type) else type(interruption)
    return next((n for n, (own, _) in _WORDS.items() if own is kind), signal.SIGINT)


def line_of(number: int) -> str:
    """Say that a command was ended by a signal, and how it goes on."""
    return (
        f"reidaug: {_WORDS[signal.Signals(number)][1]}; run the same command again to continue "
        "(with --resume, where it has that option)"
    )


def end_at_once(number: int, frame: FrameType | None = None) -> None:
    """End the process in one line: it has nothing open yet."""
    with suppress(OSError):  # the terminal may be gone
        os.write(2, f"{line_of(number)}\n".encode())
    os._exit(128 + number)


def end_while_importing() -> None:
    """Let signals `end_at_once` until `raise_from_now_on`.

    Those that the caller of this process ignores, such as ``nohup``, stay ignored.
    """
    for number in SIGNALS:
        if signal.getsignal(number) in _DEFAULTS:
            signal.signal(number, end_at_once)


def raise_from_now_on() -> None:
    """Let signals of `end_while_importing` raise: from here on there is something to close."""
    for number in SIGNALS:
        if signal.getsignal(number) == end_at_once:
            signal.signal(number, _raise)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT raise `KeyboardInterrupt` in the block, SIGTERM `Terminated`, SIGHUP `HungUp`.

    Handlers of the caller's stay, and so do the signals' own effects outside the main thread. An
    exception that comes where nobody can catch it, while an object is disposed of, would be printed
    and lost: the signal is sent again.
    """
    global _owner
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _owner, hook = os.getpid(), sys.unraisablehook
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler in _DEFAULTS:
            signal.signal(number, _raise)
    sys.unraisablehook = partial(_send_again, hook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            if handler in (*_DEFAULTS, _raise):
                signal.signal(number, handler)
            elif handler == end_at_once:
                signal.signal(number, signal.SIG_DFL)


def _send_again(
    hook: Callable[["sys.UnraisableHookArgs"], object], lost: "sys.UnraisableHookArgs"
) -> None:
    """Send the signal of an interruption that nobody could catch again; pass others to a hook."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        hook(lost)
        return
    number = signal_of(lost.exc_type)
    signal.signal(number, _raise)
    again = threading.Timer(SECONDS, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _raise(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _owner:  # a copy of the process: it ends with the one it works for
        if number == signal.SIGTERM:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        return
    if number == signal.SIGTERM:
        signal.signal(number, signal.SIG_DFL)  # a second one does not wait
    elif number == signal.SIGHUP:
        signal.signal(number, signal.SIG_IGN)  # shell and system both send it
    raise _WORDS[signal.Signals(number)][0]


def interruption_in(error: BaseException) -> KeyboardInterrupt | None:
    """Find the interruption that an exception is or came of; None where it came of none."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        if isinstance(found, KeyboardInterrupt):
            return found
        seen.add(id(found))
        found = found.__cause__ or found.__context__
    return None
