"""The command line, run in this process."""

import pytest

from reidaug import cli


def reidaug(*arguments: object) -> int:
    """Run ``reidaug``; its exit code."""
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)
