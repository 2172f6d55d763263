"""Page of any run, or of several side by side: `reidaug report`, and what commands leave behind."""

import json
from collections.abc import Sequence
from pathlib import Path

from reidaug import __version__
from reidaug.checksums import SUMS
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.demo_report import demo_of
from reidaug.files import (
    check_writable,
    checksum,
    checksum_of,
    read_text,
    write_atomically,
    write_result,
)
from reidaug.machine import describe
from reidaug.report.demo_page import demo_content
from reidaug.report.page import GENERATOR, Page, render_page
from reidaug.report.run_page import SHEET_PIXELS, RunPage, page_of, pages_of, run_names
from reidaug.report.run_record import DEMO, KEPT, RunRecord, read_kept, read_run

PAGE = "report.html"
MOST_RUNS = 12
LONGEST_NAME = 100  # characters of the names of runs in that of their page


def page_for(paths: Sequence[Path]) -> Path:
    """Name the page of some runs: inside the folder of one, or here, after several.

    That of a file, such as the keypoints of `reidaug pose`, is beside it.
    """
    if len(paths) == 1:
        beside = paths[0].with_suffix(".html") if paths[0].is_file() else Path(PAGE)
        return paths[0] / PAGE if paths[0].is_dir() else beside
    names = [name.strip("/").replace("/", "-") for name in run_names(paths)]
    joined = "_".join(names)
    if len(joined) > LONGEST_NAME:
        first = names[0][: LONGEST_NAME // 2]
        joined = f"{first}_and_{len(names) - 1}_more_{checksum_of(joined.encode())[:8]}"
    return Path(f"report_{joined}.html")


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
    write_result(out, content)
    return len(content)


def leave_page(run: Path, out: Path | None = None) -> Path:
    """Write the page of a run that has just ended, unless it is there and nothing changed.

    Args:
        run: Its folder, or the file that it wrote.
        out: The page; by default `PAGE` in the folder.

    Returns:
        The page.

    Raises:
        ReidaugError: As `report_page`.
        UsageError: As `write_page`.
    """
    page = out or run / PAGE
    if not run.is_dir():
        write_page([run], page)
        return page
    sums, kept = run / SUMS, read_kept(run)
    state = f"{__version__} {checksum(sums) if sums.exists() else ''}"
    if kept.get("of") == state and page.is_file() and checksum(page) == kept.get("page"):
        return page
    check_page(page)
    new = {"of": state, "machine": describe()}
    write_atomically(run / KEPT, json.dumps(new).encode())
    write_page([run], page)
    write_atomically(run / KEPT, json.dumps(new | {"page": checksum(page)}).encode())
    return page


def check_page(out: Path) -> None:
    """Check that a page may be written to a file: none is there, or an earlier page.

    Raises:
        UsageError: It has no folder, or something else of the user's has its name.
    """
    check_writable(out, what="page")
    if not out.exists() and not out.is_symlink():
        return
    ours = out.name == PAGE and (out.parent / KEPT).is_file()
    try:
        ours = ours or GENERATOR in read_text(out)[:2000]
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
