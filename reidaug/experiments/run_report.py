"""Page of any run, or of several side by side: `reidaug report`, and what commands leave behind."""

from collections.abc import Sequence
from pathlib import Path

from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.demo_report import demo_of
from reidaug.files import read_text, write_atomically
from reidaug.report.demo_page import demo_content
from reidaug.report.page import GENERATOR, Page, render_page
from reidaug.report.run_page import SHEET_PIXELS, RunPage, page_of, pages_of
from reidaug.report.run_record import DEMO, RunRecord, read_run

PAGE = "report.html"
MOST_RUNS = 12


def report_page(paths: Sequence[Path]) -> str:
    """Make the page of some runs: one self-contained HTML file, the same for the same runs.

    Large pictures are made smaller, so that all runs together have `SHEET_PIXELS` of each kind.

    Args:
        paths: Run folders, files of ``check --json`` or keypoint files of `reidaug pose`.

    Raises:
        ReidaugError: One is no run, of an unknown kind, or damaged.
        UsageError: There are more than `MOST_RUNS`.
    """
    if len(paths) > MOST_RUNS:
        raise UsageError(f"{len(paths)} runs on one page; {MOST_RUNS} are the most")
    records = [read_run(path) for path in paths]
    if len(records) == 1 and records[0].kind == DEMO and records[0].finished:
        return render_page(_demo_page(records[0]))
    shown = [_shown(record, SHEET_PIXELS // len(records)) for record in records]
    return render_page(pages_of(records, shown))


def write_page(paths: Sequence[Path], out: Path) -> int:
    """Write the page of some runs; a file that is no page of ours is not overwritten.

    Returns:
        Its size in bytes.

    Raises:
        ReidaugError: As `report_page`.
        UsageError: There is something else of that name, or no such folder.
    """
    check_page(out)
    content = report_page(paths).encode()
    write_atomically(out, content)
    return len(content)


def check_page(out: Path) -> None:
    """Check that a page may be written to a file: none is there, or an earlier page.

    Raises:
        UsageError: It has no folder, or something else of the user's has its name.
    """
    if out.is_dir() or not out.parent.is_dir():
        raise UsageError(f"{out}: name a file in a folder that is there")
    if not out.exists() and not out.is_symlink():
        return
    try:
        ours = GENERATOR in read_text(out)[:2000]
    except ReidaugError:
        ours = False
    if not ours:
        raise UsageError(f"{out}: is there already, and no page of reidaug; name another file")


def _shown(record: RunRecord, pixels: int) -> RunPage:
    if record.kind == DEMO and record.finished:
        page = _demo_page(record)
        return RunPage(page.title, page.tiles, page.parts[0].sections)
    return page_of(record, pixels=pixels)


def _demo_page(record: RunRecord) -> Page:
    return demo_content(demo_of(record.path, record.report, record.recipe))
