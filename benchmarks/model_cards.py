"""Model cards of the flows inside the package, as Markdown: docs/model-cards.md."""

from pathlib import Path
from typing import Any

import torch
from provenance import ROOT, read_result
from safetensors.torch import load_file
from shipped import JOINTS, weights_of

from reidaug.files import read_text
from reidaug.flow.builtin import checkpoint_of
from reidaug.yaml_values import parse_yaml

ROUND_TRIPS = {
    "market": ("weights", "flow_mirror"),
    "surface": ("surface_weights", "surface_mirror"),
}
"""Of each flow in the round trips of photographs: where its weights' hash is, and its row."""


def card(flow: str, results: Path) -> list[str]:
    """Tabulate a flow inside the package: its files, its training, and what was measured.

    Args:
        flow: Its name.
        results: Folder of the results; of those with other weights nothing is told.
    """
    folder = checkpoint_of(flow)
    if folder is None:
        raise ValueError(f"{flow} is no flow inside the package")
    path = folder / "model.safetensors"
    tensors = load_file(path)
    count = sum(tensor.numel() for tensor in tensors.values() if tensor.is_floating_point())
    half = all(t.dtype == torch.float16 for t in tensors.values() if t.is_floating_point())
    recipe: dict[str, Any] = parse_yaml(read_text(folder / "recipe.yaml"))
    schedule = recipe["schedule"]
    rows = {
        "file": f"`{path.relative_to(ROOT)}`, {path.stat().st_size / 1e6:.1f} MB",
        "SHA-256 begins": f"`{weights_of(flow)}`",
        "numbers in it": f"{count:,}{' of 16 bits' if half else ''}",
        "class": f"`{recipe['estimator']['class']}`",
        "last training": f"{schedule['steps']:,} steps of {recipe['batch']}, in "
        f"{recipe['precision']}, from weights of an earlier one",
        **_on_rendered_people(flow, results),
        **_on_photographs(flow, results),
    }
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]


def _on_rendered_people(flow: str, results: Path) -> dict[str, str]:
    path = results / f"checkpoint_{flow}.json"
    if not path.exists() or read_result(path)["weights"] != weights_of(flow):
        return {}
    result = read_result(path)
    cells = {}
    for joints, title in JOINTS.items():
        row = result["joints"][joints]["checkpoint"]
        low, high = row["epe_px_ci"]
        cells[f"end-point error, {title} joints"] = (
            f"{row['epe_px']:.2f} pixels of 128 x 64 ({low:.2f} to {high:.2f} over people)"
        )
    source = f"{result['pairs']} pairs of {result['people']} rendered people never trained on"
    return {**cells, "measured with": f"`{result['command']}`, {source} ({result['date']})"}


def _on_photographs(flow: str, results: Path) -> dict[str, str]:
    path = results / "photographs_round_trips.json"
    key, row = ROUND_TRIPS[flow]
    if not path.exists() or read_result(path)[key] != weights_of(flow):
        return {}
    result = read_result(path)
    found, own = (result["identity"][name] for name in (row, "own_pose_grey"))
    return {
        "the right photograph first": f"for {found['rank1']:.1f} % of its warps of test people, "
        f"half turns mirrored, for {own['rank1']:.1f} % of the same crops in their own pose",
        "found with": f"`{result['command']}` ({result['date']})",
    }
