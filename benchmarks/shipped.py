"""The flow inside the package: a hash of its weights, and its part of docs/results.md."""

import hashlib
from pathlib import Path
from typing import Any

from provenance import read_result
from turns import TURNS

from reidaug.flow.builtin import SHIPPED, checkpoint_of

ROWS = {"checkpoint": "shipped flow", "joint_blend": "joint blend", "torso_affine": "torso affine"}
TURNED = {"mirror": "mirrored", "drop": "dropped"}
ASKED = "pck_missing_wrong"  # joints in place over joints asked for: one not found is not in place
JOINTS = {"true": "true", "blazepose": "BlazePose's"}


def weights_of(flow: str) -> str | None:
    """Hash the weights of a flow by name: the first digits of their SHA-256."""
    folder = checkpoint_of(flow)
    path = None if folder is None else folder / "model.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path and path.is_file() else None


def shipped(results: Path) -> list[str]:
    """Write the section on the flow inside the package of docs/results.md.

    Args:
        results: Folder of the files that `checkpoint.py`, `round_trip.py` and `crops_at_once.py`
            write; what is missing, or was measured with other weights, is left out.

    Returns:
        Lines of Markdown.
    """
    lines: list[str] = []
    for name, section in (
        ("checkpoint", _errors),
        ("round_trip", _trip),
        ("round_trip_mirror", _trip),
        ("round_trip_estimated", _trip),
        ("crops_at_once", _at_once),
    ):
        run = of_these_weights(results / f"{name}.json")
        lines += section(run) if run else []
    return [*lines, ""] if lines else []


def of_these_weights(path: Path) -> dict[str, Any] | None:
    """Read a result; None without one, or if it was measured with other weights."""
    if not path.exists():
        return None
    run = read_result(path)
    return run if run["weights"] == weights_of(SHIPPED) else None


def _errors(run: dict[str, Any]) -> list[str]:
    lines = [
        f"**The flow inside the package** (`{run['command']}`, {run['date']}): end-point error "
        f"in pixels of 128 x 64 over the points that both pictures show, {run['pairs']:,} pairs "
        f"of {run['people']} people never trained on, {run['cut']:.0%} of the pictures with "
        "legs cut off; mean with 95 % interval over people, and median:",
        "",
        f"| joints | {' | '.join(ROWS.values())} | goal |",
        "|---" * (len(ROWS) + 2) + "|",
    ]
    for joints, title in JOINTS.items():
        rows, goal = run["joints"][joints], run["goals"][joints]
        cells = [
            f"{_bounded(rows[row], 'epe_px', 2)}, {rows[row]['epe_px_median']:.2f}" for row in ROWS
        ]
        lines.append(f"| {title} | {' | '.join(cells)} | {goal['epe_px']}: {_reached(goal)} |")
    groups = run["joints"]["true"]["checkpoint"]["groups"]
    listed = [f"{name} {groups[name]['epe_px']:.2f}" for name in TURNS]
    return [*lines, "", f"With true joints by how far the person turns: {', '.join(listed)}.", ""]


def _trip(run: dict[str, Any]) -> list[str]:
    pose, identity, goals = run["pose"], run["identity"], run["goals"]
    turns = ", ".join(f"{name} {row[ASKED]:.2f}" for name, row in pose["warps"]["turns"].items())
    asked = _reached({"reached": pose["warps"][ASKED] >= goals["pck"]["at_least"]})
    found = {what: 100 * identity[what]["rank1"] for what in ("warps", "true_views")}
    turned = "" if run["turns"] == "allow" else f", half turns {TURNED[run['turns']]}"
    return [
        f"- Round trip with {JOINTS[run['joints']]} joints{turned} (`{run['command']}`, "
        f"{run['date']}): BlazePose finds {_bounded(pose['warps'], ASKED, 3)} of the joints asked "
        f"of warps in place ({turns}; true views {pose['true_views'][ASKED]:.3f}; goal "
        f"{goals['pck']['at_least']}: {asked}), {_bounded(pose['warps'], 'pck', 3)} of those it "
        "finds at all; a re-ID model finds the right person first for "
        f"{found['warps']:.1f} % of warps and {found['true_views']:.1f} % of true views, a ratio "
        f"of {_bounded(identity['ratio'], 'rank1', 3)} (goal {goals['ratio']['at_least']}: "
        f"{_reached(goals['ratio'])})."
    ]


def _at_once(run: dict[str, Any]) -> list[str]:
    pose, warped = run["pose"], run["augment"]
    return [
        f"- Crops without keypoints, one command (`{run['command']}`, {run['date']}): "
        f"{run['crops']:,} crops, joints and masks at {pose['crops_per_s']:.0f} crops per second, "
        f"{warped['images']:,} warps at {warped['images_per_s']:.0f} per second, "
        f"{run['wall_s']:.0f} s in all with "
        f"{run['workers']} processes."
    ]


def _reached(goal: dict[str, Any]) -> str:
    return "reached" if goal["reached"] else "not reached"


def _bounded(row: dict[str, Any], name: str, digits: int) -> str:
    low, high = row[f"{name}_ci"]
    return f"{row[name]:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
