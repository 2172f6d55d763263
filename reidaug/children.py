"""Child processes: Python ones import nothing from the current folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

SAFE_PATH = "PYTHONSAFEPATH"


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
