"""What the drawing task teaches a flow, as Markdown: docs/paper.md."""

from collections.abc import Mapping
from typing import Any

ROWS = {
    "affine_only": "task 1 alone",
    "affine_half": "task 1 alone, as many steps of it as below",
    "warped": "both tasks, the warped source for R's image, two depths of the network of Eq. 6",
    "drawn_1": "both tasks, with R and D, one depth",
    "drawn_2": "**both tasks, with R and D, two depths**",
    "drawn_3": "both tasks, with R and D, three depths",
    "drawn_5": "both tasks, with R and D, all five depths, as the paper",
    "torso_affine": "torso affine",
    "identity": "identity",
}
SCORES = {"epe_px": ("EPE px", 2), "l1": ("l1", 2), "ssim": ("SSIM", 3),
          "stlpips_alex": ("ST-LPIPS (Alex)", 3)}  # fmt: skip


def drawing(result: Mapping[str, Any]) -> list[str]:
    """Write the tables of drawing_task.json."""
    height, width = result["size"]
    lines = [
        "### What the drawing task teaches, and why it once did not",
        "",
        f"`{result['command']}`, {result['hardware']}, {result['date']}; rendered people that no "
        f"table uses, {height} x {width}, batches of {result['batch']}; held-out people, 95 % "
        "intervals over people; one seed.",
        "",
        f"| W trained by | steps | {' | '.join(title for title, _ in SCORES.values())} |",
        "|---|---|---|---|---|---|",
    ]
    for name, title in ROWS.items():
        row, steps = result["rows"][name], result["steps"].get(name, "")
        cells = (_score(row, key, digits) for key, (_, digits) in SCORES.items())
        lines.append(f"| {title} | {steps} | {' | '.join(cells)} |")
    found = result["gradients"]
    lines += [
        "",
        "The perceptual loss of the source that the first of these W warps: what share of it each "
        "depth of the VGG-16 is, in absolute terms and in relation to the size of the target's "
        "features, and the cosine of its gradient with that of the exact flow:",
        "",
        "| resolution | depth | share, absolute | share, relative | cosine |",
        "|---|---|---|---|---|",
    ]
    for part in found["depths"]:
        shares = " | ".join(f"{part[f'share_{way}']:.1%}" for way in ("absolute", "relative"))
        lines.append(f"| {part['scale']:g} | {part['depth']} | {shares} | {part['cosine']:+.2f} |")
    for way, cosine in found["sums"].items():
        lines.append(f"| all | all, {way} | | | {cosine:+.2f} |")
    return [*lines, ""]


def _score(row: Mapping[str, Any], key: str, digits: int) -> str:
    text = f"{row[key]:.{digits}f}"
    if f"{key}_ci" in row:
        low, high = row[f"{key}_ci"]
        text += f" ({low:.{digits}f} to {high:.{digits}f})"
    return text
