"""The part of a page that shows warps and what they did to a re-ID model."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import cycle, product
from pathlib import Path
from typing import Any, NamedTuple

from reidaug.geometry.pose import Pose, select
from reidaug.report import charts, figures, verdicts
from reidaug.report.charts import Curve
from reidaug.report.html import PageImage, chart, drawing, photo

ARM_CURVES = {
    "real_only": Curve(verdicts.ARM_NAMES["real_only"], 4),
    "identity_grey": Curve(verdicts.ARM_NAMES["identity_grey"], 3),
    "affine_grey": Curve(verdicts.ARM_NAMES["affine_grey"], 1),
    "warps_grey": Curve(verdicts.ARM_NAMES["warps_grey"], 0, strong=True),
    "true_views_grey": Curve(verdicts.ARM_NAMES["true_views_grey"], 2, stroke=1),
}


class Gallery(NamedTuple):
    """People warped into poses, as files.

    Attributes:
        size: (height, width) of the images.
        poses: The target poses shown (T, 18, 2).
        sources: One source image a person.
        warps: Per person one warp a pose.
        truths: Per person the true view in each pose, where there is one.
    """

    size: tuple[int, int]
    poses: Pose
    sources: Sequence[Path]
    warps: Sequence[Sequence[Path]]
    truths: Sequence[Sequence[Path | None]]


class GridRow(NamedTuple):
    """A row of the gallery: its name, the source where a person begins, one image a pose."""

    name: str
    source: PageImage | None
    cells: tuple[PageImage | None, ...]


class ArmRow(NamedTuple):
    """An arm's row of the table: its scores, and its gains seed by seed."""

    name: str
    note: str
    strong: bool
    scores: Mapping[str, Sequence[float]]
    over_real: verdicts.Gain | None
    over_control: verdicts.Gain | None


class WorldPart(NamedTuple):
    """What the page says about one world."""

    name: str
    findings: list[str]
    points: PageImage
    cmc: PageImage
    rows: list[ArmRow]
    control: str
    augment: Mapping[str, Any]
    reid: Mapping[str, Any]


def cmc_picture(cmc: Mapping[str, Sequence[float]]) -> bytes:
    """Draw CMC curves as a picture file of its own.

    Args:
        cmc: Per arm or model the share of queries (percent) with a match within the first 1, 2,
            ... ranks.

    Returns:
        A PNG file.
    """
    return charts.png(charts.cmc_curves(cmc, lines_of(cmc), charts.LIGHT), clear=False)


def lines_of(names: Iterable[str]) -> dict[str, Curve]:
    """Give every arm or model a line of its own: known arms theirs, the others what is left.

    Args:
        names: Of the arms; beyond fifteen unknown ones lines come again.

    Returns:
        Their lines.
    """
    known = {(curve.colour, curve.stroke) for curve in ARM_CURVES.values()}
    every = product(range(len(charts.STROKES)), range(len(charts.LIGHT.series)))
    left = cycle([(colour, stroke) for stroke, colour in every if (colour, stroke) not in known])
    return {name: ARM_CURVES.get(name) or Curve(name, *next(left)) for name in names}


def pose_header(gallery: Gallery) -> list[PageImage]:
    """Draw the target poses.

    Args:
        gallery: The gallery.

    Returns:
        One stick figure a pose.
    """
    ground = figures.blank(gallery.size)
    poses = [select(gallery.poses, t) for t in range(gallery.poses.xy.shape[0])]
    return [
        drawing(figures.draw_skeleton(ground, pose, scale=2), f"Target pose {t}: stick figure")
        for t, pose in enumerate(poses, 1)
    ]


def gallery_rows(gallery: Gallery) -> list[GridRow]:
    """Lay out the gallery: a row of warps a person and, where known, a row of true views.

    Args:
        gallery: The gallery.

    Returns:
        Its rows.
    """
    rows = []
    people = zip(gallery.sources, gallery.warps, gallery.truths, strict=True)
    for k, (source, warps, truths) in enumerate(people, 1):
        made = tuple(
            photo(path, f"Person {k} warped into pose {t}") for t, path in enumerate(warps, 1)
        )
        rows.append(GridRow("warp", photo(source, f"Person {k}: source crop"), made))
        seen = tuple(
            None if path is None else photo(path, f"True view of person {k} in pose {t}")
            for t, path in enumerate(truths, 1)
        )
        if any(seen):
            rows.append(GridRow("true view", None, seen))
    return rows


def world_part(name: str, augment: Mapping[str, Any], reid: Mapping[str, Any]) -> WorldPart:
    """Say what happened in one world.

    Args:
        name: Its name.
        augment: Report of `reidaug augment`.
        reid: Report of `reidaug finetune-eval`.

    Returns:
        Sentences, charts and table.
    """
    arms = reid["arms"]
    scores = {arm: arms[arm]["mAP"] for arm in ARM_CURVES if arm in arms}
    cmc = {arm: reid["cmc"][arm] for arm in scores if arm in reid["cmc"]}
    control = reid["gain_over_best_control"]["vs"]
    means = ", ".join(
        f"{verdicts.ARM_NAMES[a]} {statistics.fmean(v):.1f}" for a, v in scores.items()
    )
    return WorldPart(
        name,
        verdicts.findings(reid),
        chart(
            partial(charts.arm_points, scores, ARM_CURVES, reference=control),
            f"mAP in percent by arm, mean over seeds: {means}",
        ),
        chart(
            partial(charts.cmc_curves, cmc, ARM_CURVES),
            "Cumulative match curves by arm, mean over seeds; the table holds Rank-1 and Rank-5",
        ),
        [*_start_row(reid), *(_arm_row(arm, arms, control) for arm in scores)],
        verdicts.ARM_NAMES[control],
        augment,
        reid,
    )


def _start_row(reid: Mapping[str, Any]) -> list[ArmRow]:
    """The model before all arms, where the report has it."""
    if "start" not in reid:
        return []
    return [ArmRow("Before fine-tuning", verdicts.START_NOTE, False, reid["start"], None, None)]


def _arm_row(name: str, arms: Mapping[str, Any], control: str) -> ArmRow:
    def gain(reference: str) -> verdicts.Gain | None:
        if name == reference:
            return None
        return verdicts.paired_gain(arms, name, reference)

    return ArmRow(
        verdicts.ARM_NAMES[name],
        verdicts.ARM_NOTES[name],
        name == "warps_grey",
        arms[name],
        gain("real_only"),
        gain(control),
    )
