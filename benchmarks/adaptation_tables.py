"""Uses of warps in adaptation as Markdown: docs/dgnet.md."""

from collections.abc import Mapping
from typing import Any

from uses_tables import HEAD, KINDS, gain, spread

CELLS = {
    "rendered": "From the rendered world A to B",
    "photographs": "From the rendered world `street` to photographs",
}
USES = {
    "clusters": "averaged with their crops before clustering",
    "positives": "positives of the triplet loss alone",
}
METHODS = ("market", "surface")


def adaptation_uses(result: Mapping[str, Any]) -> list[str]:
    """Write the tables of uses_adaptation.json: test people, then tune people."""
    setting, cells = result["setting"], result["cells"]
    lines = [
        f"`{result['command']}`, {result['hardware']}, {result['date']}; W-SA and surface flow as "
        "in the package; each seed has a start of its own; "
        f"{setting['rounds']} rounds of {setting['round_steps']} steps; {setting['views']} warps "
        f"of each crop, weight {setting['weight']:g}; 95 % intervals over people, verdicts by "
        "Holm's rule.",
    ]
    for name in [name for name in CELLS if name in cells]:
        lines += ["", *_tested(CELLS[name], cells[name]["rows"])]
    lines += ["", "Tune people, one start; nothing was chosen by them:", ""]
    lines += [
        f"| mAP | start | adapted | views are | {HEAD} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in [name for name in CELLS if name in cells]:
        values = cells[name]["tune"]["mAP"]
        lines += [_tuned(CELLS[name], use, values) for use in USES if f"{use}-own" in values]
    return lines


def _tested(title: str, rows: Mapping[str, Any]) -> list[str]:
    plain = rows["dgnetpp"]
    lines = [
        f"**{title}**, {len(plain['mAP'])} seeds: start {spread(rows['start']['mAP'])}, "
        f"after the warm-up {spread(rows['warmup']['mAP'])}, adapted without views "
        f"{spread(plain['mAP'])}, over the start {gain(plain['over_start'])}.",
        "",
        f"| views are | {HEAD} | W-SA: over the best control "
        "| surface flow: over the best control |",
        "|---|---|---|---|---|---|---|",
    ]
    for use in [use for use in USES if f"{use}-own" in rows]:
        arms = {kind: rows[f"{use}-{kind}"] for kind in KINDS}
        cells = [USES[use], *(_beside_plain(arm) for arm in arms.values())]
        cells += [gain(arms[kind]["over_controls"]) for kind in METHODS]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _beside_plain(arm: Mapping[str, Any]) -> str:
    return f"{spread(arm['mAP'])}; {gain(arm['gain'])}"


def _tuned(title: str, use: str, values: Mapping[str, float]) -> str:
    cells = [f"{values[f'{use}-{kind}']:.1f}" for kind in KINDS]
    before = [f"{values[name]:.1f}" for name in ("start", "dgnetpp")]
    return f"| {' | '.join([title, *before, USES[use], *cells])} |"
