"""Charts in a light and a dark theme: training curves, match curves, scores of arms."""

import io
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

DPI = 192
STROKES = ("-", (0, (4, 2)), (0, (1, 1.3)), (0, (6, 1.5, 1, 1.5)))
LEGEND_INSIDE = 8  # lines whose names find room beside the curves
LARGEST = 1e30  # of numbers that are drawn


class Theme(NamedTuple):
    """Colours of one appearance."""

    ink: str  # text and strong lines
    muted: str  # axis labels and faint marks
    rule: str  # grid lines
    series: tuple[str, ...]  # line colours, in order of use
    faint: float  # opacity of single values beside their mean


LIGHT = Theme(
    "#1d2126", "#616870", "#e3e1db", ("#0b62c4", "#c2570c", "#0f8a63", "#a83f82", "#7a7f87"), 0.28
)
DARK = Theme(
    "#eceae6", "#a3a9b1", "#343a42", ("#6db0ff", "#f2a065", "#4fcfa3", "#e58fc6", "#a3a9b1"), 0.36
)
THEMES = {"light": LIGHT, "dark": DARK}


class Curve(NamedTuple):
    """One line of a chart."""

    label: str  # its name in the legend
    colour: int  # index into the theme's series
    stroke: int = 0  # index into `STROKES`
    strong: bool = False  # whether it stands out


def png(figure: Figure) -> bytes:
    """Render a figure as PNG, on white and without a date; the same figure gives the same bytes."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


def training_curve(
    records: Sequence[Mapping[str, Any]], key: str, title: str, theme: Theme
) -> Figure:
    """Draw a training curve: the values faint, their running mean strong.

    Args:
        records: Records of a ``log.jsonl``; those with ``step`` and the key are drawn.
        key: The logged value.
        title: Title of the chart.
        theme: Colours.
    """
    points = [(r["step"], float(r[key])) for r in records if "step" in r and key in r]
    steps, values = [step for step, _ in points], [value for _, value in points]
    with _style(theme):
        figure, cell = _canvas((3.3, 2.2))
        cell.plot(steps, values, color=theme.series[0], alpha=theme.faint, linewidth=0.8)
        cell.plot(steps, running_mean(values), color=theme.series[0], linewidth=1.8)
        cell.set_title(title)
        cell.set_ylim(bottom=min([0.0, *values]))
        cell.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        cell.set_xlabel("training step")
        _frame(cell, theme)
    return figure


def are_numbers(*values: object) -> bool:
    """Whether values of a log can be drawn; one that is damaged may hold anything."""
    return all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
        for value in values
    )


def running_mean(values: Sequence[float], *, share: float = 0.06) -> list[float]:
    """Mean over a centred window, ``share`` of the curve on either side, smaller at both ends."""
    half = max(1, round(len(values) * share))
    smooth = []
    for k in range(len(values)):
        reach = min(half, k, len(values) - 1 - k)
        smooth.append(statistics.fmean(values[k - reach : k + reach + 1]))
    return smooth


def cmc_curves(
    cmc: Mapping[str, Sequence[float]], curves: Mapping[str, Curve], theme: Theme
) -> Figure:
    """Draw cumulative match curves, one line per arm.

    Args:
        cmc: Per arm the share of queries (percent) with a match within the first 1, 2, ... ranks.
        curves: How each arm is drawn.
        theme: Colours.
    """
    with _style(theme):
        outside = len(cmc) > LEGEND_INSIDE
        figure, cell = _canvas((6.6 if outside else 4.4, max(3.3, 0.22 * len(cmc) + 0.5)))
        for arm, values in cmc.items():
            curve = curves[arm]
            cell.plot(
                range(1, len(values) + 1),
                list(values),
                color=theme.series[curve.colour],
                linewidth=2.6 if curve.strong else 1.5,
                linestyle=STROKES[curve.stroke],
                label=curve.label,
                zorder=4 if curve.strong else 3,
            )
        cell.set_xlabel("first results looked at")
        cell.set_ylabel("queries with a match, %")
        longest = max((len(values) for values in cmc.values()), default=0)
        cell.set_xticks([rank for rank in (1, 5, 10, 15, 20, 30, 40, 50) if rank <= longest])
        _frame(cell, theme)
        if outside:
            figure.legend(loc="outside right center", frameon=False, labelcolor=theme.ink)
        else:
            cell.legend(loc="lower right", frameon=False, labelcolor=theme.ink)
    return figure


def arm_points(
    scores: Mapping[str, Sequence[float]],
    curves: Mapping[str, Curve],
    theme: Theme,
    *,
    unit: str = "mAP, %",
    reference: str | None = None,
) -> Figure:
    """Draw every seed of every arm, their mean, and one standard deviation around it.

    Args:
        scores: Per arm one score a seed, the seeds in the same order; rows from the top.
        curves: How each arm is drawn.
        theme: Colours.
        unit: Unit of the scores.
        reference: Arm whose mean is drawn as a line through all.
    """
    arms = list(scores)
    with _style(theme):
        figure, cell = _canvas((4.4, 0.7 + 0.56 * len(arms)))
        for row, arm in enumerate(arms):
            values = list(scores[arm])
            colour = theme.series[curves[arm].colour]
            mean = statistics.fmean(values)
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            height = -float(row)
            cell.plot(
                [mean - spread, mean + spread], [height] * 2,
                color=colour, alpha=theme.faint, linewidth=9, solid_capstyle="round",
            )  # fmt: skip
            lanes = [height + 0.09 * (len(values) - 1 - 2 * k) for k in range(len(values))]
            cell.plot(values, lanes, "o", color=colour, markersize=3.6, alpha=0.75, mew=0)
            cell.plot([mean], [height], "D" if curves[arm].strong else "o", color=colour,
                      markersize=8.5, zorder=5)  # fmt: skip
            cell.annotate(
                f"{mean:.1f}", (mean, height), xytext=(0, 11), textcoords="offset points",
                ha="center", color=theme.ink, fontsize=9.5,
                fontweight="bold" if curves[arm].strong else "normal",
            )  # fmt: skip
        if reference is not None:
            cell.axvline(statistics.fmean(scores[reference]), color=theme.muted, lw=1, ls=":")
        cell.set_yticks([-float(row) for row in range(len(arms))], [curves[a].label for a in arms])
        cell.set_ylim(-len(arms) + 0.4, 0.65)
        cell.set_xlabel(unit)
        _frame(cell, theme)
        cell.grid(visible=False, axis="y")
        cell.tick_params(axis="y", labelcolor=theme.ink, labelsize=9.5)
    return figure


def intervals(
    rows: Mapping[str, tuple[float, float, float, bool]], theme: Theme, *, unit: str
) -> Figure:
    """Draw means with their intervals, a row each from the top, and a line at 0.

    Args:
        rows: Mean, low and high end, and whether chance does not explain it, by name.
        theme: Colours.
        unit: Unit of the numbers.
    """
    with _style(theme):
        figure, cell = _canvas((4.4, 0.7 + 0.36 * len(rows)))
        for row, (mean, low, high, evident) in enumerate(rows.values()):
            colour = theme.series[0] if evident else theme.muted
            cell.plot([low, high], [-row] * 2, color=colour, linewidth=2.2, solid_capstyle="round")
            fill = colour if evident else "none"
            cell.plot([mean], [-row], "o", color=colour, mfc=fill, markersize=7, zorder=5)
        cell.axvline(0.0, color=theme.muted, lw=1, ls=":")
        cell.set_yticks([-row for row in range(len(rows))], list(rows))
        cell.set_ylim(-len(rows) + 0.4, 0.6)
        cell.set_xlabel(unit)
        _frame(cell, theme)
        cell.grid(visible=False, axis="y")
        cell.tick_params(axis="y", labelcolor=theme.ink, labelsize=9)
    return figure


def training_lines(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    curves: Mapping[str, Curve],
    title: str,
    theme: Theme,
) -> Figure:
    """Draw the running means of several trainings in one chart.

    Args:
        lines: Points (step, value) of each.
        curves: How each is drawn.
        title: Title of the chart.
        theme: Colours.
    """
    with _style(theme):
        figure, cell = _canvas((4.4, 3.1))
        for name, points in lines.items():
            curve = curves[name]
            cell.plot(
                [step for step, _ in points],
                running_mean([value for _, value in points]),
                color=theme.series[curve.colour],
                linestyle=STROKES[curve.stroke],
                linewidth=2.2 if curve.strong else 1.4,
                label=curve.label,
            )
        cell.set_title(title)
        cell.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        cell.set_xlabel("training step")
        _frame(cell, theme)
        cell.legend(frameon=False, labelcolor=theme.ink, fontsize=8)
    return figure


def _style(theme: Theme) -> Any:
    settings: dict[Any, Any] = {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.titlesize": 9.5,
        "axes.titlelocation": "left",
        "axes.titlecolor": theme.ink,
        "text.color": theme.ink,
        "axes.labelcolor": theme.muted,
        "path.simplify": False,
        "text.parse_math": False,  # names may have dollar signs
    }
    return mpl.rc_context(settings)


def _canvas(inches: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=inches, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _frame(cell: Axes, theme: Theme) -> None:
    for side, spine in cell.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(theme.rule)
    cell.tick_params(colors=theme.muted, length=0, labelsize=8.5)
    cell.grid(visible=True, color=theme.rule, linewidth=0.8)
    cell.set_axisbelow(True)
