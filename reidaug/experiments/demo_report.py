"""The ``report.json`` of a demo, and what its page shows, from its run folders."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reidaug.augment.target_poses import read_poses
from reidaug.data.images import encode_png, read_image
from reidaug.errors import ReidaugError
from reidaug.experiments.demo import DemoSizes, folded
from reidaug.experiments.demo_samples import flow_samples, pick_crops, pick_gallery
from reidaug.flow.checkpoint import load_checkpoint
from reidaug.machine import describe
from reidaug.report.demo_page import Demo, World
from reidaug.report.experiment import FinetuneReport, read_report
from reidaug.report.figures import warp_sheet
from reidaug.report.reid_section import Gallery
from reidaug.runs import RunFolder

FLOW_PANELS = {
    "exact": "Distance to the exact flow",
    "l1": "Warp against target: l1",
    "structure": "Warp against target: 1 \N{MINUS SIGN} SSIM",
    "affine": "Affine task",
}
CROPS_SHOWN = 6
PEOPLE_ON_SHEET = 4


def make_report(
    out: Path, worlds: Sequence[str], *, times: Mapping[str, float], commands: Sequence[str]
) -> dict[str, Any]:
    """Put the ``report.json`` of a demo together from the reports of its stages.

    Args:
        out: The demo's folder.
        worlds: Its worlds; the first is described in full.
        times: Seconds of every stage.
        commands: The commands of the stages.
    """
    found = {
        name: {"augment": _report(out / name / "warps_grey"), "reid": _report(out / name / "reid")}
        for name in worlds
    }
    return {
        "flow": _report(out / "flow"),
        **found[worlds[0]],
        "world": worlds[0],
        "worlds": found,
        "seconds": {title: round(seconds, 1) for title, seconds in times.items()},
        "commands": list(commands),
        "hardware": describe(),
    }


def demo_of(out: Path, report: Mapping[str, Any], recipe: Mapping[str, Any]) -> Demo:
    """Collect what the page of a demo shows: its report, and samples of its stages.

    Args:
        out: The demo's folder.
        report: Its report.
        recipe: Its recipe.

    Raises:
        ReidaugError: A stage is missing or damaged, or the report is.
    """
    try:
        sizes = DemoSizes(**recipe["sizes"])
        flow, (height, width) = report["flow"], report["flow"]["size"]
        samples = flow_samples(
            out / "pairs",
            load_checkpoint(out / "flow" / "checkpoint"),
            size=(height, width),
            count=sizes.pairs_shown,
        )
        return Demo(
            flow=flow,
            flow_records=RunFolder(out / "flow", resumed=True).records(),
            flow_panels=FLOW_PANELS,
            flow_samples=samples,
            worlds=[_world(out / name, name, one, sizes) for name, one in report["worlds"].items()],
            times=list(report["seconds"].items()),
            commands="\n".join(folded(command) for command in report["commands"]),
            hardware=report["hardware"],
        )
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise ReidaugError(
            f"{out}: its report is damaged, or of another version ({type(error).__name__})"
        ) from None


def warps_picture(demo: Demo) -> bytes:
    """Draw ``warps.png``, people of the first world and their warps."""
    return _warp_sheet(demo.worlds[0].gallery)


def _report(folder: Path) -> dict[str, Any]:
    return RunFolder(folder, resumed=True).finished() or {}


def _world(root: Path, name: str, report: Mapping[str, Any], sizes: DemoSizes) -> World:
    reid = read_report(report["reid"], FinetuneReport)
    gallery = pick_gallery(
        root / "market",
        root / "warps_grey",
        root / "true_views_grey",
        read_poses(root / "warps_grey" / "poses.json"),
        people=sizes.people_shown,
        poses=sizes.poses_shown,
    )
    crops = pick_crops(root / "market", CROPS_SHOWN)
    return World(name, reid.train_people, crops, gallery, report["augment"], reid)


def _warp_sheet(gallery: Gallery) -> bytes:
    people = slice(0, PEOPLE_ON_SHEET)
    picture = warp_sheet(
        [read_image(path) for path in gallery.sources[people]],
        gallery.poses,
        [[read_image(path) for path in row] for row in gallery.warps[people]],
    )
    return encode_png(picture)
