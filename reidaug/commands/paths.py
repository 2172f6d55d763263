"""Paths on the command line: those that reports can hold."""

import errno
import os
from pathlib import Path
from typing import Any

import click

from reidaug.errors import UsageError, printable


class SafePath(click.Path):
    """A path that can be written into reports, and that does not lead round in a circle.

    ``~`` is the home folder also where no shell reads it: in quotes, or after ``--out=``.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Make a `Path` of a command's argument; `UsageError` where it is none."""
        if value in ("", b""):  # of a shell's variable that is not set; `Path` would take it as .
            raise UsageError(f"{_name(param)}: the path is empty; the current folder is .")
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            path = path.expanduser()
        except RuntimeError:
            raise UsageError(f"{printable(path)}: there is no such user") from None
        try:
            path.stat()
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UsageError(
                    f"{printable(path)}: a link that leads round in a circle"
                ) from None
            if error.errno == errno.ENAMETOOLONG:
                raise UsageError(f"{printable(path)}: {error.strerror}") from None
        whole = path.resolve()
        if printable(whole) != str(whole):
            raise UsageError(
                f"{printable(whole)}: not UTF-8 or with a line break or another control character; "
                "rename it"
            )
        return path


def _name(param: click.Parameter | None) -> str:
    """Name an argument or option as its user writes it."""
    if param is None:
        return "a path"
    return param.opts[-1] if isinstance(param, click.Option) else param.human_readable_name
