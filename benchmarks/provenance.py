"""What a number must come with: its command, the machine, the commit and the date."""

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reidaug.machine import describe

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# Environment variables: the commit, on a machine that has its files alone; the machine, where
# finished work of another one is only summed up.
COMMIT, HARDWARE = "REIDAUG_COMMIT", "REIDAUG_HARDWARE"
DECIDE = ("reidaug", "recipes", "benchmarks/*.py", "pyproject.toml")  # what numbers depend on


def about(command: str) -> dict[str, str]:
    """Describe where numbers come from.

    Args:
        command: What was run.

    Returns:
        JSON values: command, hardware, commit and date.
    """
    dirty = "-dirty" if _git("status", "--porcelain", "--", *DECIDE) else ""
    return {
        "command": command,
        "hardware": os.environ.get(HARDWARE) or describe(),
        "commit": os.environ.get(COMMIT) or (_git("describe", "--always") or "unknown") + dirty,
        "date": datetime.now(UTC).date().isoformat(),
    }


def write_result(name: str, command: str, /, **values: Any) -> None:
    """Write a result file under benchmarks/results.

    Args:
        name: Its name without ``.json``.
        command: What was run.
        values: What was measured, JSON values.
    """
    text = json.dumps(values | about(command), indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def _git(*words: str) -> str:
    if shutil.which("git") is None:
        return ""
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip()
