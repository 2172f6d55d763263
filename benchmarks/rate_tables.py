"""Learning rates and balance of tasks of the small tables, as Markdown: docs/paper.md."""

from collections.abc import Mapping
from typing import Any

from flow_tables import NAMES, SCORES
from task_balance import ALONE, IN_TURN, summed


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


def balance_grid(result: Mapping[str, Any]) -> list[str]:
    """Write the table of task_balance.json: every balance of the two tasks, and no training."""
    height, width = result["size"]
    scores = {name: SCORES[name] for name in result["scores"]}
    lines = [
        "### Both tasks in turn, or their sum",
        "",
        f"`{result['command']}`, {result['hardware']}, {result['date']}: UnWarpME after "
        f"{result['budget']:,} pairs of {height} x {width}, on training people held out; means of "
        f"{len(result['seeds'])} seeds; in bold what the tables use: "
        "the least l1 among sums whose endpoint error is within "
        f"{100 * (result['kept'] - 1):.0f} % of that of the affine task alone.",
        "",
        f"| | {' | '.join(score.title for score in scores.values())} |",
        "|---" * (len(scores) + 1) + "|",
    ]
    titles = {ALONE: "affine task alone", IN_TURN: "a step of each in turn"}
    for weight in result["weights"]:
        title = f"sum, the affine task {weight:g} times"
        titles[summed(weight)] = f"**{title}**" if weight == result["chosen"] else title
    for name, row in result["rows"].items():
        cells = (f"{row[key]:.{max(2, score.digits)}f}" for key, score in scores.items())
        lines.append(f"| {titles.get(name, name.replace('_', ' '))} | {' | '.join(cells)} |")
    return [*lines, ""]
