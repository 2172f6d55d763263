"""What quality says of warps, and what a skeleton cannot know, as Markdown: docs/quality.md."""

from collections.abc import Mapping
from typing import Any

NUMBERS = {
    "quality": "**`quality`**",
    "seen": "`seen`",
    "agree": "facing alone",
    "joints": "`joints`",
    "stretch": "`stretch`",
    "folded": "`folded`",
    "foreground": "`foreground`",
    "inside": "`inside`",
    "foreground * inside * (1 - folded)": "`foreground * inside * (1 - folded)`: neither views "
    "nor stretch",
    "truly seen (needs the truth)": "what is truly visible, from the exact flow",
}
STEPS = {
    "not spread": "neither 2 nor 3 nor 4",
    "spread": "2",
    "spread, edges kept": "2, 3",
    "spread, kept, averaged": "2, 3, 4",
}
SCORES = {"l1": 2, "ssim": 3, "stlpips": 3}
SHARING = {
    "clothes": "clothes, hair and bags",
    "bodies": "body too, on the same bones",
    "depth": "depth alone: other postures of the world",
    "mirrored": "depth alone: arms and legs mirrored by coin toss",
    "both": "all of it, bones too",
    "both, nearest half": "the half of these whose joints had to be moved least",
}


def worth(result: Mapping[str, Any]) -> list[str]:
    """Tabulate warp_quality.json: how well each number predicts the true error."""
    rows, blend = result["trained"]["worth"], result["joint-blend"]["worth"]["quality"]
    quality, shown = rows["quality"], rows["truly seen (needs the truth)"]
    lines = [
        f"`{result['command']}`, {result['hardware']}, {result['date']}: {result['pairs']} pairs. "
        f"Between poses of other people `quality` is {quality['mean']:.2f} on average; the source "
        f"shows {shown['mean']:.0%} of what the target shows.",
        "",
        "| number | colour error | ST-LPIPS |",
        "|---|---|---|",
    ]
    for name, title in NUMBERS.items():
        lines.append(f"| {title} | {_pair(rows[name], '_within')} |")
    lines += [
        "",
        f"`quality` among all pairs, people mixed: {_pair(quality, '', ' and ')}; of joint-blend, "
        f"which learns nothing, within a person: {_pair(blend, '_within', ' and ')}.",
        "",
        "| kept | `quality` from | colour error | SSIM | ST-LPIPS |",
        "|---|---|---|---|---|",
    ]
    everything = result["trained"]["steps"]["spread, kept, averaged"]
    kept = {"all": {"from": 0, **{key: everything[key][0] for key in SCORES}}}
    kept |= {f"best {part} %": rows[f"best {part}%"] for part in (75, 50, 25)}
    for title, row in kept.items():
        lines.append(
            f"| {title} | {row['from']:.2f} | {row['l1']:.1f} | {row['ssim']:.3f} "
            f"| {row['stlpips']:.3f} |"
        )
    return lines


def steps(result: Mapping[str, Any]) -> list[str]:
    """Tabulate warp_quality.json: what each step of painting brings, and mirrored half turns."""
    lines = [
        f"`{result['command']}`, {result['date']}; in parentheses the mean difference to step 2 "
        "alone over the pairs, and its standard error.",
        "",
        "| step | colour error | SSIM | ST-LPIPS |",
        "|---|---|---|---|",
    ]
    for name, title in STEPS.items():
        row = result["trained"]["steps"][name]
        told = [_beside(row[score], digits) for score, digits in SCORES.items()]
        lines.append(f"| {title} | {' | '.join(told)} |")
    turns = result["trained"]["half_turns"]
    mirrored = ", ".join(
        f"{title} {_change(turns['rows']['mirror'][score])}"
        for score, title in (("l1", "colour error"), ("ssim", "SSIM"), ("stlpips", "ST-LPIPS"))
    )
    took = result["trained"]["milliseconds"]
    return [
        *lines,
        "",
        f"Milliseconds of one core a warp: flow enlarged {took['enlarge']:.1f}, painted "
        f"{took['paint']:.1f}, quality {took['measure']:.1f}; a source: person spread "
        f"{took['spread_person, a source']:.1f}, person inpainted "
        f"{took['without_person, a source']:.1f}.",
        "",
        f"Half turns, {turns['pairs']} of the {result['pairs']} pairs, with `mirror` against "
        f"`allow`, measured against the target's view: {mirrored}.",
    ]


def refused(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Tabulate refused_poses_test.json and refused_poses_tune.json: shares by flaw."""
    test = results["test"]
    told = [
        f"`{run['command']}`, {run['hardware'].split(',')[0]}, {run['date']}"
        for run in results.values()
    ]
    lines = [
        f"{'; '.join(told)}. {test['ms_each']:.0f} ms to examine a crop.",
        "",
        f"| refused for | {' | '.join(f'{part} people' for part in results)} |",
        "|---" * (len(results) + 1) + "|",
    ]
    for flaw in test["flaws"]:
        shares = [f"{run['flaws'].get(flaw, 0) / run['examined']:.1%}" for run in results.values()]
        lines.append(f"| {flaw} | {' | '.join(shares)} |")
    whole = [f"{run['refused'] / run['examined']:.1%}" for run in results.values()]
    return [*lines, f"| all | {' | '.join(whole)} |"]


def floor(result: Mapping[str, Any]) -> list[str]:
    """Tabulate skeleton_floor.json: what one flow for all people of a skeleton must miss."""
    lines = [
        f"`{result['command']}`, {result['hardware']}, {result['date']}: {result['pairs']} pairs "
        f"of {result['people']} reference people, 95 % intervals over {result['interval_over']}.",
        "",
        "| people share the joints and differ in | least | of others | shipped flow "
        "| torso affine |",
        "|---|---|---|---|---|",
    ]
    for name, title in SHARING.items():
        row = result["groups"][name]
        low, high = row["floor_ci"]
        cells = [f"{row['floor']:.2f} ({low:.2f} to {high:.2f})"]
        cells += [f"{row[key]:.2f}" for key in ("others", "market", "torso-affine")]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    both = result["groups"]["both"]
    parts = "; ".join(
        f"{part} {both[f'floor {part}']:.1f} to {both[f'others {part}']:.1f}, shipped flow "
        f"{both[f'market {part}']:.1f}"
        for part in ("legs", "torso", "arms", "head")
    )
    return [*lines, "", f"By part of the body, all of it different: {parts}."]


def _pair(row: Mapping[str, float], which: str, between: str = " | ") -> str:
    return between.join(f"{row[f'{score}{which}']:.2f}" for score in ("l1", "stlpips"))


def _beside(values: list[float], digits: int) -> str:
    value, difference, error = values
    told = f"{value:.{digits}f}"
    return told if error == 0 else f"{told} ({difference:+.{digits}f} ± {error:.{digits + 1}f})"


def _change(values: list[float]) -> str:
    _, difference, error = values
    return f"{difference:+.3f} ± {error:.3f}"
