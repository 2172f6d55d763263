"""The command `reidaug study`."""

import os
import re
import shlex
import signal
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from commandline import reidaug
from docs_page import DOCS
from small_study import write_study
from small_trainings import check_error

from reidaug.app.server import LOOPBACK, address_of, listen
from reidaug.app.study.folder import read_study
from reidaug.commands.study import command


def test_a_study_from_two_roots_to_its_table(
    warped_twice: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    new = ["study", "new", *map(str, warped_twice.values()), "--out", str(out)]
    new += ["--samples", "2", "--practice", "1", "--participants", "2"]
    assert reidaug(*new) == 0
    told = capsys.readouterr().out
    assert "joint-blend beside torso-affine; 2 samples" in told
    assert "1 of practice before 2 rounds that count for each of 2 participants" in told
    assert reidaug(*new) == 0  # again: nobody is invited twice
    assert "each of 2 participants" in capsys.readouterr().out
    assert reidaug("study", "invite", out, "--participants", 1) == 0
    assert re.fullmatch(r"3  /study/[\w-]{43}\n", capsys.readouterr().out)
    study = read_study(out)
    with study.answers() as kept:
        first = kept.participants()[0]
        for step in range(first.steps):
            first = kept.answer(first, step, "left")
    assert reidaug("study", "export", out) == 0
    table = capsys.readouterr().out
    assert "joint-blend / torso-affine" in table
    assert "4 answers of 1 participants (1 finished, 3 invited); 2 of practice" in table
    assert (out / "export" / "answers.csv").is_file()
    assert reidaug("study", "remove", out, 1) == 0
    capsys.readouterr()
    check_error(capsys, ["study", "remove", str(out), "1"], 2, "no participant 1")
    assert reidaug("study", "remove", out, 10**30) == 2
    assert "is not in the range" in capsys.readouterr().err
    check_error(capsys, ["study", "serve", str(tmp_path)], 1, "reidaug study new")


@pytest.mark.parametrize("page", ["study.md", "commands.md"])
def test_the_pages_list_commands_that_exist(page: str) -> None:
    text = (DOCS / page).read_text()
    found = [line for line in re.findall(r"reidaug (study [^`#\n]+)", text) if " runs" in line]
    assert len(found) >= 3
    for line in found:
        _, name, *arguments = shlex.split(line.replace("\n", " "))
        command.commands[name].make_context(name, arguments)


def test_serving_prints_links_that_work_and_ends_on_sigint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path / "study", participants=2)
    with study.answers() as kept:
        paths = [f"/study/{one.token}" for one in kept.participants()]
    with listen(LOOPBACK, 0) as free:
        address = address_of(free)
    statuses: list[int] = []

    def visit() -> None:
        try:
            for path in paths:
                while len(statuses) < 2:
                    with suppress(urllib.error.URLError):
                        with urllib.request.urlopen(address + path, timeout=10) as page:
                            statuses.append(page.status)
                        break
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    visitor = threading.Thread(target=visit)
    visitor.start()
    ended = reidaug("study", "serve", study.path, "--port", address.rsplit(":", 1)[1])
    visitor.join()
    assert (ended, statuses) == (0, [200, 200])
    printed = capsys.readouterr()
    links = [f"{k}  {address}{path}  0 of 8 answers" for k, path in enumerate(paths, 1)]
    assert printed.out.splitlines()[:2] == links
    assert "Ctrl-C ends it" in printed.out
    assert printed.err == ""
