"""What was measured on photographs, in Markdown: README.md and two pages of docs/."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from multiplicity import RULE, evident, standing, verdict
from photograph_crops import PEOPLE
from reid_tables import interval
from shipped import of_these_weights
from uses_tables import gain as gain_in_words
from uses_tables import spread

from reidaug.augment.missing_poses import WORDS

USES = {  # title, own pose, torso-affine, warps
    "on grey": ("identity_grey", "affine_grey", "warps_grey"),
    "on grey, half turns mirrored, quality from .4": (
        "identity_grey", "affine_grey", "good_mirrored_warps_grey",
    ),
    "on other people's backgrounds": (
        "identity_other_ground", "affine_other_ground", "warps_other_ground",
    ),
}  # fmt: skip
WARPS = ("warps_grey", "warps_other_ground")
IN_SHORT = {title: arms for title, arms in USES.items() if "mirrored" not in title}
HEADS = {
    "real_only": "real crops",
    "grounds": "real crops on other grounds",
    "identity_other_ground": "own pose",
    "affine_kept": "torso affine",
    "own_body_kept": "surface flow",
}
COMMANDS = {
    "grounds": "none",
    "identity_other_ground": "`--flow identity`",
    "affine_kept": "`--flow torso-affine --poses-each 4`",
    "own_body_kept": "`--flow surface --poses-each 4`",
}
"""Options of `reidaug augment` that make the crops of an arm of the grid."""


def headline(results: Path) -> tuple[list[str], list[str]]:
    """Tabulate the arms on photographs for README.md, and name the source; nothing without any."""
    run = of_these_weights(results / "photographs_arms.json")
    if run is None:
        return [], []
    lines = [
        "| photographs, mAP | real crops | own pose | torso-affine warps | **UnWarpME-SA warps** "
        "| warps over the best control, 95 % |",
        "|---|---|---|---|---|---|",
        *_uses(run),
    ]
    return [*lines, ""], [source(run)]


def source(run: Mapping[str, Any]) -> str:
    """Name the command, the processor and the date of a result."""
    return f"`{run['command']}` ({run['hardware'].split(',')[0]}, {run['date']})"


def beside_rendered(results: Path) -> list[str]:
    """Write what photographs say, for the page of the demo; nothing without a result."""
    run = of_these_weights(results / "photographs_arms.json")
    if run is None:
        return []
    real = mean(run["arms"]["real_only"]["mAP"])
    said = []
    for title, arms in USES.items():
        found = run["comparisons"][arms[-1]]["over_best_control"]
        words = verdict(found, stands=arms[-1] in _standing(run, "over_best_control"))
        said.append(f"{found['mean']:+.1f} ({interval(found)}) {title}, {words}")
    lines = [
        f"On photographs of {run['train_people']} people with all their crops (Market-1501, real "
        f"crops alone {real:.1f} mAP) UnWarpME-SA's warps against their best control: "
        f"{'; '.join(said)}."
    ]
    lines += _with_few_crops(results / "photographs_grid.json")
    path = results / "world_tau.json"
    if path.exists():
        found = json.loads(path.read_text())["worlds"]["few-poses"]["tau"]
        low, high = found["interval"]
        lines.append(
            "Ten ways of training without warps rank in the rendered world `few-poses` as on "
            f"photographs with Kendall's tau {found['tau']:.2f} ({low:.2f} to {high:.2f})."
        )
    return lines


def _with_few_crops(path: Path) -> list[str]:
    """Say what copies gain where there is little to learn from; nothing without a result."""
    if not path.exists():
        return []
    run = json.loads(path.read_text())
    gains = [setting["rows"][run["method"]]["gain"] for setting in run["settings"]]
    found = [gain["mean"] for gain in gains if evident(gain) and gain["mean"] > 0]
    return [
        "With fewer people, and two crops of each or one camera, copies by surface flow gain "
        f"{min(found):+.1f} to {max(found):+.1f} over real crops, as torso-affine copies do "
        "(docs/does-it-help.md)."
    ]


def settings(run: Mapping[str, Any]) -> list[str]:
    """Write the grid of docs/does-it-help.md: how much there is, and what to expect of what."""
    grid, method = run["settings"], run["method"]
    heads = [HEADS[arm] for arm in grid[0]["rows"] if arm != "start"]
    lines = [
        f"`{run['command']}`, {run['hardware']}, {run['date']}; mAP of the test people, "
        f"mean over {len(grid[0]['seeds'])} seeds with a start of their own; in "
        "brackets the 95 % interval over people, verdicts by Holm's rule over the whole "
        f"table.{_of_whom(run['market'])}",
        "",
        f"| people | crops | cameras of each | {' | '.join(heads)} | surface flow over real crops "
        "| over its best control |",
        "|---" * (5 + len(heads)) + "|",
    ]
    for setting in grid:
        rows = setting["rows"]
        over = rows[method]["over_controls"]
        cells = [
            str(setting["train_people"]),
            f"{setting['train_images']} ({setting['images_each'] or 'all'} of each)",
            str(setting["cameras_each"] or "all"),
            *(spread(row["mAP"]) for arm, row in rows.items() if arm != "start"),
            gain_in_words(rows[method]["gain"]),
            f"{HEADS[over['vs']]}: {gain_in_words(over)}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", *_advice(grid)]


def job(run: Mapping[str, Any]) -> list[str]:
    """Write the paper's job in a sentence."""
    found = ", ".join(f"{count:,} {WORDS[kind]}" for kind, count in run["pose_from"].items())
    left_out = "".join(f"; {count} {reason}" for reason, count in run["left_out"].items())
    lines = [
        f"`{run['command']}`, {run['hardware']}, {run['date']}: {run['images']:,} of "
        f"{run['expected']:,} images from {run['crops']:,} crops ({found}"
        f"{left_out}), {run['bytes'] / 2**30:.2f} GiB on disk.",
    ]
    if run["seconds"] is not None:
        lines[-1] += (
            f" {run['seconds'] / 60:.0f} minutes with joints and masks, {run['images_per_s']:.0f} "
            f"warps a second, at most {run['peak_memory_gib']} GiB of memory for all processes."
        )
    return lines


def compared(run: Mapping[str, Any]) -> list[str]:
    """Write how arms compare with real crops alone and with their controls."""
    return [
        f"`{run['command']}`, {run['hardware']}, {run['date']}; {run['train_people']} people with "
        f"{run['train_images']:,} crops, {run['queries']} queries and {run['gallery']:,} gallery "
        f"crops of {run['part']} people; {len(run['seeds'])} seeds, each with a start of its own "
        f"of {run['pretrain_steps']} steps (mAP {spread(run['start']['mAP'])}) and "
        f"{run['steps']} steps an arm; 95 % intervals over people, verdicts by {RULE} among "
        "those of a column.",
        "",
        *_arms(run),
    ]


def _of_whom(market: Mapping[str, int]) -> str:
    """Say so where people were missing, so that those evaluated are not the test people."""
    if market["people"] == PEOPLE:
        return ""
    return (
        f" Only {market['people']} of the {PEOPLE} people were in the folder, so that the rule of "
        "the split took others: the people evaluated here are partly training or tune people of "
        "the other tables. Nobody is both trained on and evaluated here, and nothing was chosen "
        "by these figures."
    )


def _advice(grid: Sequence[Mapping[str, Any]]) -> list[str]:
    """Count, over all settings, how often each kind of extra crops gains over real crops."""
    lines = ["| extra crops | `reidaug augment CROPS --out OUT ...` | gain over real crops, mean "
             "over settings | settings with a gain | with a loss |", "|---" * 5 + "|"]  # fmt: skip
    for arm, flags in COMMANDS.items():
        gains = [setting["rows"][arm]["gain"] for setting in grid]
        better = [gain["mean"] > 0 for gain in gains if evident(gain)]
        lines.append(
            f"| {HEADS[arm]} | {flags} | {mean(g['mean'] for g in gains):+.1f} "
            f"| {sum(better)} of {len(gains)} | {len(better) - sum(better)} |"
        )
    return lines


def _arms(run: Mapping[str, Any]) -> list[str]:
    lines = ["| extra crops | mAP | Rank-1 | over real crops | over the best control |"]
    lines.append("|---" * 5 + "|")
    kinds = ("over_real_only", "over_best_control")
    stand = {kind: _standing(run, kind) for kind in kinds}
    for arm, scores in run["arms"].items():
        found = run["comparisons"].get(arm, {})
        cells = [arm, spread(scores["mAP"]), spread(scores["rank1"])]
        cells += [_gain(found[kind], arm in stand[kind]) if kind in found else "" for kind in kinds]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _uses(run: Mapping[str, Any]) -> list[str]:
    lines = []
    for title, arms in IN_SHORT.items():
        cells = [spread(run["arms"][arm]["mAP"]) for arm in ("real_only", *arms)]
        found = run["comparisons"][arms[-1]]["over_best_control"]
        words = verdict(found, stands=arms[-1] in _standing(run, "over_best_control"))
        gain = f"{found['mean']:+.1f} ({interval(found)}): {words}"
        lines.append(f"| {title} | {' | '.join([*cells, gain])} |")
    return lines


def _standing(run: Mapping[str, Any], kind: str) -> set[str]:
    """Name the arms whose difference of a kind stands among those of the others."""
    return standing({arm: one[kind] for arm, one in run["comparisons"].items() if kind in one})


def _gain(found: Mapping[str, Any], stands: bool) -> str:
    low, high = found["ci"]
    words = verdict(found, stands=stands)
    return f"{found['mean']:+.1f} ({low:+.1f} to {high:+.1f}): {words}"
