import os
import subprocess
import sys
from pathlib import Path

import pytest

from reidaug import verbosity as module
from reidaug.files import read_text
from reidaug.runs import counter
from reidaug.verbosity import (
    VARIABLE,
    Verbosity,
    detail,
    in_lines,
    of_a_command,
    progress_line,
    rate_of,
    set_verbosity,
    verbosity,
)


@pytest.mark.parametrize(
    ("level", "says"),
    [
        (Verbosity.QUIET, ""),
        (Verbosity.NORMAL, "progress\n"),
        (Verbosity.VERBOSE, "progress\ndetail\n"),
    ],
)
def test_each_level_says_more_than_the_one_before(level, says, capsys) -> None:
    with of_a_command():
        set_verbosity(level)
        progress_line("progress")
        detail("detail")
    assert capsys.readouterr().err == says


def test_a_command_leaves_the_level_as_it_was(monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, "quiet")
    with of_a_command():
        assert verbosity() is Verbosity.NORMAL
        set_verbosity(Verbosity.VERBOSE)
    assert verbosity() is Verbosity.QUIET
    monkeypatch.setenv(VARIABLE, "nonsense")
    assert verbosity() is Verbosity.NORMAL


def test_worker_processes_know_the_level() -> None:
    code = "from reidaug.verbosity import is_quiet; print(is_quiet())"
    with of_a_command():
        set_verbosity(Verbosity.QUIET)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
    assert done.stdout == "True\n"


def test_files_are_named_once_and_a_folder_of_many_once(tmp_path: Path, capsys) -> None:
    for k in range(6):
        (tmp_path / f"{k}.txt").write_text("text")
    with of_a_command():
        read_text(tmp_path / "0.txt")
        set_verbosity(Verbosity.VERBOSE)
        for k in (0, 0, 1, 2, 3, 4, 5):
            read_text(tmp_path / f"{k}.txt")
    told = capsys.readouterr().err.splitlines()
    shown = [f"reading {tmp_path / f'{k}.txt'}" for k in range(3)]
    assert told == [*shown, f"reading more files of {tmp_path}"]


def test_workers_do_not_say_what_they_read(tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "file.txt").write_text("text")
    with of_a_command():
        set_verbosity(Verbosity.VERBOSE)
        monkeypatch.setattr(module.os, "getpid", os.getppid)
        read_text(tmp_path / "file.txt")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("level", "lines"), [("quiet", 0), ("normal", 1), ("verbose", 2)])
def test_progress_is_hidden_shown_or_timed(level, lines, capsys) -> None:
    with of_a_command():
        set_verbosity(Verbosity(level))
        with counter(total=2, what="work", unit="item") as advance:
            advance(1)
            advance(1)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == lines
    assert all(line.startswith("work: ") for line in told)
    assert not lines or told[0].startswith("work: 2/2 (")


def test_what_an_earlier_run_had_done_has_no_rate(capsys) -> None:
    advance = in_lines(3, "work", "item", every=0.0)
    advance(2, before=True)
    advance(1)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "work: 2/3 (done before)"
    assert second.startswith("work: 3/3 (") and second.endswith(" item/s, 0 s left)")
    assert rate_of(1, 2.0, "item") == "0.5 item/s" and rate_of(0, 2.0, "item") == ""


def test_the_last_line_of_progress_comes_at_once(capsys) -> None:
    advance = in_lines(3, "work", "item", every=1000.0)
    for _ in range(3):
        advance(1)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("work: 3/3 (") and line.endswith(", 0 s left)")
