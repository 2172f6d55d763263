"""What `reidaug augment` reports at its end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from reidaug.augment.background import mask_file
from reidaug.augment.engine import Totals
from reidaug.augment.inputs import Material
from reidaug.files import summarise_left_out
from reidaug.flow.builtin import OWN_POSE


def summary(
    material: Material, totals: Totals, *, flow: str, precision: str, masks: Path | None
) -> dict[str, Any]:
    """Sum up a finished run.

    Args:
        material: What it worked on.
        totals: What it made.
        flow: The flow, as the recipe names it.
        precision: Numbers of the flow network.
        masks: Folder of person masks, or None.

    Returns:
        The part of ``report.json`` that tells nothing of time.
    """
    targets = material.targets
    return {
        "sources": totals.sources,
        "poses": max(len(targets.images), 1),
        "images": totals.images,
        "rejected": totals.rejected,
        "turned": totals.turned,
        "left_out": len(material.left_out) + len(totals.left_out),
        "training_images": len(material.dataset.train),
        "quality": round(totals.quality, 4),
        "pck": None if totals.pck is None else round(totals.pck, 4),
        "size": list(targets.size),
        "flow": flow,
        "precision": precision,
        "pose_masks": sum(mask_file(name, masks) is not None for name in targets.images),
    }


def tell(out: Path, report: Mapping[str, Any]) -> None:
    """Say on the terminal what a run made and what it left out.

    Args:
        out: The dataset made.
        report: The content of its ``report.json``.
    """
    left_out = (out / "left_out.txt").read_text(encoding="utf-8").splitlines()
    if left_out:
        total = report["training_images"]
        click.echo(
            summarise_left_out(left_out, max(total, len(left_out)), what="entries"), err=True
        )
        click.echo(f"  all of them: {out / 'left_out.txt'}", err=True)
    for key, why in (("rejected", "below --min-quality"), ("turned", "half turns")):
        if report[key]:
            click.echo(f"{report[key]:,} warps not kept: {why}")
    checked = "" if report["pck"] is None else f", mean PCK {report['pck']:.2f}"
    click.echo(
        f"{report['images']:,} images: {report['sources']:,} of {report['training_images']:,} "
        f"training images in {_poses(report)}, {report['images_per_s']:.0f} images/s; "
        f"mean quality {report['quality']:.2f}{checked}; look at {out / 'contact_sheet.png'}"
    )


def _poses(report: Mapping[str, Any]) -> str:
    if report["flow"] == OWN_POSE:
        return "their own pose"
    return f"{report['poses']} {'pose' if report['poses'] == 1 else 'poses'}"
