"""What a number must come with: its command, the machine, the commit and the date."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from reidaug.machine import describe

RESULTS = Path(__file__).parent / "results"


def about(command: str) -> dict[str, str]:
    """Describe where numbers come from.

    Args:
        command: What was run.

    Returns:
        JSON values: command, hardware, commit and date.
    """
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return {
        "command": command,
        "hardware": describe(),
        "commit": commit.stdout.strip(),
        "date": datetime.now(UTC).date().isoformat(),
    }
