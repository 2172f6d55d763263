"""Pages that commands leave behind at their end; none is worth the failure of a run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import click

from reidaug.errors import ReidaugError, require_extra
from reidaug.runs import notice

NEEDED = ("jinja2", "matplotlib")  # of the extra ``plots``
_wanted: ContextVar[bool] = ContextVar("wanted", default=True)


@contextmanager
def pages_wanted(wanted: bool) -> Iterator[None]:
    """Leave pages in the block, or none, where its runs are parts of another one."""
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def leave_page(run: Path, page: Path | None = None, *, numbers: str = "") -> Path | None:
    """Write the page of a run that has just ended, and say where it is.

    Where that fails, or the extra it needs is missing, one line says so and the command goes on.

    Args:
        run: Its folder, or the file that it wrote.
        page: The file; by default ``report.html`` in the folder.
        numbers: The numbers that matter, for whoever looks at a terminal.

    Returns:
        The page; None where there is none.
    """
    if not _wanted.get():
        return None
    try:
        require_extra("plots", *NEEDED)
        from reidaug.experiments import run_report

        page = run_report.leave_page(run, page)
    except (ReidaugError, OSError) as error:
        notice(f"this run gets no page: {error}")
        return None
    on_terminal = numbers and sys.stdout.isatty()
    click.echo(f"page: {page}" + (f" ({numbers})" if on_terminal else ""))
    return page
