"""The command `reidaug study`."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from commandline import reidaug
from small_study import write_study
from small_trainings import check_error

from reidaug.app.study.folder import read_study

ROOT = Path(__file__).parents[2]


def test_a_study_from_two_roots_to_its_table(
    warped_twice: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    command = ["study", "new", *map(str, warped_twice.values()), "--out", str(out)]
    command += ["--samples", "2", "--practice", "1", "--participants", "2"]
    assert reidaug(*command) == 0
    told = capsys.readouterr().out
    assert "joint-blend beside torso-affine; 2 samples" in told
    assert "1 rounds of practice and 2 that count for each of 2 participants" in told
    assert reidaug(*command) == 0  # again: nobody is invited twice
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
    check_error(capsys, ["study", "serve", str(tmp_path)], 1, "reidaug study new")


def test_serving_prints_links_that_work_and_ends_on_sigint(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", participants=2)
    command = [sys.executable, "-m", "reidaug", "study", "serve", str(study.path), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        links = [re.fullmatch(r"\d  (http://127\.0\.0\.1:\d+/study/\S+)  0/8\n", n) for n in lines]
        assert links[0] is not None
        with urllib.request.urlopen(links[0][1], timeout=20) as page:
            assert page.status == 200
        os.kill(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (0, "", "")
    assert "Ctrl-C ends it" in lines[2]
