"""Commands that are killed, told to end, or lose files: the same command ends as if nothing was."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import environment
from small_commands import COMMANDS

Ask = Callable[..., list[dict[str, Any]]]
TRIALS = Path(__file__).parent / "trials.py"
SHORT = {"kill": 2, "SIGTERM": 1}
LONG = {"kill": 50, "SIGINT": 3, "SIGTERM": 3, "SIGHUP": 3, "full disk": 5, "output refused": 3}
WITH_WORKERS = [name for name in COMMANDS if name.endswith(", 2 workers")]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Ask a process that has imported torch for trials; `trials.py` tells of what."""
    alone = ["unshare", "-rm"]  # with mounts of its own, where the system allows it
    may = shutil.which("unshare") and subprocess.run([*alone, "true"], check=False).returncode == 0
    command = [*(alone if may else ()), sys.executable, str(TRIALS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment(), **pipes) as process:

        def answers(name: str, faults: dict[str, int]) -> list[dict[str, Any]]:
            if not may:
                faults = {fault: n for fault, n in faults.items() if fault != "full disk"}
            process.stdin.write(json.dumps({"command": name, "faults": faults, "seed": 0}) + "\n")
            process.stdin.flush()
            results = []
            for line in process.stdout:
                if "done" in (result := json.loads(line)):
                    if result["missing"]:
                        pytest.skip(f"needs {COMMANDS[name].extra}")
                    return results
                results.append(result)
            raise AssertionError("the trials ended")

        yield answers


def wrong(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [result for result in results if result["wrong"]]


@pytest.mark.parametrize("name", ["augment", "pairs", "train-flow"])
def test_a_command_ends_as_if_nothing_was(ask: Ask, name: str) -> None:
    results = ask(name, SHORT)
    assert len(results) == sum(SHORT.values())
    assert wrong(results) == []
    assert sum(result["times"] for result in results) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in WITH_WORKERS])
def test_a_command_ends_as_if_nothing_was_fifty_times(ask: Ask, name: str) -> None:
    results = ask(name, LONG)
    assert wrong(results) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_WORKERS)
def test_a_command_survives_its_workers_and_they_do_not_survive_it(ask: Ask, name: str) -> None:
    results = ask(name, {"worker": 3, "parent": 3, "two runs": 1})
    assert wrong(results) == []
