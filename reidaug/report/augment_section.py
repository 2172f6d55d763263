"""Page of an augmented dataset: contact sheet, flows of some warps, quality by viewpoint."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reidaug.augment.warp_sheet import SHEET
from reidaug.report import figures
from reidaug.report.augment_samples import UNKNOWN, AugmentedSamples, Cell, WarpSample
from reidaug.report.figures import Picture, blank
from reidaug.report.flow_colours import colour_wheel, displacement, flow_colours
from reidaug.report.flow_section import COLOURS, halves
from reidaug.report.html import PageImage, drawing, number, scaled, thousands
from reidaug.report.page import (
    Block,
    Pictures,
    Row,
    Section,
    Sheet,
    Table,
    Text,
    Tile,
)
from reidaug.report.page import Cell as TableCell

CROP_PIXELS = 2**15  # of a single crop on a page: 256 x 128
VIEWS = ("front", "side", "back", UNKNOWN)


def augment_tiles(report: Mapping[str, Any]) -> list[Tile]:
    """Give the three numbers of an augmented dataset that matter: images, quality, what is kept."""
    made = report["images"] + report["rejected"] + report["turned"]
    kept = 100 * report["images"] / max(made, 1)
    return [
        Tile(thousands(report["images"]), "warps", "written", main=True),
        Tile(number(report["quality"], 2), "", "mean quality, 1 is an image in its own pose"),
        Tile(number(kept, 0), "%", "of the warps that were made are kept"),
    ]


BORROWED = (
    "The outline of a warp is that of the person whose pose it takes: trousers can fill the "
    "outline of a skirt."
)


def warps_section(
    folder: Path,
    report: Mapping[str, Any],
    recipe: Mapping[str, Any],
    pixels: int,
    *,
    borrowed: bool = False,
) -> Section:
    """Show the contact sheet, of so many pixels at most.

    Args:
        folder: The augmented dataset.
        report: Its report.
        recipe: Its recipe.
        pixels: Most pixels of the sheet.
        borrowed: Whether warps have the outlines of other people, see `AugmentedSamples`.
    """
    targets = "their own pose" if report["own_pose"] else f"{report['poses']} poses"
    if report.get("poses_each"):
        targets = f"{report['poses_each']} of {report['poses']} poses each"
    lines = [
        f"{thousands(report['sources'])} of {thousands(report['training_images'])} training images "
        f"in {targets}, at {report['size'][0]} × {report['size'][1]}, by {report['flow']}."
    ]
    if report["poor"]:
        lines.append(
            f"{thousands(report['poor'])} of the warps show too little of their image; "
            "--min-quality leaves them out."
        )
    alt = "Contact sheet: people in rows, each warped into the poses of the header"
    caption = ["Left: source images."]
    if not report["own_pose"]:
        caption.append("Above: the images that poses come from, and their joints.")
    if empty := _empty_cells(report, recipe):
        caption.append(f"White: {', '.join(empty)}.")
    if borrowed:
        caption.append(BORROWED)
    sheet = Sheet(scaled(folder / SHEET, alt, pixels), " ".join(caption))
    return Section("warps", "Warps", [Text(lines), sheet])


def _empty_cells(report: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[str]:
    """Say which cells of the contact sheet have no warp."""
    least = number(recipe.get("min_quality"), 2)
    return [
        *(["poses that an image was not warped into"] if report.get("poses_each") else []),
        *([f"warps left out, of a quality below {least}"] if report["rejected"] else []),
        *(["half turns left out"] if report["turned"] else []),
    ]


def flow_samples_section(found: AugmentedSamples, *, own_pose: bool = False) -> Section:
    """Show some warps beside their sources, target poses and flows."""
    if not found.samples:
        return Section("flow", "Flow", [Text([f"Flows cannot be shown: {found.why_not}"])])
    which = "Warps" if own_pose else "Warps into poses of other images,"
    longest = max(_reach(sample) for sample in found.samples)
    rows = [_pictures(k, sample, longest) for k, sample in enumerate(found.samples, 1)]
    blocks: list[Block] = [
        Text([f"{which} chosen by number, never by looks, and the flow that made each."]),
        Pictures(
            "Sources, target poses, flows and warps",
            ("source", "target pose", "flow", "warp"),
            halves(rows),
            drawing(colour_wheel(168), "Colour wheel of directions"),
            COLOURS.format(number(longest, 0), "not the person."),
        ),
    ]
    return Section("flow", "Flow", blocks)


def _size(sample: WarpSample) -> tuple[int, int]:
    return sample.flow.shape[-2], sample.flow.shape[-1]


def _reach(sample: WarpSample) -> float:
    """Find the 98th percentile of the displacements of the person, in pixels; 1 at least."""
    moved = displacement(sample.flow, _size(sample)).norm(dim=0)[sample.outline]
    return max(1.0, float(moved.quantile(0.98))) if moved.numel() else 1.0


def _pictures(k: int, sample: WarpSample, longest: float) -> list[PageImage]:
    size = _size(sample)
    flow: Picture = flow_colours(sample.flow, size, longest=longest, visible=sample.outline)
    scale = 2 if size[0] <= 160 else 1
    skeleton = figures.draw_skeleton(blank(size), sample.target, scale=scale)
    return [
        scaled(sample.source, f"Example {k}: source {sample.source.name}", CROP_PIXELS),
        drawing(skeleton, f"Example {k}: target pose as a stick figure"),
        drawing(flow, f"Example {k}: flow in colours"),
        scaled(sample.warp, f"Example {k}: warp {sample.warp.name}", CROP_PIXELS),
    ]


def quality_section(report: Mapping[str, Any], views: Mapping[tuple[str, str], Cell]) -> Section:
    """Show the mean quality by the views of source and target, and how many warps are kept."""
    blocks: list[Block] = []
    if views:
        blocks.append(_by_view(views))
    given = ", ".join(f"{thousands(n)} {kind}" for kind, n in report["pose_from"].items())
    facts = [
        f"Quality is what the flow, the outlines and the two poses tell without a true view. "
        f"Poses of the training images: {given}."
    ]
    if report.get("pck") is not None:
        facts.append(f"Joints found again in the warps: mean PCK {number(report['pck'], 2)}.")
    return Section("quality", "Quality by viewpoint", [Text(facts), *blocks])


def _by_view(views: Mapping[tuple[str, str], Cell]) -> Table:
    into = [view for view in VIEWS if any(key[1] == view for key in views)]
    rows = []
    for side in VIEWS:
        cells: Sequence[TableCell] = [_quality(views.get((side, view))) for view in into]
        if any(key[0] == side for key in views):
            name = "view not known" if side == UNKNOWN else f"seen from the {side}"
            rows.append(Row(name, cells))
    head = [f"into {'an unknown view' if v == UNKNOWN else f'the {v}'}" for v in into]
    return Table(
        "Mean quality of warps by the views of source and target",
        ("Source", *head),
        rows,
        "Mean quality of the warps that are kept; small print: how many were made, and the share "
        "that is kept. A view is read from the order of shoulders and hips.",
    )


def _quality(cell: Cell | None) -> TableCell:
    if cell is None:
        return TableCell("–")
    kept = f"{thousands(cell.made)} warps, {number(100 * cell.kept / cell.made, 0)} % kept"
    return TableCell(number(cell.quality, 2) if cell.kept else "–", kept)
