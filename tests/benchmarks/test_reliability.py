"""Counts of trials, and the tables made of them."""

from reliability import COMMANDS, READERS, ROUND, SLOW, WITH_WORKERS, count
from reliability_tables import TITLES, spoiled, tried

FROM = {"command": "c", "hardware": "h", "commit": "1", "date": "d"}


def test_trials_are_counted_by_command_and_fault_and_tabulated() -> None:
    commands: dict = {"pairs": {}}
    for times, wrong in ((1, []), (2, []), (1, ["lost /x/out/run/a.csv", "differs run/b.csv"])):
        count(commands["pairs"], "kill", {"times": times, "wrong": wrong})
    row = commands["pairs"]["kill"]
    assert (row["trials"], row["times"], row["as whole"]) == (3, 4, 2)
    assert row["wrong"] == {"lost or changed": 1}
    assert row["examples"] == ["lost run/a.csv", "differs run/b.csv"]
    text = "\n".join(tried({**FROM, "commands": commands, "commits": {"pairs": "2"}}))
    assert f"| {TITLES['kill']} | 1 | 4 | 3 | 2 of 3 |" in text
    assert "| `pairs` | 4 | 3 | 2 of 3 | 2 |" in text
    assert text.endswith(
        "- `pairs`, killed (SIGKILL of all its processes): lost or changed, 1 of 3"
    )


def test_readings_are_tabulated() -> None:
    row = {"minutes": 10.0, "read": 1234, "refused": 5, "failures": [], "commit": "2"}
    text = "\n".join(spoiled({**FROM, "readers": {"COCO": row}}))
    assert text.endswith("| COCO | 10 | 1,234 | 5 | 0 | 2 |")


def test_the_names_are_those_of_the_tests() -> None:
    from pathlib import Path

    folder = Path(__file__).parents[1] / "faults"
    for file, names in (
        ("small_commands.py", (*COMMANDS, *SLOW, *WITH_WORKERS)),
        ("readers.py", READERS),
        ("trials.py", (*ROUND, *TITLES)),
    ):
        text = (folder / file).read_text()
        assert [name for name in names if f'"{name}"' not in text] == []
