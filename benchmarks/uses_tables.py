"""Uses of extra crops in training as Markdown: docs/does-it-help.md."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from multiplicity import verdict

CELLS = {
    "one_camera": "Three tenths of the people, each seen by one camera",
    "few_crops": "Three tenths of the people, four crops of each by all cameras",
    "across": "Trained on rendered people, searched on photographs",
}
USES = {
    "copies": "labelled copies on grey (the paper's)",
    "copies_elsewhere": "labelled copies on other people's grounds",
    "near": "labelled copies on grey, no half turns",
    "rare": "labelled copies on grey, in poses that are rare for the person",
    "positives": "in the triplet loss alone",
    "distilled": "half of the label by the teacher",
    "recognised": "only where the teacher recognises the person",
    "by_quality": "weighed by quality",
    "views": "views with the crop's features, no labels",
    "views_and_copies": "views and labelled copies",
    "grounds": "none; other grounds behind half of the real crops",
    "grounds_and_light": "none; other grounds and light",
    "copies_and_grounds": "copies on grey; real crops on other grounds, in their light",
    "elsewhere_and_grounds": "copies and real crops on other grounds",
    "elsewhere_distilled": "both on other grounds, half of the label by the teacher",
    "elsewhere_more": "both on other grounds, one copy for each real crop",
    "stretched": "none; real crops stretched and turned",
    "grounds_and_stretched": "none; other grounds, light, stretched and turned",
    "elsewhere_stretched": "all copies and real crops on other grounds, stretched and turned",
    "kept": "copies of a quality from .35, and real crops, on other grounds",
    "kept_more": "the same, one copy for each real crop",
    "kept_stretched": "copies from .35 and real crops on other grounds, stretched and turned",
}
KINDS = ("own", "affine", "market", "surface")
CONTROLS = {
    "own": "own pose", "affine": "torso affine", "real_only": "real crops",
    "real": "real crops so changed",
}  # fmt: skip
HEAD = "own pose | torso affine | W-SA | surface flow"


def training_uses(result: Mapping[str, Any]) -> list[str]:
    """Write the tables of uses_training.json: test people, and what was chosen on tune people."""
    lines = [
        f"`{result['command']}`, {result['hardware']}; W-SA (UnWarpME-SA) and surface flow as in "
        f"the package; {result['seeds']} seeds, each with a start of its own; 95 % intervals "
        "over people, verdicts by Holm's rule.",
    ]
    for name, title in CELLS.items():
        if name in result["cells"]:
            cell = result["cells"][name]
            measured = f"commit {cell['commit']}, {cell['date']}"
            lines += ["", *_tested(title, cell["rows"], measured)]
    lines += ["", "What the choice was made from: mAP of tune people, one start.", ""]
    cells = [name for name in CELLS if name in result["cells"]]
    for name in cells:
        lines += [*_tuned(CELLS[name], result["cells"][name]["tune"]["mAP"]), ""]
    return lines[:-1]


def _tested(title: str, rows: Mapping[str, Any], measured: str) -> list[str]:
    plain = rows["real_only"]["mAP"]
    lines = [
        f"**{title}** (real crops alone: {spread(plain)}; {measured}):",
        "",
        f"| extra crops are | {HEAD} | better warps over real crops | over the best control |",
        "|---|---|---|---|---|---|---|",
    ]
    for use in [use for use in USES if f"{use}-own" in rows]:
        arms = {kind: rows[f"{use}-{kind}"] for kind in KINDS}
        best = max(("market", "surface"), key=lambda kind: mean(arms[kind]["mAP"]))
        cells = [USES[use], *(spread(arm["mAP"]) for arm in arms.values())]
        over = arms[best]["over_controls"]
        cells += [
            gain(arms[best]["gain"]),
            f"{CONTROLS[over['vs'].split('-')[-1]]}: {gain(over)}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for use in [use for use in USES if f"{use}-real" in rows]:
        arm = rows[f"{use}-real"]
        lines.append(f"| {USES[use]}: {spread(arm['mAP'])} | | | | | {gain(arm['gain'])} | |")
    return lines


def _tuned(title: str, values: Mapping[str, float]) -> list[str]:
    lines = [
        f"| {title}: {values['real_only']:.1f} with real crops alone | {HEAD} |",
        "|---|---|---|---|---|",
    ]
    for use, words in USES.items():
        if f"{use}-real" in values:
            lines.append(f"| {words}: {values[f'{use}-real']:.1f} | | | | |")
        elif f"{use}-own" in values:
            cells = [f"{values[f'{use}-{kind}']:.1f}" for kind in KINDS]
            lines.append(f"| {words} | {' | '.join(cells)} |")
    return lines


def spread(values: Sequence[float]) -> str:
    """Write the mean of a figure over seeds, and its deviation."""
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def gain(found: Mapping[str, Any]) -> str:
    """Write a difference with its interval, and whether it is evident."""
    low, high = found["interval"]
    return f"{found['mean']:+.1f} ({low:+.1f} to {high:+.1f}): {verdict(found)}"
