"""Learning rates of the small tables, as Markdown: docs/paper.md."""

from collections.abc import Mapping
from typing import Any

from flow_tables import NAMES, SCORES


def rate_grid(result: Mapping[str, Any]) -> list[str]:
    """Write the table of learning_rates.json: the score that decides, by estimator and rate."""
    decides = SCORES[result["chosen_by"]]
    height, width = result["size"]
    lines = [
        "### Learning rates of the small tables",
        "",
        f"`{result['command']}`, {result['hardware']}, {result['date']}: {decides.title} after "
        f"{result['budget']:,} pairs of {height} x {width}, on training people held out; the "
        "rate in bold is the table's; one seed.",
        "",
        f"| | {' | '.join(f'{rate:g}' for rate in result['rates'])} |",
        "|---" * (len(result["rates"]) + 1) + "|",
    ]
    for name, row in result["rows"].items():
        cells = []
        for rate in result["rates"]:
            text = f"{row[f'{rate:g}'][result['chosen_by']]:.{decides.digits}f}"
            cells.append(f"**{text}**" if rate == row["rate"] else text)
        lines.append(f"| {NAMES[name]} | {' | '.join(cells)} |")
    return [*lines, ""]
