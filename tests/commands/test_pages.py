import html
import json
from pathlib import Path

import pytest
from small_runs import write_run

from reidaug.commands import pages
from reidaug.commands.pages import leave_page, pages_wanted


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", "pairs", {"pairs": 2})


def test_a_page_is_left_in_the_folder_of_a_run(run: Path, capsys) -> None:
    page = run / "report.html"
    with pages_wanted(True):
        assert leave_page(run, numbers="2 pairs") == page
    assert capsys.readouterr().out == f"page: {page}\n"  # no terminal
    with pages_wanted(False):
        assert leave_page(run, run / "other.html") is None
    assert not (run / "other.html").exists()


def test_a_page_that_was_left_is_made_again_where_it_or_the_run_changed(run: Path) -> None:
    page, kept = run / "report.html", run / ".page.json"
    with pages_wanted(True):
        leave_page(run)
        first, time = page.read_bytes(), page.stat().st_mtime_ns
        for damage in (b"", b"\xff\0", None):
            page.unlink() if damage is None else page.write_bytes(damage)
            leave_page(run)
            assert page.read_bytes() == first
        kept.write_bytes(b"{")
        leave_page(run)
        assert json.loads(kept.read_text()).keys() == {"of", "machine", "page"}
        assert page.read_bytes() == first
        assert json.loads(kept.read_text())["machine"] in html.unescape(first.decode())
        write_run(run, "pairs", {"pairs": 3})
        leave_page(run)
    assert page.read_bytes() != first
    assert page.stat().st_mtime_ns >= time


def test_a_run_does_not_fail_for_its_page(run: Path, capsys, monkeypatch) -> None:
    (run / "report.html").write_text("mine")
    with pages_wanted(True):
        assert leave_page(run) is None
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "this run gets no page" in told
    assert (run / "report.html").read_text() == "mine"
    monkeypatch.setattr(pages, "NEEDED", ("no_such_module",))
    with pages_wanted(True):
        assert leave_page(run) is None
    assert "no page: no_such_module is not installed: run  pip install 'reidaug[plots]'" in (
        capsys.readouterr().err
    )
