"""What surface flow is worth, as Markdown: docs/surface-flow.md."""

from pathlib import Path
from typing import Any

from provenance import read_result

FLOWS = {
    "own_pose_grey": "own pose on grey",
    "torso_affine": "torso affine",
    "flow_mirror": "W-SA, half turns mirrored",
    "surface_mirror": "**surface flow**",
}
TURNS = ("front or back to side", "side to front or back")


def on_photographs(results: Path) -> list[str]:
    """Tabulate, for each flow, what it keeps of people and of poses: photographs_round_trips."""
    result = _read(results, "photographs_round_trips")
    own = result["identity"]["own_pose_grey"]["rank1"]
    lines = [
        _source(result),
        "",
        "| | Rank-1 | of own pose on grey | front to side | side to front | over torso affine "
        "| joints in place | left and right exchanged |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, title in FLOWS.items():
        rank1 = result["identity"][name]["rank1"]
        cells = [title, f"{rank1:.1f}", _round(rank1 / own, 2)]
        for turn in TURNS:
            pairs = result["by_turn"][turn]["identity"]
            cells.append(_round(pairs[name]["rank1"] / pairs["own_pose_grey"]["rank1"], 2))
        over = result["over_torso_affine"].get(name)
        cells.append("" if over is None else f"{over['rank1']:+.1f} {_between(over['interval'])}")
        cells += [_round(result["pose"][name][key], 3) for key in ("asked", "exchanged")]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| | width of the shoulders, warp over crop | differences between crops left | the same of "
        "the area | differences left |",
        "|---|---|---|---|---|",
    ]
    for name, title in FLOWS.items():
        shape = [result["shape"][name][kind] for kind in ("shoulder_width", "area")]
        cells = [_round(part[key], 2) for part in shape for key in ("median", "from_source")]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def on_rendered_people(results: Path) -> list[str]:
    """Tabulate errors on rendered people: surface_flow, checkpoint_market, checkpoint_surface."""
    outlines = _read(results, "surface_flow")
    mean = outlines["mean"]
    checks = {name: _read(results, f"checkpoint_{name}") for name in ("market", "surface")}
    rows = [
        ("torso affine", checks["surface"], "torso_affine"),
        ("W-SA", checks["market"], "checkpoint"),
        ("**surface flow**", checks["surface"], "checkpoint"),
    ]
    lines = [
        f"{_source(outlines)}: with BlazePose's joints and masks the outline overlaps the true one "
        f"of the same person by an IoU of {_round(mean['outline_iou'], 2)}, the limbs of the true "
        f"joints by {_round(mean['limbs_iou'], 2)}; the flow is {mean['flow_px']:.1f} pixels off "
        f"where the crop shows the place, before it is refined {mean['matched_px']:.1f}.",
        "",
        f"{_source(checks['surface'])}: {checks['surface']['pairs']} pairs, the same for W-SA.",
        "",
        "| | true joints: EPE, ST-LPIPS | BlazePose's joints: EPE, ST-LPIPS |",
        "|---|---|---|",
    ]
    for title, check, row in rows:
        cells = [
            f"{found['epe_px']:.1f}, {_round(found['stlpips_alex'], 3)}"
            for found in (check["joints"][kind][row] for kind in ("true", "blazepose"))
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def by_eye(results: Path) -> list[str]:
    """Tabulate what judges said, and the speed: judged_warps, augment_rate."""
    judged, rate = _read(results, "judged_warps"), _read(results, "augment_rate")
    rows = {"flow_allow": ("W-SA", "market"), "surface_mirror": ("**surface flow**", "surface")}
    lines = [
        f"{_source(judged)}: {judged['warps']} people, agreement {_round(judged['agreement'], 2)}."
        f" Warps a second: {_source(rate)}.",
        "",
        "| | good | usable | broken | what is not good, times named | warps a second |",
        "|---|---|---|---|---|---|",
    ]
    for name, (title, flow) in rows.items():
        found = judged["roots"][name]
        shares = [
            f"{found[grade]:.0%}".replace("%", " %") for grade in ("good", "usable", "broken")
        ]
        reasons = ", ".join(f"{reason} {times}" for reason, times in found["reasons"].items())
        rates = rate["rows"][f"{flow}-bfloat16"]["images_per_s"]
        lines.append(f"| {title} | {' | '.join(shares)} | {reasons} | {rates:.0f} |")
    return lines


def _read(results: Path, name: str) -> dict[str, Any]:
    return read_result(results / f"{name}.json")


def _round(value: float, digits: int) -> str:
    return f"{value:.{digits}f}"


def _source(result: dict[str, Any]) -> str:
    return f"`{result['command']}` ({result['hardware'].split(',')[0]}, {result['date']})"


def _between(interval: list[float]) -> str:
    return f"({interval[0]:+.1f} to {interval[1]:+.1f})"
