"""Errors a user can fix: one line that says what is wrong, where, and how to fix it."""

from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec


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
