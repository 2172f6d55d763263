from pathlib import Path

import pytest
from small_runs import write_run

from reidaug.commands import pages
from reidaug.commands.pages import leave_page, without_pages


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", "pairs", {"pairs": 2})


def test_a_page_is_left_in_the_folder_of_a_run(run: Path, capsys) -> None:
    assert leave_page(run, numbers="2 pairs") == run / "report.html"
    assert capsys.readouterr().out == f"page: {run / 'report.html'}\n"  # no terminal
    with without_pages():
        assert leave_page(run, run / "other.html") is None
    assert not (run / "other.html").exists()


def test_a_run_does_not_fail_for_its_page(run: Path, capsys, monkeypatch) -> None:
    (run / "report.html").write_text("mine")
    assert leave_page(run) is None
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "this run gets no page" in told
    assert (run / "report.html").read_text() == "mine"
    monkeypatch.setattr(pages, "NEEDED", ("no_such_module",))
    assert leave_page(run) is None
    assert "no page: no_such_module is not installed: run  pip install 'reidaug[plots]'" in (
        capsys.readouterr().err
    )
