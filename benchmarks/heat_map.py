"""Gains over a grid of settings as a heat map."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from reidaug.report.charts import Theme

STRONG = 0.6  # share of the scale from which on cells are too dark for dark ink


class Spot(NamedTuple):
    """One cell of the map.

    Attributes:
        gain: In points.
        evident: Whether chance does not explain it; other gains are written faintly.
    """

    gain: float
    evident: bool


def heat_map(
    spots: Sequence[Sequence[Spot | None]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    row_title: str,
    column_title: str,
    unit: str,
    theme: Theme,
) -> Figure:
    """Draw gains, positive ones blue and negative ones orange.

    Args:
        spots: Rows of cells, the first row at the top; None where nothing is known.
        rows: What each row stands for.
        columns: What each column stands for.
        row_title: What the rows vary.
        column_title: What the columns vary.
        unit: What the gains are.
        theme: Colours.

    Returns:
        The figure. Gains with evidence are bold, the others faint.

    Raises:
        ValueError: The cells are not as many as rows and columns say, or there is none.
    """
    if len(spots) != len(rows) or any(len(line) != len(columns) for line in spots) or not rows:
        raise ValueError(f"{len(rows)} x {len(columns)} cells expected")
    values = np.array([[np.nan if s is None else s.gain for s in line] for line in spots])
    reach = max(1.0, float(np.nanmax(np.abs(values), initial=0.0)))
    colours = mpl.colors.LinearSegmentedColormap.from_list(
        "gains", [theme.series[1], "#f4f2ee", theme.series[0]]
    )
    figure = Figure(
        figsize=(1.5 + 1.05 * len(columns), 1.1 + 0.62 * len(rows)), layout="constrained"
    )
    FigureCanvasAgg(figure)
    cell = figure.subplots()
    norm = TwoSlopeNorm(0.0, -reach, reach)
    drawn = cell.imshow(values, cmap=colours, norm=norm, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        spot = spots[row][column]
        if spot is None:
            continue
        dark = abs(value) > STRONG * reach
        cell.text(
            column, row, f"{value:+.1f}", ha="center", va="center",
            color="white" if dark else "#1d2126", alpha=1.0 if spot.evident else 0.7,
            fontweight="bold" if spot.evident else "normal", fontsize=11,
        )  # fmt: skip
    cell.set_xticks(range(len(columns)), columns)
    cell.set_yticks(range(len(rows)), rows)
    cell.set_xlabel(column_title, color=theme.muted)
    cell.set_ylabel(row_title, color=theme.muted)
    cell.tick_params(colors=theme.ink, length=0)
    for spine in cell.spines.values():
        spine.set_visible(False)
    bar = figure.colorbar(drawn, ax=cell, shrink=0.9)
    bar.outline.set_visible(False)
    bar.set_label(unit, color=theme.muted)
    bar.ax.tick_params(colors=theme.muted, length=0)
    return figure
