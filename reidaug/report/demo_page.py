"""The page of `reidaug demo`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reidaug.geometry.pose import Pose
from reidaug.report import figures
from reidaug.report.augment_section import BORROWED
from reidaug.report.experiment import FinetuneReport
from reidaug.report.flow_section import FlowSample, curves, flow_pictures, score_table
from reidaug.report.html import PageImage, drawing, number, photo, signed, spelt, thousands
from reidaug.report.page import (
    Block,
    Code,
    Crops,
    Heading,
    Page,
    Part,
    Section,
    Text,
    Tile,
    Times,
    render_page,
)
from reidaug.report.reid_section import Gallery, finetune_blocks, people_in_poses
from reidaug.report.verdicts import ARM_NAMES, headline, main_gains, spread

SIDES = {"few-poses": "from one side only, while the test looks for them from all sides"}


class World(NamedTuple):
    """The re-ID experiment in one rendered world."""

    name: str  # ``few-poses`` or ``many-poses``
    people: int  # training people
    crops: Sequence[tuple[Path, Pose]]  # some training crops with their poses
    gallery: Gallery  # warps beside true views
    augment: Mapping[str, Any]  # report of `reidaug augment`
    reid: FinetuneReport  # report of `reidaug finetune-eval`


class Demo(NamedTuple):
    """Content of the page."""

    flow: Mapping[str, Any]  # report of `reidaug train-flow`: size, pairs, rows
    flow_records: Sequence[Mapping[str, Any]]  # its log
    flow_panels: Mapping[str, str]  # titles of the logged values worth a curve
    flow_samples: Sequence[FlowSample]  # some test pairs
    worlds: Sequence[World]  # the first one is described in full
    times: Sequence[tuple[str, float]]  # stages with their seconds
    commands: str  # the commands of the demo, one per line
    hardware: str  # machine it ran on


def demo_page(demo: Demo) -> str:
    """Fill the page; it is self-contained HTML."""
    return render_page(demo_content(demo))


def demo_content(demo: Demo) -> Page:
    """Put the page together."""
    world = demo.worlds[0]
    reid, seeds = world.reid, len(world.reid.seeds)
    lede = (
        "A flow estimator learned from rendered people how pixels move when a body changes its "
        f"pose. It then warped each of {thousands(world.augment['sources'])} training crops of "
        f"{thousands(world.people)} other people into {world.augment['poses']} poses. One re-ID "
        f"model, trained on the crops alone, was fine-tuned in {spelt(len(reid.arms))} ways, each "
        f"for {thousands(reid.steps)} steps with {spelt(seeds)} seed{'s' if seeds != 1 else ''}, "
        "and had to find people it was not trained on."
    )
    return Page(
        "reidaug demo",
        headline(reid),
        (lede,),
        [Part("", demo_sections(demo))],
        _tiles(demo),
        include="photographs.html",
        footer="Made by reidaug demo. The numbers of this page are in report.json beside it.",
    )


def demo_sections(demo: Demo) -> list[Section]:
    """Make the sections: people, flow, warps, re-identification, and how to do it again."""
    world = demo.worlds[0]
    sides = SIDES.get(world.name, "from all sides")
    people: list[Block] = [
        Text(
            [
                "Everybody here is rendered, so nothing had to be downloaded and everything is "
                "known exactly: the joints, the outline, and where each point of the body was "
                f"before it moved. In this world, {world.name}, each person is seen {sides}."
            ]
        ),
        Crops(
            [_crop(path, pose) for path, pose in world.crops],
            "Training crops and their 18 joints. Hidden joints are missing, as in real "
            "annotations.",
        ),
    ]
    return [
        Section("people", "People", people),
        _flow(demo),
        _warps(world),
        Section("reid", "Re-identification", _experiments(demo.worlds)),
        Section("reproduce", "Reproduce", _reproduce(demo)),
    ]


def _flow(demo: Demo) -> Section:
    height, width = demo.flow["size"]
    intro = (
        "The estimator is given two poses and no picture. For every pixel of the new pose it "
        f"gives the point of the source to sample. Scored on {demo.flow['pairs']} pairs of people "
        f"it was never trained on, at {height} × {width}."
    )
    blocks: list[Block] = [Text([intro]), flow_pictures(demo.flow_samples)]
    blocks += [Heading("Scores on held-out people"), score_table(demo.flow)]
    return Section("flow", "Flow", [*blocks, *curves(demo.flow_records, demo.flow_panels)])


def _warps(world: World) -> Section:
    poses = world.augment["poses"]
    intro = (
        f"Every training crop goes into the same {poses} poses, drawn from the training crops "
        "themselves, on a grey background."
    )
    if any(path is not None for row in world.gallery.truths for path in row):
        intro += (
            " Below each row of warps: the same person rendered again in that pose, which no "
            "photograph could give."
        )
    shown = world.gallery.poses.xy.shape[0]
    caption = (
        f"{shown} of the {poses} poses. A warp can only move what the source shows: a back cannot "
        f"become a face. {BORROWED}"
    )
    label = "Warps of several people into several poses"
    return Section(
        "warps", "Warps", [Text([intro]), people_in_poses(world.gallery, label, caption)]
    )


def _experiments(worlds: Sequence[World]) -> list[Block]:
    blocks: list[Block] = []
    for world in worlds:
        if len(worlds) > 1:
            blocks.append(Heading(f"World {world.name}"))
        blocks += finetune_blocks(world.reid)
    return blocks


def _reproduce(demo: Demo) -> list[Block]:
    return [
        Text(["The demo is these commands in a row; each one's --help is its manual."]),
        Code("Commands of the demo", demo.commands),
        Heading("How long it took"),
        Times(demo.times),
        Text([demo.hardware]),
    ]


def _tiles(demo: Demo) -> list[Tile]:
    rows, world = demo.flow["rows"], demo.worlds[0]
    over_real, over_control = main_gains(world.reid)
    control = ARM_NAMES[over_control.vs].lower()
    tiles = [
        Tile(
            signed(over_control.mean),
            f"mAP, {spread(over_control)}",
            f"warps over the best control ({control})",
            main=True,
        ),
        Tile(
            signed(over_real.mean),
            f"mAP, {spread(over_real)}",
            "warps over the original crops alone",
        ),
    ]
    ceiling = world.reid.ceiling
    if ceiling is not None and ceiling.share_recovered is not None:
        unit, label = "%", "of what true other views add, the ceiling"
        if ceiling.share_ci is not None:
            if ceiling.share_ci[0] <= 1 <= ceiling.share_ci[1]:
                label += ": as much, within chance"
            low, high = (number(100 * end, 0) for end in ceiling.share_ci)
            unit = f"% ({low} to {high})"
        tiles.append(Tile(number(100 * ceiling.share_recovered, 0), unit, label))
    affine = number(rows["torso_affine"]["epe_px"])
    label = f"flow error on held-out people; one affine map a pair: {affine} px"
    tiles.append(Tile(number(rows["unwarpme"]["epe_px"]), "px", label))
    rate = world.augment["images_per_s"]  # 0: an earlier run was killed after the last of them
    label = f"made at {thousands(rate)} per second" if rate else "made in an earlier run"
    tiles.append(Tile(thousands(world.augment["images"]), "warps", label))
    return tiles


def _crop(path: Path, pose: Pose) -> tuple[PageImage, PageImage]:
    crop = photo(path, f"Rendered training crop {path.stem}")
    size = (crop.height, crop.width)
    skeleton = figures.draw_skeleton(figures.blank(size), pose, scale=2)
    return crop, drawing(skeleton, f"Pose of crop {path.stem} as a stick figure")
