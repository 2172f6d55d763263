"""Joints and outlines by BlazePose as Markdown: docs/pose.md."""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

PARTS = {
    "neck": ("neck",),
    "shoulders": ("right_shoulder", "left_shoulder"),
    "elbows": ("right_elbow", "left_elbow"),
    "wrists": ("right_wrist", "left_wrist"),
    "hips": ("right_hip", "left_hip"),
    "knees": ("right_knee", "left_knee"),
    "ankles": ("right_ankle", "left_ankle"),
    "nose, eyes": ("nose", "right_eye", "left_eye"),
    "ears": ("right_ear", "left_ear"),
}
CROPS = {
    "rendered_painted_out": "rendered crops with the person painted out",
    "photographs_painted_out": "photographs with the person painted out",
    "noise": "pictures of noise",
    "plain": "flat or shaded pictures",
}


def accuracy(result: Mapping[str, Any]) -> list[str]:
    """Tabulate pose_errors.json: joints, exchanged sides, presence, outlines."""
    lines = [
        f"`{result['command']}`, {result['hardware']}, {result['date']}: {result['crops']} crops "
        f"of {result['people']} rendered people. Medians and 95 % quantiles of the distance, in "
        "shares of the visible height, of joints in sight and called visible; means over the "
        "joints of a row.",
        "",
        "| joint | median | 95 % | called visible when in sight | when hidden |",
        "|---|---|---|---|---|",
    ]
    for title, names in PARTS.items():
        rows = [result["joints"][name] for name in names]
        cells = [f"{mean(row[key] for row in rows):.3f}" for key in ("median", "q95")]
        cells += [_share(row[key] for row in rows) for key in ("called_when_in_sight", HIDDEN)]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    views = ", ".join(
        f"{name} {view['swapped']:.0%}" for name, view in result["swapped_by_view"].items()
    )
    body, outline = result["body"], result["outline_iou"]
    both, found = result["between_joints_of_a_crop"], result["presence"]
    cut, empty = found["at_the_lower_edge"], found["person_painted_out"]
    clear = found["clear_of_the_lower_edge"]
    return [
        *lines,
        "",
        f"- Left and right exchanged: {result['swapped']:.0%} ({views}). 95 % of the body's joints "
        f"lie within {body['all']['q95']:.3f} of the height, without these crops within "
        f"{body['not_swapped']['q95']:.3f}.",
        f"- Errors of two joints of one crop correlate by {both['y']:.2f} up and down and by "
        f"{both['x']:.2f} across.",
        f"- Missed by the rule above: {cut['missed']:.1%} of the crops whose outline touches the "
        f"lower edge (by the network's own word, taken at one half, "
        f"{cut['missed_by_the_network']:.1%}), {clear['missed']:.1%} of the others. With the "
        f"person painted out {empty['taken_for_somebody']:.1%} still count as somebody "
        f"({empty['by_the_network']:.1%} by the network's word).",
        f"- The outline overlaps the true one by {outline['median']:.2f} (median intersection "
        f"over union; {outline['q05']:.2f} at the worst 5 %).",
        f"- {result['ms_per_crop_one_thread']:.0f} ms a crop on one thread.",
    ]


def tries(result: Mapping[str, Any]) -> list[str]:
    """Tabulate second_tries.json: what each try costs and finds, and where it errs."""
    missed = result["photographs_missed_at_first"]
    found = ["", *missed["second"]]
    lines = [
        f"`{result['command']}`, {result['hardware']}, {result['date']}: "
        f"{result['photographs']:,} photographs, of which the first estimate misses "
        f"{missed['crops']} and the tries recover {sum(missed['second'])}; errors of joints and "
        f"outlines on {result['rendered_crops']['crops']} rendered crops.",
        "",
        "| view | joint error, median, in shares of the height | outline, IoU | recovered |",
        "|---|---|---|---|",
    ]
    for k, row in enumerate(result["rendered"]):
        title = f"room of {row['room']:g}" if row["room"] else "as it is"
        title += ", mirrored" if row["mirrored"] else ""
        told = found[k] if k < len(found) else "not tried"
        lines.append(f"| {title} | {row['joint_error']:.3f} | {row['outline_iou']:.2f} | {told} |")
    lines += [
        "",
        "| nobody is there | taken for somebody at first | by second tries |",
        "|---" * 3 + "|",
    ]
    for name, title in CROPS.items():
        part = result[name]
        lines.append(f"| {part['crops']} {title} | {part['first']} | {sum(part['second'])} more |")
    return lines


HIDDEN = "called_when_hidden"


def _share(values: Sequence[float | None] | Any) -> str:
    known = [value for value in values if value is not None]
    return f"{mean(known):.2f}" if known else ""
