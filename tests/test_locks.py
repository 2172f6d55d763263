"""Locks between real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from reidaug import locks
from reidaug.errors import ReidaugError
from reidaug.locks import LOCK, lock, locks_of_a_command
from reidaug.runs import RunFolder, check_lock

RECIPE = {"command": "augment", "poses": 3}
HOLD = (
    "import sys, time; from pathlib import Path; from reidaug.runs import RunFolder; "
    f"run = RunFolder.open(Path(sys.argv[1]), {RECIPE}, resume=True); "
    "print('ready', flush=True); time.sleep(float(sys.argv[2])); run.log(done=1)"
)


@contextmanager
def another_run(folder: Path, seconds: float = 60):
    """A process at work on a run folder."""
    command = [sys.executable, "-c", HOLD, str(folder), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.2)


@pytest.mark.usefixtures("impatient")
def test_a_second_run_names_the_first(tmp_path: Path) -> None:
    with another_run(tmp_path / "a") as first:
        with pytest.raises(ReidaugError) as error:
            RunFolder.open(tmp_path / "a", RECIPE, resume=True)
        line = str(error.value)
        assert f"{tmp_path / 'a'}: another run is at work on it (process {first.pid} on " in line
        assert socket.gethostname() in line and ", since 2" in line and "\n" not in line
        assert RunFolder.open(tmp_path / "b", RECIPE, resume=True)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert (tmp_path / "a" / LOCK).exists()
        run = RunFolder.open(tmp_path / "a", RECIPE, resume=True)
    assert json.loads((tmp_path / "a" / LOCK).read_text())["pid"] == os.getpid()
    assert run.resumed and run.records() == []
    del run
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"recipe.yaml", "checksums.json", ".recipe.json"}


def test_who_waits_gets_the_lock_of_a_run_that_ends(tmp_path: Path) -> None:
    with another_run(tmp_path / "a", seconds=0.5):
        assert RunFolder.open(tmp_path / "a", RECIPE, resume=True).records() == [{"done": 1}]


def test_one_process_opens_a_folder_as_often_as_it_likes(tmp_path: Path) -> None:
    first = RunFolder.open(tmp_path, RECIPE, resume=True)
    second = RunFolder.open(tmp_path, RECIPE, resume=True)
    del first
    assert (tmp_path / LOCK).exists()
    del second
    assert not (tmp_path / LOCK).exists()


def test_a_killed_run_leaves_a_folder_that_can_be_begun(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text('{"pid": 1, "host"')
    assert not RunFolder.open(tmp_path, RECIPE, resume=False).resumed


def test_a_copy_of_a_process_gives_up_nothing(tmp_path: Path) -> None:
    held = lock(tmp_path / LOCK, of=tmp_path)
    child = os.fork()
    if not child:
        held.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / LOCK).exists()
    held.release()
    assert not (tmp_path / LOCK).exists()


@pytest.mark.usefixtures("impatient")
def test_the_lock_of_a_run_is_whole_whatever_is_in_its_file(tmp_path: Path) -> None:
    with another_run(tmp_path / "a"):
        (tmp_path / "a" / LOCK).write_text("[]")
        with pytest.raises(ReidaugError, match=f"its lock is {tmp_path / 'a' / LOCK}"):
            RunFolder.open(tmp_path / "a", RECIPE, resume=True)


def test_many_processes_have_a_lock_one_after_the_other(tmp_path: Path) -> None:
    text = (
        "import sys, time; from pathlib import Path; from reidaug import locks\n"
        "locks.PATIENCE = 60; at = Path(sys.argv[1])\n"
        "for k in range(20):\n"
        "    with locks.lock(at / '.lock', of=at):\n"
        "        (at / 'inside').touch(exist_ok=False); time.sleep(0.002)\n"
        "        (at / 'inside').unlink()\n"
    )
    started = time.monotonic()
    many = [subprocess.Popen([sys.executable, "-c", text, str(tmp_path)]) for _ in range(3)]
    assert [process.wait() for process in many] == [0, 0, 0], time.monotonic() - started
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may write anywhere")
def test_a_finished_run_is_read_where_nobody_may_write(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, RECIPE, resume=True).report({"n": 1})
    tmp_path.chmod(0o500)
    assert RunFolder.open(tmp_path, RECIPE, resume=True).finished() == {"n": 1}
    tmp_path.chmod(0o700)


def test_the_locks_of_a_command_are_kept_to_its_end_and_given_up_together(tmp_path: Path) -> None:
    with locks_of_a_command():
        held = lock(tmp_path / "a", of=tmp_path)
        lock(tmp_path / "b", of=tmp_path)  # nothing refers to it
        assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
    assert not list(tmp_path.iterdir())
    assert held.path.name == "a"


def test_looking_leaves_nothing_and_takes_nothing_from_oneself(tmp_path: Path) -> None:
    check_lock(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / ".lock").write_text("of a run that was killed")
    check_lock(tmp_path)
    assert not list(tmp_path.iterdir())
    with lock(tmp_path / ".lock", of=tmp_path):
        check_lock(tmp_path)
        assert (tmp_path / ".lock").exists()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("mode", "says"),
    [(0o644, "another run is at work"), (0o600, r"\.lock: cannot be opened \(Permission denied\)")],
)
def test_the_lock_of_another_user_counts(mode: int, says: str) -> None:
    if os.geteuid():
        pytest.skip("only root can be another user")
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        with another_run(folder):
            (folder / LOCK).chmod(mode)
            os.seteuid(65534)
            try:
                with pytest.raises(ReidaugError, match=says):
                    lock(folder / LOCK, of=folder)
            finally:
                os.seteuid(0)
