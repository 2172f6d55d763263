"""Flow on a page: pictures of test pairs, training curves, table of scores."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.pose import Pose
from reidaug.report import charts, figures
from reidaug.report.figures import Picture
from reidaug.report.flow_colours import displacement, flow_colours
from reidaug.report.html import PageImage, chart, drawing, number

ROW_NAMES = {
    "unwarpme": ("UnWarpME", "learned"),
    "joint_blend": ("Joint blend", "displacements of the joints, by inverse distance"),
    "torso_affine": ("Torso affine", "one least-squares affine on the joints"),
    "identity": ("Identity", "the source as it is"),
}
GREY = (128, 128, 128)  # background of warps, as `reidaug augment` leaves it by default


class Score(NamedTuple):
    """A column of the score table: its key, heading, unit, digits, and which end is good."""

    key: str
    name: str
    unit: str
    decimals: int
    higher: bool = False


SCORES = (
    Score("epe_px", "EPE", "px", 2),
    Score("l1", "l1", "of 255", 1),
    Score("l1_32", "l1 at 32 × 32", "of 255", 1),
    Score("ssim", "SSIM", "", 3, higher=True),
    Score("stlpips_alex", "ST-LPIPS", "AlexNet", 3),
    Score("stlpips_vgg", "ST-LPIPS", "VGG-16", 3),
    Score("lpips", "LPIPS", "", 3),
)


class Cell(NamedTuple):
    """A score as the table shows it: the number, its interval, whether it is the best."""

    text: str
    interval: str
    best: bool


class ScoreRow(NamedTuple):
    """An estimator's row of the score table."""

    name: str
    note: str
    strong: bool
    cells: tuple[Cell, ...]


class FlowSample(NamedTuple):
    """A test pair with its exact flow and its estimated flow."""

    source: Picture
    target: Picture
    source_pose: Pose  # joints of the source (18, 2) in its pixels
    target_pose: Pose  # joints of the target (18, 2) in its pixels
    exact: Float[Tensor, "2 H W"]
    visible: Bool[Tensor, "H W"]  # target pixels whose surface point the source shows (H, W)
    body: Bool[Tensor, "H W"]  # target pixels that show the person (H, W)
    estimated: Float[Tensor, "2 H W"]
    warp: Picture  # the source warped along the estimate


def longest_displacement(samples: Sequence[FlowSample]) -> float:
    """Displacement of full saturation, in pixels.

    The largest over pairs of the 98th percentile over visible target pixels.
    """
    lengths = []
    for sample in samples:
        size = (sample.source.shape[-2], sample.source.shape[-1])
        moved = displacement(sample.exact, size).norm(dim=0)[sample.visible]
        if moved.numel():
            lengths.append(float(moved.quantile(0.98)))
    return max([*lengths, 1.0])


def flow_rows(samples: Sequence[FlowSample]) -> list[list[PageImage]]:
    """Draw a row a pair: source, target pose, exact flow, estimate (in one scale), warp, target."""
    longest = longest_displacement(samples)
    rows = []
    for k, sample in enumerate(samples, 1):
        size = (sample.source.shape[-2], sample.source.shape[-1])
        colours = partial(flow_colours, size=size, longest=longest)
        exact = colours(sample.exact, visible=sample.visible)
        estimated = colours(sample.estimated, visible=sample.body)
        background = figures.blank(size, GREY)
        rows.append(
            [
                _with_pose(sample.source, sample.source_pose, f"Pair {k}: source with its pose"),
                _with_pose(figures.blank(size), sample.target_pose, f"Pair {k}: target pose"),
                drawing(exact, f"Pair {k}: exact flow in colours"),
                drawing(estimated, f"Pair {k}: estimated flow in colours"),
                drawing(sample.warp.where(sample.body, background), f"Pair {k}: warped source"),
                drawing(sample.target, f"Pair {k}: the true target"),
            ]
        )
    return rows


def _with_pose(picture: Picture, pose: Pose, alt: str) -> PageImage:
    return drawing(figures.draw_skeleton(picture, pose, scale=2), alt)


def flow_charts(records: Sequence[Mapping[str, Any]], panels: Mapping[str, str]) -> list[PageImage]:
    """Draw the logged training curves.

    Args:
        records: Records of a ``log.jsonl``.
        panels: Title of each chart by its key; keys that were not logged are left out.
    """
    return [
        chart(partial(charts.training_curve, records, key, title), f"Training curve: {title}")
        for key, title in panels.items()
        if any("step" in record and key in record for record in records)
    ]


def score_columns(flow: Mapping[str, Any]) -> list[Score]:
    """List the scores that every estimator in a report of `reidaug train-flow` has."""
    return [s for s in SCORES if all(s.key in row for row in flow["rows"].values())]


def score_rows(flow: Mapping[str, Any]) -> list[ScoreRow]:
    """Fill the score table of a report of `reidaug train-flow`, the learned estimator first."""
    rows, columns = flow["rows"], score_columns(flow)
    best = {s.key: (max if s.higher else min)(row[s.key] for row in rows.values()) for s in columns}
    order = [*(k for k in ROW_NAMES if k in rows), *(k for k in rows if k not in ROW_NAMES)]
    table = []
    for key in order:
        name, note = ROW_NAMES.get(key, (key, ""))
        cells = tuple(
            Cell(
                number(rows[key][s.key], s.decimals),
                _interval(rows[key].get(f"{s.key}_ci"), s.decimals),
                rows[key][s.key] == best[s.key],
            )
            for s in columns
        )
        table.append(ScoreRow(name, note, key == "unwarpme", cells))
    return table


def _interval(interval: Sequence[float] | None, decimals: int) -> str:
    if interval is None:
        return ""
    return f"{number(interval[0], decimals)} – {number(interval[1], decimals)}"
