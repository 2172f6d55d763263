"""The re-ID section of a page: warps, and their effect on a re-ID model."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import cycle, product
from pathlib import Path
from typing import NamedTuple

from reidaug.geometry.pose import Pose, select
from reidaug.report import charts, figures
from reidaug.report.charts import Curve
from reidaug.report.experiment import ExperimentReport, FinetuneReport, Scores
from reidaug.report.html import PageImage, chart, drawing, photo
from reidaug.report.verdicts import (
    ARM_NAMES,
    ARM_NOTES,
    findings,
    main_gains,
    mean_and_std,
    seed_differences,
)

ARM_CURVES = {
    "real_only": Curve(ARM_NAMES["real_only"], 4),
    "identity_grey": Curve(ARM_NAMES["identity_grey"], 3),
    "affine_grey": Curve(ARM_NAMES["affine_grey"], 1),
    "warps_grey": Curve(ARM_NAMES["warps_grey"], 0, strong=True),
    "true_views_grey": Curve(ARM_NAMES["true_views_grey"], 2, stroke=1),
}


class Gallery(NamedTuple):
    """People warped into poses, as files."""

    size: tuple[int, int]  # (height, width) of the images
    poses: Pose  # the target poses shown (T, 18, 2)
    sources: Sequence[Path]  # one source image a person
    warps: Sequence[Sequence[Path]]  # per person one warp a pose
    truths: Sequence[Sequence[Path | None]]  # per person the true view in each pose, if any


class GridRow(NamedTuple):
    """A row of the gallery: its name, the source where a person begins, one image a pose."""

    name: str
    source: PageImage | None
    cells: tuple[PageImage | None, ...]


class ArmRow(NamedTuple):
    """An arm's row of the table: its scores, and its mAP gains with their standard deviation."""

    name: str
    note: str
    scores: Scores
    over_real: str | None = None
    over_control: str | None = None
    strong: bool = False


class WorldSection(NamedTuple):
    """Section of the page about one rendered world."""

    name: str  # its name
    findings: list[str]  # sentences
    points: PageImage  # chart of every arm's mAP
    cmc: PageImage  # chart of every arm's CMC curve
    rows: list[ArmRow]  # the table
    control: str  # name of the best control
    reid: FinetuneReport  # report of `reidaug finetune-eval`


def cmc_picture(cmc: Mapping[str, Sequence[float]]) -> bytes:
    """Draw CMC curves as a PNG file of its own.

    Args:
        cmc: Per arm or model: percent of queries with a match within the first 1, 2, ... ranks.
    """
    return charts.png(charts.cmc_curves(cmc, lines_of(cmc), charts.LIGHT), clear=False)


def lines_of(names: Iterable[str]) -> dict[str, Curve]:
    """Choose a line for every arm or model: known arms have theirs, others take what is left.

    Beyond fifteen unknown names lines repeat.
    """
    known = {(curve.colour, curve.stroke) for curve in ARM_CURVES.values()}
    every = product(range(len(charts.STROKES)), range(len(charts.LIGHT.series)))
    left = cycle([(colour, stroke) for stroke, colour in every if (colour, stroke) not in known])
    return {name: ARM_CURVES.get(name) or Curve(name, *next(left)) for name in names}


def pose_header(gallery: Gallery) -> list[PageImage]:
    """Draw the target poses, a stick figure each."""
    blank = figures.blank(gallery.size)
    poses = [select(gallery.poses, t) for t in range(gallery.poses.xy.shape[0])]
    return [
        drawing(figures.draw_skeleton(blank, pose, scale=2), f"Target pose {t}: stick figure")
        for t, pose in enumerate(poses, 1)
    ]


def gallery_rows(gallery: Gallery) -> list[GridRow]:
    """Arrange the gallery: a row of warps per person and, where known, a row of true views."""
    rows = []
    people = zip(gallery.sources, gallery.warps, gallery.truths, strict=True)
    for k, (source, warps, truths) in enumerate(people, 1):
        made = tuple(
            photo(path, f"Person {k} warped into pose {t}") for t, path in enumerate(warps, 1)
        )
        rows.append(GridRow("warp", photo(source, f"Person {k}: source crop"), made))
        rendered = tuple(
            None if path is None else photo(path, f"True view of person {k} in pose {t}")
            for t, path in enumerate(truths, 1)
        )
        if any(rendered):
            rows.append(GridRow("true view", None, rendered))
    return rows


def world_section(name: str, reid: FinetuneReport) -> WorldSection:
    """Present the experiment in one world from its report of `reidaug finetune-eval`."""
    scores = {arm: reid.arms[arm]["mAP"] for arm in ARM_CURVES if arm in reid.arms}
    cmc = {arm: reid.cmc[arm] for arm in scores if arm in reid.cmc}
    control = main_gains(reid)[1].vs
    means = ", ".join(f"{ARM_NAMES[a]} {statistics.fmean(v):.1f}" for a, v in scores.items())
    start = ArmRow("Before fine-tuning", "what the arms start from", reid.start)
    return WorldSection(
        name,
        findings(reid),
        chart(
            partial(charts.arm_points, scores, ARM_CURVES, reference=control),
            f"mAP in percent by arm, mean over seeds: {means}",
        ),
        chart(
            partial(charts.cmc_curves, cmc, ARM_CURVES),
            "Cumulative match curves by arm, mean over seeds; the table holds Rank-1 and Rank-5",
        ),
        [start, *(_arm_row(reid, arm, control) for arm in scores)],
        ARM_NAMES[control],
        reid,
    )


def _arm_row(reid: ExperimentReport, arm: str, control: str) -> ArmRow:
    over_real, over_control = (
        None if arm == reference else mean_and_std(seed_differences(reid, arm, reference))
        for reference in ("real_only", control)
    )
    strong = arm == "warps_grey"
    return ArmRow(ARM_NAMES[arm], ARM_NOTES[arm], reid.arms[arm], over_real, over_control, strong)
