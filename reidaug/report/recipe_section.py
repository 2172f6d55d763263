"""Recipe and environment of a run on its page, and what differs between the recipes of several."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from reidaug.report.page import (
    RECIPE,
    Block,
    Cell,
    Code,
    Heading,
    Row,
    Section,
    Table,
    Text,
    numbers_table,
)
from reidaug.report.run_record import RunRecord

MOST_LINES = 400  # of a recipe
MOST_KEYS = 60  # of a table of differences
LONGEST = 80  # letters of a value in it
REPORTED = ("precision", "feature_precision", "network", "hardware")
"""What reports tell of the machine. The number of workers changes no result, and no page."""


def recipe_sections(record: RunRecord) -> list[Section]:
    """Show the resolved recipe of a run and what is known of its environment; or nothing."""
    blocks: list[Block] = []
    if record.recipe:
        text = yaml.safe_dump(dict(record.recipe), sort_keys=False, allow_unicode=True)
        lines = text.splitlines()
        if len(lines) > MOST_LINES:
            left = len(lines) - MOST_LINES
            lines = [*lines[:MOST_LINES], f"... and {left} more lines in recipe.yaml"]
        blocks.append(Code("Resolved recipe", "\n".join(lines)))
    if known := environment(record):
        blocks += [Heading("Environment"), numbers_table("Environment of the run", known)]
    return [Section(RECIPE, "Recipe", blocks)] if blocks else []


def environment(record: RunRecord) -> dict[str, str]:
    """Collect what a run and its report tell of the machine."""
    known = {"machine": record.machine} if record.machine else {}
    told = {key: str(record.report[key]) for key in REPORTED if record.report.get(key)}
    return known | {key.replace("_", " "): text for key, text in told.items()}


def differences(records: Sequence[RunRecord], names: Sequence[str]) -> list[Block]:
    """Tabulate the recipe keys in which runs of one command differ; `MOST_KEYS` of them."""
    if len({record.kind for record in records}) > 1:
        return []
    flat = [_flat(record.recipe) for record in records]
    keys = list(dict.fromkeys(key for values in flat for key in values))
    other = [key for key in keys if len({values.get(key, "–") for values in flat}) > 1]
    if not other:
        return [Text(["The recipes of these runs do not differ."])]
    rows = [Row(key, [Cell(v.get(key, "–")) for v in flat]) for key in other[:MOST_KEYS]]
    more = len(other) - MOST_KEYS
    caption = f"{more} more keys differ." if more > 0 else ""
    return [
        Heading("Differences of the recipes"),
        Table("Recipe keys that differ", ("Key", *names), rows, caption),
    ]


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Write nested values under dotted keys."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{above}{key}.")
        else:
            text = str(value)
            found[f"{above}{key}"] = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return found
