"""Standard streams of a command: closed ones lead nowhere, the others take any text.

What the system refuses to take, on a full disk, of a pipe that nobody reads or a terminal that was
closed, does not stop the work: results are files. A command tells it at its end, see `refused`.
"""

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_NAMES = ("stdin", "stdout", "stderr")


class _Output(io.FileIO):
    """An open stream; from its first error on, which it keeps, it drops what is written."""

    error: OSError | None = None

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write bytes; gives how many were taken, or dropped."""
        if self.error is None:
            try:
                return super().write(data)
            except OSError as error:
                self.error = error
        return memoryview(data).nbytes


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
            stream.flush()
            raw = _Output(number, "w", closefd=False)
            taken = io.TextIOWrapper(
                raw if stream.write_through else io.BufferedWriter(raw),  # as `python -u` has it
                encoding=stream.encoding, errors="backslashreplace",
                line_buffering=stream.line_buffering, write_through=stream.write_through,
            )  # fmt: skip
            setattr(sys, name, taken)


def refused() -> str:
    """Say which error standard output met, if any; standard error could not tell its own."""
    buffer = getattr(sys.stdout, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if not isinstance(raw, _Output):
        return ""
    sys.stdout.flush()
    return f"standard output: {raw.error.strerror}" if raw.error else ""


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
