"""Results on photographs as Markdown: docs/photographs.md."""

from typing import Any

from multiplicity import verdict

NAMES = {
    "raw": "the crop itself",
    "own_pose_grey": "own pose on grey",
    "torso_affine": "torso affine",
    "joint_blend": "joint blend",
    "flow_allow": "W-SA (`market`)",
    "flow_mirror": "W-SA (`market`), half turns mirrored",
    "surface_allow": "**surface flow**",
    "surface_mirror": "**surface flow**, half turns mirrored",
}
MEASURES = {"shoulder_width": "width of the shoulders", "area": "area of the outline"}


def round_trips(result: dict[str, Any]) -> list[str]:
    """Write the tables of photographs_round_trips.json."""
    counts = result["counts"]
    lines = [
        f"`{result['command']}`, {result['hardware']}, {result['date']}: {counts['crops']} crops "
        f"of {counts['people']} {result['part']} people, {counts['poses']} target poses, "
        f"{counts['pairs']:,} pairs; a gallery of {counts['gallery']:,} crops, "
        f"{counts['distractors']:,} of them of others. 95 % intervals over people.",
        "",
    ]
    return [
        *lines,
        *_identity(result),
        *_joints(result),
        *_turns(result),
        *_quality(result),
        *_shape(result),
    ]


VIEWS = {
    "flip": "mirror image",
    "grey": "crop on grey, own pose",
    "torso_affine": "torso affine",
    "market": "**W-SA**",
    "surface": "**surface flow**",
    "grey_other": "crop on other grounds, own pose",
    "torso_affine_other": "torso affine, on other grounds",
    "market_other": "**W-SA**, on other grounds",
    "surface_other": "**surface flow**, on other grounds",
}


def averaging(result: dict[str, Any]) -> list[str]:
    """Write the table of uses_test_time.json."""
    lines = [
        f"`{result['command']}`, {result['hardware']}, {result['date']}: "
        f"{result['queries']} queries and {result['gallery']:,} gallery crops of "
        f"{result['people']} test people; weights, "
        "numbers of poses and sides were chosen on tune people (`--part tune`). 95 % intervals "
        "over people.",
        "",
        *_averaged_rows(result, result["chosen_on_tune"], "the crops alone"),
    ]
    if again := result.get("reranked"):
        lines += [
            "",
            "The same searches re-ranked (k-reciprocal); gains are over the crops alone, "
            "re-ranked:",
            "",
            *_averaged_rows(again, result["chosen_on_tune"], "these"),
        ]
    return lines


def _averaged_rows(found: dict[str, Any], chosen: dict[str, Any], plain: str) -> list[str]:
    rows = found["rows"].items()
    over = {"gain": f"mAP over {plain}", "over_controls": "over the best control"}
    if any("over_grey" in row for _, row in rows):
        over["over_grey"] = "over grey"
    alone = [f"{found['plain'][score]:.1f}" for score in ("mAP", "rank1")]
    table = [
        ["views beside the crop", "passes a crop", "mAP", "Rank-1", *over.values()],
        ["---"] * (4 + len(over)),
        ["none", "1", *alone, *[""] * len(over)],
    ]
    for name, row in rows:
        scores = [f"{row[score]:.1f}" for score in ("mAP", "rank1")]
        gains = [_gain(row[kind]) if row.get(kind) else "" for kind in over]
        table.append([VIEWS[name], str(1 + chosen[name]["poses"]), *scores, *gains])
    return [f"| {' | '.join(cells)} |" for cells in table]


def _gain(found: dict[str, Any]) -> str:
    value = f"{_number(found['mean'], 1, '+')} {_between(found['interval'], 1, '+')}"
    return f"{value}: {verdict(found)}"


def _identity(result: dict[str, Any]) -> list[str]:
    lines = [
        "**Is it the right person?** In percent:",
        "",
        "| | Rank-1 | mAP | Rank-1 over torso affine |",
        "|---|---|---|---|",
    ]
    for name, row in result["identity"].items():
        over = result["over_torso_affine"].get(name)
        cells = [
            f"{_number(row['rank1'], 1)} {_between(row['interval'], 1)}",
            f"{_number(row['mAP'], 1)} {_between(row['mAP_interval'], 1)}",
            f"{_number(over['rank1'], 1, '+')} {_between(over['interval'], 1, '+')}"
            if over
            else "",
        ]
        lines.append(f"| {NAMES[name]} | {' | '.join(cells)} |")
    return [*lines, ""]


def _joints(result: dict[str, Any]) -> list[str]:
    lines = [
        "**Is it the pose asked for?** Shares of the joints asked for:",
        "",
        "| | in place | of those the crop shows too | without the head | found anywhere "
        "| in place, of those found | left and right exchanged |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in result["pose"].items():
        cells = [f"{row['asked']:.3f} {_between(row['asked_ci'], 3)}"]
        cells += [f"{row[key]:.3f}" for key in ("both", "body", "found", "pck", "exchanged")]
        lines.append(f"| {NAMES[name]} | {' | '.join(cells)} |")
    return [*lines, ""]


def _turns(result: dict[str, Any]) -> list[str]:
    turns = result["by_turn"]
    titles = " | ".join(f"{name} ({row['pairs']:,})" for name, row in turns.items())
    lines = [
        "**By turn**, from the crop to the target pose (pairs): Rank-1, and the share of joints in "
        "place:",
        "",
        f"| | {titles} |",
        "|---" * (len(turns) + 1) + "|",
    ]
    for name in result["identity"]:
        cells = []
        for row in turns.values():
            joints = row["pose"].get(name)
            cells.append(_number(row["identity"][name]["rank1"], 1))
            cells[-1] += f", {_number(joints['asked'], 2)}" if joints else ""
        lines.append(f"| {NAMES[name]} | {' | '.join(cells)} |")
    return [*lines, ""]


def _quality(result: dict[str, Any]) -> list[str]:
    rows = result["by_quality"]
    bins = list(next(iter(rows.values())))
    lines = [
        "**By `quality`**: Rank-1 as a share of that of own pose on grey for the same pairs "
        "(number of pairs):",
        "",
        f"| | {' | '.join(bins)} |",
        "|---" * (len(bins) + 1) + "|",
    ]
    for name, row in rows.items():
        cells = [
            f"{_number(row[k]['share'], 2)} {_between(row[k].get('share_ci'), 2)} "
            f"({row[k]['pairs']:,})"
            for k in bins
        ]
        lines.append(f"| {NAMES[name]} | {' | '.join(cells)} |")
    return [*lines, ""]


def _shape(result: dict[str, Any]) -> list[str]:
    lines = ["**Is it the same body?** Pairs from front to front and back to back:", ""]
    for measure, title in MEASURES.items():
        lines += [
            f"| {title} | median of warp over crop | changed by more than 1.25 "
            "| differences left between crops | differences taken from targets |",
            "|---|---|---|---|---|",
        ]
        for name, rows in result["shape"].items():
            row = rows[measure]["same_view"]
            cells = [_number(row[key], 2) for key in ("median", "beyond")]
            cells += [
                f"{_number(row[key], 2)} {_between(row.get(f'{key}_ci'), 2)}"
                for key in ("from_source", "from_target")
            ]
            lines.append(f"| {NAMES[name]} | {' | '.join(cells)} |")
        lines.append("")
    return lines


def _number(value: float | None, digits: int, sign: str = "") -> str:
    return "-" if value is None else f"{round(value, digits) + 0:{sign}.{digits}f}"  # never -0


def _between(interval: list[float] | None, digits: int, sign: str = "") -> str:
    if interval is None:
        return ""
    low, high = (_number(end, digits, sign) for end in interval)
    return f"({low} to {high})"
