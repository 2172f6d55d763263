"""Errors a user can fix: one line that says what is wrong, where, and how to fix it."""

from importlib.util import find_spec


class ReidaugError(Exception):
    """The work failed for a reason the user can mend; the command ends with exit code 1."""

    exit_code = 1

    def __init__(self, line: str) -> None:
        # A data-loading worker hands its error on with the whole traceback as the text; the line
        # itself comes last, after the name of its type.
        if "\nOriginal Traceback" in line:
            line = line.rstrip().rsplit("\n", 1)[-1].split("Error: ", 1)[-1]
        super().__init__(line)


class UsageError(ReidaugError):
    """The command was asked for something it cannot do; it ends with exit code 2."""

    exit_code = 2


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
