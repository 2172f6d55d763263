"""The page and the ``report.json`` of a demo, from its run folders."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reidaug.augment.target_poses import read_poses
from reidaug.data.images import encode_png, read_image
from reidaug.experiments.demo_samples import flow_samples, pick_crops, pick_gallery
from reidaug.flow.checkpoint import load_checkpoint
from reidaug.machine import describe
from reidaug.report.demo_page import Demo, World, demo_page
from reidaug.report.experiment import FinetuneReport, read_report
from reidaug.report.figures import warp_sheet
from reidaug.report.reid_section import Gallery
from reidaug.report.verdicts import headline
from reidaug.runs import RunFolder

FLOW_PANELS = {
    "exact": "Distance to the exact flow",
    "l1": "Warp against target: l1",
    "structure": "Warp against target: 1 \N{MINUS SIGN} SSIM",
    "affine": "Affine task",
}
CROPS_SHOWN = 6
PEOPLE_ON_SHEET = 4


class Shown(NamedTuple):
    """Sizes of the page: people and poses in the gallery, test pairs with their flow."""

    people: int
    poses: int
    pairs: int


class Page(NamedTuple):
    """The files of a demo."""

    headline: str  # whether warps helped, in one line
    html: str  # ``report.html``
    report: dict[str, Any]  # ``report.json``
    warps: bytes  # ``warps.png``, people and their warps


def make_page(
    out: Path,
    worlds: Sequence[str],
    *,
    times: Mapping[str, float],
    commands: Sequence[str],
    shown: Shown,
) -> Page:
    """Write the page and the report of a demo.

    Args:
        out: The demo's folder.
        worlds: Its worlds; the first is described in full.
        times: Seconds of every stage.
        commands: The commands of the stages.
        shown: Numbers of examples on the page.
    """
    flow = _report(out / "flow")
    size = (flow["size"][0], flow["size"][1])
    samples = flow_samples(
        out / "pairs", load_checkpoint(out / "flow" / "checkpoint"), size=size, count=shown.pairs
    )
    experiments = [_world(out / name, name, shown) for name in worlds]
    hardware = describe()
    demo = Demo(
        flow=flow,
        flow_records=RunFolder(out / "flow", resumed=True).records(),
        flow_panels=FLOW_PANELS,
        flow_samples=samples,
        worlds=experiments,
        times=list(times.items()),
        commands="\n".join(commands),
        hardware=hardware,
    )
    report = {
        "flow": flow,
        "augment": experiments[0].augment,
        "reid": experiments[0].reid.as_dict(),
        "world": experiments[0].name,
        "worlds": {w.name: {"augment": w.augment, "reid": w.reid.as_dict()} for w in experiments},
        "seconds": {title: round(seconds, 1) for title, seconds in times.items()},
        "commands": list(commands),
        "hardware": hardware,
    }
    first = experiments[0]
    return Page(headline(first.reid), demo_page(demo), report, _warp_sheet(first.gallery))


def _report(folder: Path) -> dict[str, Any]:
    return RunFolder(folder, resumed=True).finished() or {}


def _world(root: Path, name: str, shown: Shown) -> World:
    warps, reid = root / "warps_grey", read_report(_report(root / "reid"), FinetuneReport)
    targets = read_poses(warps / "poses.json")
    gallery = pick_gallery(
        root / "market",
        warps,
        root / "true_views_grey",
        targets,
        people=shown.people,
        poses=shown.poses,
    )
    crops = pick_crops(root / "market", CROPS_SHOWN)
    return World(name, reid.train_people, crops, gallery, _report(warps), reid)


def _warp_sheet(gallery: Gallery) -> bytes:
    people = slice(0, PEOPLE_ON_SHEET)
    picture = warp_sheet(
        [read_image(path) for path in gallery.sources[people]],
        gallery.poses,
        [[read_image(path) for path in row] for row in gallery.warps[people]],
    )
    return encode_png(picture)
