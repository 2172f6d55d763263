"""Flow on a page: pictures of test pairs, training curves, table of scores."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.pose import Pose
from reidaug.report import charts, figures
from reidaug.report.figures import Picture
from reidaug.report.flow_colours import colour_wheel, displacement, flow_colours
from reidaug.report.html import PageChart, PageImage, chart, drawing, number
from reidaug.report.page import Block, Cell, Charts, Heading, Pictures, Row, Section, Table, Text

ROW_NAMES = {
    "unwarpme": ("UnWarpME", "learned"),
    "joint_blend": ("Joint blend", "displacements of the joints, by inverse distance"),
    "torso_affine": ("Torso affine", "one least-squares affine on the joints"),
    "identity": ("Identity", "the source as it is"),
}
COLOURS = (
    "Hue: the direction in which the source is sampled; to the right is red, down is yellow-green. "
    "Saturation: how far; the rim is {} px, white is not at all. Grey: {}"
)
PANELS = {
    "exact": "Distance to the exact flow",
    "l1": "Warp against target: l1",
    "structure": "Warp against target: 1 \N{MINUS SIGN} SSIM",
    "affine": "Affine task",
    "perceptual": "Warp against target: perceptual",
    "loss": "Loss",
}
"""Titles of the logged values of a training that are worth a curve."""
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


def flow_pictures(samples: Sequence[FlowSample]) -> Pictures:
    """Show test pairs in a table with the wheel of directions below."""
    hidden = "in the exact flow what the source does not show, in the estimate not the person."
    return Pictures(
        "Flow of several test pairs",
        ("source", "new pose", "exact flow", "estimate", "warp", "truth"),
        halves(flow_rows(samples)),
        drawing(colour_wheel(168), "Colour wheel of directions"),
        COLOURS.format(number(longest_displacement(samples), 0), hidden),
    )


def halves(rows: list[list[PageImage]]) -> list[list[list[PageImage]]]:
    """Split a long table in two that stand side by side where there is room."""
    middle = -(-len(rows) // 2)
    return [half for half in (rows[:middle], rows[middle:]) if half]


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


def flow_charts(records: Sequence[Mapping[str, Any]], panels: Mapping[str, str]) -> list[PageChart]:
    """Draw the logged training curves.

    Args:
        records: Records of a ``log.jsonl``.
        panels: Title of each chart by its key; keys that were not logged are left out.
    """
    drawn = []
    for key, title in panels.items():
        # A log may be damaged, or be written to.
        shown = [
            record for record in records if charts.are_numbers(record.get("step"), record.get(key))
        ]
        if shown:
            draw = partial(charts.training_curve, shown, key, title)
            drawn.append(chart(draw, f"Training curve: {title}"))
    return drawn


def curves(records: Sequence[Mapping[str, Any]], panels: Mapping[str, str]) -> list[Block]:
    """Show the logged training curves under a heading; nothing where there are none."""
    images = [(image, "") for image in flow_charts(records, panels)]
    caption = (
        "Terms of the loss on training pairs, by step: lower is better. The scores are of people "
        "held out. Faint: every logged step; strong: running mean."
    )
    return [Heading("Training curves"), Charts(images, caption, small=True)] if images else []


def training_section(
    report: Mapping[str, Any], records: Sequence[Mapping[str, Any]], where: str = ""
) -> Section:
    """Show what `reidaug train-flow` reports, and its log.

    Args:
        report: Its report: of pairs with rows of scores, or of surfaces with one number a score.
        records: Its log.
        where: What was scored, in a sentence.
    """
    blocks: list[Block] = [Text((where,))] if where else []
    if "rows" in report:
        blocks.append(score_table(report))
    else:
        values = {
            key: number(value, 3) if isinstance(value, float) else str(value)
            for key, value in report.items()
            if isinstance(value, int | float | str)
        }
        rows = [Row(key.replace("_", " "), (Cell(text),)) for key, text in values.items()]
        blocks.append(Table("Scores of the estimator", ("Score", "Value"), rows))
    return Section("flow", "Flow", [*blocks, *curves(records, PANELS)])


def score_table(report: Mapping[str, Any], strong: str = "unwarpme") -> Table:
    """Show the scores of all estimators of a report, that in question stressed."""
    columns = score_columns(report)
    head = [
        f"{c.name}{f' ({c.unit})' if c.unit else ''}\n{'higher' if c.higher else 'lower'} is better"
        for c in columns
    ]
    person = report.get("region") == "foreground"
    return Table(
        "Scores of the flow estimators",
        ("Estimator", *head),
        score_rows(report, strong),
        "EPE is the distance between estimated and exact sampling points, over pixels the source "
        "shows. "
        + ("The other scores compare the person alone, on grey. " if person else "")
        + f"Small print: 95 % bootstrap intervals over {report.get('interval_over', 'pairs')}. "
        "Bold: best of the column.",
    )


def score_columns(flow: Mapping[str, Any]) -> list[Score]:
    """List the scores that every estimator in a report of `reidaug train-flow` has."""
    rows = flow["rows"].values()
    return [s for s in SCORES if all(row.get(s.key) is not None for row in rows)]


def score_rows(flow: Mapping[str, Any], strong: str = "unwarpme") -> list[Row]:
    """Fill the score table of a report of `reidaug train-flow`, the learned estimator first."""
    rows, columns = flow["rows"], score_columns(flow)
    best = {s.key: (max if s.higher else min)(row[s.key] for row in rows.values()) for s in columns}
    own = [name for name in rows if name not in ROW_NAMES]
    order = [*own, *(name for name in ROW_NAMES if name in rows)]
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
        table.append(Row(name, cells, note, key == strong))
    return table


def _interval(interval: Sequence[float] | None, decimals: int) -> str:
    if interval is None:
        return ""
    return f"{number(interval[0], decimals)} – {number(interval[1], decimals)}"
