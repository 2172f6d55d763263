"""The re-ID section of a page: warps, and their effect on a re-ID model."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import cycle, product
from pathlib import Path
from typing import Any, NamedTuple

from reidaug.geometry.pose import Pose, select
from reidaug.report import charts, figures
from reidaug.report.charts import Curve
from reidaug.report.experiment import ExperimentReport, FinetuneReport, Scores
from reidaug.report.html import (
    PageChart,
    PageImage,
    chart,
    drawing,
    mean_and_spread,
    number,
    photo,
    signed,
    thousands,
)
from reidaug.report.page import Block, Cell, Charts, GridRow, Heading, People, Row, Table, Text
from reidaug.report.verdicts import (
    ARM_NAMES,
    ARM_NOTES,
    findings,
    mean_and_std,
    name_of,
    seed_differences,
    spread,
)

ARM_CURVES = {
    "real_only": Curve(ARM_NAMES["real_only"], 4),
    "identity_grey": Curve(ARM_NAMES["identity_grey"], 3),
    "affine_grey": Curve(ARM_NAMES["affine_grey"], 1),
    "warps_grey": Curve(ARM_NAMES["warps_grey"], 0, strong=True),
    "true_views_grey": Curve(ARM_NAMES["true_views_grey"], 2, stroke=1),
}

Place = tuple[int, int, str, float]
"""Seed, round, part and step of a logged value."""


class Gallery(NamedTuple):
    """People warped into poses, as files."""

    size: tuple[int, int]  # (height, width) of the images
    poses: Pose  # the target poses shown (T, 18, 2)
    sources: Sequence[Path]  # one source image a person
    warps: Sequence[Sequence[Path]]  # per person one warp a pose
    truths: Sequence[Sequence[Path | None]]  # per person the true view in each pose, if any


def cmc_picture(cmc: Mapping[str, Sequence[float]]) -> bytes:
    """Draw CMC curves as a PNG file of its own.

    Args:
        cmc: Per arm or model: percent of queries with a match within the first 1, 2, ... ranks.
    """
    return charts.png(charts.cmc_curves(cmc, lines_of(cmc), charts.LIGHT))


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


def people_in_poses(gallery: Gallery, label: str, caption: str) -> People:
    """Show a gallery: the poses above, a row of warps a person, true views below where known."""
    return People(label, pose_header(gallery), gallery_rows(gallery), caption)


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


def experiment_blocks(
    reid: ExperimentReport, before: Mapping[str, Scores], facts: str
) -> list[Block]:
    """Present an experiment: verdicts, charts, the table of its arms, and all differences.

    Args:
        reid: Its report.
        before: Scores of the stages before the arms, by name.
        facts: How it was made, in a line.
    """
    order = [
        *(a for a in ARM_CURVES if a in reid.arms),
        *(a for a in reid.arms if a not in ARM_CURVES),
    ]
    scores = {arm: reid.arms[arm]["mAP"] for arm in order}
    lines = lines_of(dict.fromkeys([*order, *reid.cmc]))
    best = reid.gain_over_best_control
    control = None if best is None else best.vs
    means = ", ".join(f"{name_of(a)} {statistics.fmean(v):.1f}" for a, v in scores.items())
    dotted = (
        "" if control is None else f" Dotted line: the best control ({name_of(control).lower()})."
    )
    points = chart(
        partial(charts.arm_points, scores, lines, reference=control),
        f"mAP in percent by arm, mean over seeds: {means}",
    )
    blocks: list[Block] = [Text(findings(reid))]
    images = [
        (
            points,
            f"Small dots: single seeds. Large: their mean; band: ± one standard deviation.{dotted}",
        )
    ]
    if cmc := {arm: reid.cmc[arm] for arm in lines if arm in reid.cmc}:
        images.append((cmc_chart(cmc), "Share of queries with a right match among the first "
                       "results; mean over seeds."))  # fmt: skip
    blocks += [Charts(images), _arm_table(reid, before, order, control, facts)]
    return blocks + _differences(reid)


def finetune_blocks(reid: FinetuneReport) -> list[Block]:
    """Present a fine-tuning experiment."""
    start = "one model" if len(reid.start["mAP"]) == 1 else "one model for each seed"
    facts = (
        f"{reid.backbone}, {reid.protocol}; all arms start from {start} and take "
        f"{thousands(reid.steps)} steps"
    )
    return experiment_blocks(reid, {"Before fine-tuning": reid.start}, facts)


def cmc_chart(cmc: Mapping[str, Sequence[float]]) -> PageChart:
    """Embed the CMC curves of arms or models."""
    return chart(
        partial(charts.cmc_curves, cmc, lines_of(cmc)),
        "Cumulative match curves, mean over seeds; the table holds Rank-1 and Rank-5",
    )


def training_blocks(records: Sequence[Mapping[str, Any]], key: str = "loss") -> list[Block]:
    """Show the loss of every stage and arm in one chart, of its first seed; or nothing."""
    # By stage, the values by seed, round, part and step: a step that was taken again counts once.
    found: dict[str, dict[Place, float]] = {}
    for record in records:
        stage, step, value = record.get("stage"), record.get("step", ""), record.get(key, "")
        seed, turn = record.get("seed") or 0, record.get("round") or 0
        if not isinstance(stage, str) or not charts.are_numbers(step, value, seed, turn):
            continue
        part = str(record.get("part") or "~")  # those with a name come before the rest
        place = (seed, turn, part, float(step))
        found.setdefault(stage, {})[place] = float(value)
    lines = {stage: _one_after_another(found[stage]) for stage in sorted(found)}
    if not any(len(points) > 1 for points in lines.values()):
        return []
    image = chart(
        partial(charts.training_lines, lines, lines_of(lines), "Loss"), "Loss by optimiser step"
    )
    some = [(image, "Running mean of the loss of every stage and arm, with its first seed.")]
    return [Heading("Training curves"), Charts(some)]


def _one_after_another(values: Mapping[Place, float]) -> list[tuple[float, float]]:
    """Order the values of the first seed; rounds and parts, which count steps anew, follow on."""
    first = min(values)[0]
    points: list[tuple[float, float]] = []
    before, last = 0.0, None
    for place in sorted(place for place in values if place[0] == first):
        if place[:3] != last and points:
            before = points[-1][0]
        last = place[:3]
        points.append((before + place[3], values[place]))
    return points


def _arm_table(
    reid: ExperimentReport,
    before: Mapping[str, Scores],
    order: Sequence[str],
    control: str | None,
    facts: str,
) -> Table:
    rows = [
        _arm_row(name, scores, note="what the arms start from") for name, scores in before.items()
    ]
    method = None if reid.gain_mAP is None else reid.gain_mAP.arm
    base = "real_only" if reid.gain_mAP is None else reid.gain_mAP.vs
    for arm in order:
        gains = [
            mean_and_std(seed_differences(reid, arm, vs)) if vs in reid.arms and vs != arm else "–"
            for vs in (base, control)
        ]
        extra = f"{thousands(reid.extra_crops.get(arm, 0))} extra crops"
        note = "; ".join(filter(None, (ARM_NOTES.get(arm), extra)))
        rows.append(_arm_row(name_of(arm), reid.arms[arm], gains, note, strong=arm == method))
    return Table(
        "Scores of the arms",
        ("Trained on", "mAP, %", "each seed", "Rank-1, %", "Rank-5, %",
         f"mAP gain over\n{name_of(base).lower()}", "mAP gain over\nbest control"),
        rows,
        f"{facts}; seeds {', '.join(map(str, reid.seeds))}. ± is one standard deviation over "
        "seeds; gains are taken seed by seed.",
    )  # fmt: skip


def _arm_row(
    name: str, scores: Scores, gains: Sequence[str] = (), note: str = "", *, strong: bool = False
) -> Row:
    seeds = " · ".join(number(value) for value in scores["mAP"])
    ranks = [
        mean_and_spread(values) if (values := scores.get(key)) else "–"
        for key in ("rank1", "rank5")
    ]
    texts = (mean_and_spread(scores["mAP"]), seeds, *ranks, *(gains or ("–", "–")))
    return Row(name, tuple(Cell(text) for text in texts), note, strong)


def _differences(reid: ExperimentReport) -> list[Block]:
    """Show the method beside every other arm, with intervals and verdicts by Holm's rule."""
    if not reid.differences:
        return []
    gains = {name_of(vs): gain for vs, gain in reid.differences.items()}
    first = next(iter(gains.values()))
    method = name_of(first.arm)
    rows = [
        Row(
            name,
            (
                Cell(signed(gain.mean, 2), spread(gain, 2)),
                Cell(f"{signed(gain.ci[0], 2)} to {signed(gain.ci[1], 2)}"),
                Cell(gain.words, best=gain.evident),
            ),
        )
        for name, gain in gains.items()
    ]
    bars = {name: (g.mean, *g.ci, g.evident) for name, g in gains.items()}
    image = chart(
        partial(charts.intervals, bars, unit="mAP gained over the other arm"),
        "mAP differences with their intervals; the table holds them",
    )
    return [
        Heading(f"{method} against every other arm"),
        Charts([(image, "Filled: more than chance explains, by Holm's rule among all arms.")]),
        Table(
            f"{method} against every other arm",
            ("Against", "mAP", f"95 % interval over {first.interval_over}", "by Holm's rule"),
            rows,
        ),
    ]
