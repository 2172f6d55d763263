"""Errors a user can fix: one line that says what is wrong, where, and how to fix it."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters and separators of lines; `str.splitlines` divides a text at some of them."""


class ReidaugError(Exception):
    """An error the user can fix; the command ends with exit code 1."""

    exit_code = 1

    def __init__(self, line: str) -> None:
        # A data-loading worker re-raises its error with the traceback as the text; the line itself
        # comes last, after the name of its type.
        if "\nOriginal Traceback" in line:
            line = line.rstrip().rsplit("\n", 1)[-1].split("Error: ", 1)[-1]
        super().__init__(line)


class UsageError(ReidaugError):
    """A wrong option or argument; the command ends with exit code 2."""

    exit_code = 2


def printable(name: object) -> str:
    """Write a path or a name so that any terminal and file takes it, on one line.

    Bytes that are no UTF-8, line breaks and other control characters, with which a name could
    colour a terminal or change its title, are written as escapes.
    """
    text = str(name).encode(errors="backslashreplace").decode()
    return _CONTROL.sub(_escape, text)


def printable_lines(text: str) -> str:
    """Write lines of text so that any terminal takes them, see `printable`."""
    return "\n".join(map(printable, text.split("\n")))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def unknown(what: str, name: str, known: Iterable[str], *, kind: str) -> str:
    """Say that a name is not known, which names are, and the nearest of them.

    Args:
        what: The name that is not known, with its kind, such as ``arm 'warp'``.
        name: The name alone.
        known: The names that are.
        kind: What these are, in the plural.
    """
    names = list(known)
    return f"no {what} ({kind}: {', '.join(names) or 'none'}){nearest(name, names)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Ask whether the nearest of some names was meant; empty where none is near."""
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def require_extra(extra: str, *modules: str) -> None:
    """Check that the modules of an optional extra can be imported.

    Args:
        extra: Name of the extra, as in ``pip install 'reidaug[extra]'``.
        modules: Import names the extra brings.

    Raises:
        UsageError: A module is missing.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{', '.join(missing)} is not installed: run  pip install 'reidaug[{extra}]'"
        )
