"""What was broken off, spoiled and lost, and what happened, as Markdown: docs/reliability.md."""

from collections.abc import Mapping
from typing import Any

TITLES = {
    "kill": "killed (SIGKILL of all its processes)",
    "parent": "its own process killed, workers not",
    "worker": "one of its workers killed",
    "SIGINT": "told to end (Ctrl-C)",
    "SIGTERM": "told to end (SIGTERM)",
    "SIGHUP": "told to end (SIGHUP, a closed terminal)",
    "two runs": "started a second time on the same folder",
    "full disk": "disk full at some file",
    "output gone": "killed, and a file that it had written removed",
    "source gone": "a file that it reads taken away meanwhile, then put back",
    "source cut": "a file that it reads cut short meanwhile, then put back",
    "output refused": "its standard output or error could not be written",
}


def tried(result: Mapping[str, Any]) -> list[str]:
    """Tabulate the trials of commands, one row for each kind of fault and one for each command."""
    commands = result["commands"]
    lines = [
        f"`{result['command']}`, {result['hardware']}, {result['date']}.",
        "",
        "| what was done | commands | times it struck | trials | ended as an uninterrupted run |",
        "|---|---|---|---|---|",
    ]
    for fault, title in TITLES.items():
        rows = [faults[fault] for faults in commands.values() if fault in faults]
        if rows:
            lines.append(f"| {title} | {len(rows)} | {_sums(rows)} |")
    lines += [
        "",
        "Kills of each command:",
        "",
        "| command | times it struck | trials | ended as an uninterrupted run | commit |",
    ]
    lines.append("|---|---|---|---|---|")
    for name, faults in commands.items():
        rows = [faults[fault] for fault in ("kill", "parent", "worker") if fault in faults]
        if rows:
            commit = rows[0].get("commit", result["commits"][name])
            lines.append(f"| `{name}` | {_sums(rows)} | {commit} |")
    return [*lines, "", *_wrong(commands)]


def _sums(rows: list[Mapping[str, Any]]) -> str:
    times, trials, good = (sum(row[key] for row in rows) for key in ("times", "trials", "as whole"))
    return f"{times} | {trials} | {good}{' of ' + str(trials) if good < trials else ''}"


def _wrong(commands: Mapping[str, Any]) -> list[str]:
    """List what did not end as it should."""
    lines = [
        f"- `{name}`, {TITLES[fault]}: {kind}, {number} of {row['trials']}"
        for name, faults in commands.items()
        for fault, row in faults.items()
        for kind, number in row["wrong"].items()
    ]
    return ["Not as an uninterrupted run:", "", *lines] if lines else ["None ended otherwise."]


def spoiled(result: Mapping[str, Any]) -> list[str]:
    """Tabulate the reading of spoiled files."""
    lines = [
        f"`{result['command']}`, {result['hardware']}, {result['date']}.",
        "",
        "| files | minutes | read | refused in one line | otherwise | commit |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result["readers"].items():
        failures = len(row["failures"]) or ("the process ended" if row.get("died") else 0)
        lines.append(
            f"| {name} | {row['minutes']:g} | {row['read']:,} | {row['refused']:,} | {failures} | "
            f"{row['commit']} |"
        )
    return lines
