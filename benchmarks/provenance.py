"""What a number must come with: its command, the machine, the commit and the date."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from reidaug.machine import describe

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DECIDE = ("reidaug", "recipes", "benchmarks/*.py", "pyproject.toml")  # what numbers depend on


def about(command: str) -> dict[str, str]:
    """Describe where numbers come from.

    Args:
        command: What was run.

    Returns:
        JSON values: command, hardware, commit and date.
    """
    changed = _git("status", "--porcelain", "--", *DECIDE)
    return {
        "command": command,
        "hardware": describe(),
        "commit": _git("describe", "--always") + ("-dirty" if changed else ""),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip()
