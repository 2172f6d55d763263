"""The page of `reidaug demo`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reidaug.geometry.pose import Pose
from reidaug.report import figures
from reidaug.report.experiment import FinetuneReport
from reidaug.report.flow_colours import colour_wheel
from reidaug.report.flow_section import (
    FlowSample,
    flow_charts,
    flow_rows,
    longest_displacement,
    score_columns,
    score_rows,
)
from reidaug.report.html import (
    PageImage,
    drawing,
    number,
    photo,
    render,
    signed,
    thousands,
)
from reidaug.report.reid_section import Gallery, gallery_rows, pose_header, world_section
from reidaug.report.verdicts import ARM_NAMES, headline, main_gains


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


class Tile(NamedTuple):
    """A number at the head of the page: its value, its unit, what it is."""

    value: str
    unit: str
    label: str
    main: bool = False


def demo_page(demo: Demo) -> str:
    """Fill the page; it is self-contained HTML."""
    world = demo.worlds[0]
    longest = max(seconds for _, seconds in demo.times)
    return render(
        "demo.html",
        {
            "headline": headline(world.reid),
            "tiles": _tiles(demo),
            "world": world,
            "crops": [_crop(path, pose) for path, pose in world.crops],
            "flow": demo.flow,
            "flow_tables": _halves(flow_rows(demo.flow_samples)),
            "flow_longest": longest_displacement(demo.flow_samples),
            "wheel": drawing(colour_wheel(168), "Colour wheel of directions"),
            "flow_charts": flow_charts(demo.flow_records, demo.flow_panels),
            "score_columns": score_columns(demo.flow),
            "score_rows": score_rows(demo.flow),
            "poses": pose_header(world.gallery),
            "gallery": gallery_rows(world.gallery),
            "arms": len(world.reid.arms),
            "worlds": [world_section(w.name, w.reid) for w in demo.worlds],
            "times": [(name, s, 100 * s / longest) for name, s in demo.times],
            "total": sum(seconds for _, seconds in demo.times),
            "commands": demo.commands,
            "hardware": demo.hardware,
        },
    )


def _tiles(demo: Demo) -> list[Tile]:
    rows, world = demo.flow["rows"], demo.worlds[0]
    over_real, over_control = main_gains(world.reid)
    control = ARM_NAMES[over_control.vs].lower()
    tiles = [
        Tile(
            signed(over_control.mean),
            f"± {number(over_control.std)} mAP",
            f"warps over the best control ({control})",
            main=True,
        ),
        Tile(
            signed(over_real.mean),
            f"± {number(over_real.std)} mAP",
            "warps over the original crops alone",
        ),
    ]
    ceiling = world.reid.ceiling
    if ceiling is not None and ceiling.share_recovered is not None:
        unit, label = "%", "of the ceiling recovered: what true other views would add"
        if ceiling.share_ci is not None:
            low, high = (number(100 * end, 0) for end in ceiling.share_ci)
            unit = f"% ({low} to {high})"
        tiles.append(Tile(number(100 * ceiling.share_recovered, 0), unit, label))
    affine = number(rows["torso_affine"]["epe_px"])
    label = f"flow error on held-out people; one affine map a pair: {affine} px"
    tiles.append(Tile(number(rows["unwarpme"]["epe_px"]), "px", label))
    label = f"made at {thousands(world.augment['images_per_s'])} per second"
    tiles.append(Tile(thousands(world.augment["images"]), "warps", label))
    return tiles


def _halves(rows: list[list[PageImage]]) -> list[list[list[PageImage]]]:
    """Split a long table in two that stand side by side where there is room."""
    middle = -(-len(rows) // 2)
    return [half for half in (rows[:middle], rows[middle:]) if half]


def _crop(path: Path, pose: Pose) -> tuple[PageImage, PageImage]:
    crop = photo(path, f"Rendered training crop {path.stem}")
    size = (crop.height, crop.width)
    skeleton = figures.draw_skeleton(figures.blank(size), pose, scale=2)
    return crop, drawing(skeleton, f"Pose of crop {path.stem} as a stick figure")
