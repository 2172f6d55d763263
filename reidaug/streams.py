"""Standard streams of a command: closed ones lead nowhere, the others take any text."""

import io
import os
import sys

_NAMES = ("stdin", "stdout", "stderr")


def make_usable() -> None:
    """Make the standard streams of this process usable, whatever its caller left of them.

    The number of a stream that the caller closed (``2>&-``) would be that of the next file that is
    opened: what libraries print would be written into it. Characters that a stream's encoding lacks
    are written as their numbers.
    """
    for number, name in enumerate(_NAMES):
        stream = getattr(sys, name)
        if stream is None:
            _lead_nowhere(number)
            mode = "r" if name == "stdin" else "w"
            opened = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays
            setattr(sys, name, opened)
        elif isinstance(stream, io.TextIOWrapper) and name != "stdin":
            stream.reconfigure(errors="backslashreplace")


def _lead_nowhere(number: int) -> None:
    """Open a stream that is closed, for child processes too."""
    try:
        os.fstat(number)
    except OSError:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor != number:
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.set_inheritable(number, True)
