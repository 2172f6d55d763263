"""Where each garment lies on the body: the same rule for its thickness and for its colour."""

import numpy as np
from numpy.typing import NDArray

from reidaug.people3d import anatomy
from reidaug.people3d.anatomy import Chart
from reidaug.people3d.wardrobe import Look

Mask = NDArray[np.bool_]

# The hairline: its height over the front-to-back position of a point on the head.
_HAIRLINE_Y = (-0.17, -0.11, -0.065, -0.02, 0.05)
_HAIRLINE = {
    "short": (0.968, 0.955, 0.915, 0.85, 0.815),
    "full": (0.962, 0.945, 0.890, 0.82, 0.790),
    "cap": (0.955, 0.950, 0.945, 0.94, 0.935),
    "hood": (0.970, 0.960, 0.700, 0.70, 0.700),
}
_LIKE_FULL = ("bob", "long", "ponytail", "bun")


def top_covers(look: Look, chart: Chart) -> Mask:
    """Say where the top lies.

    Args:
        look: Who.
        chart: Points (P,).

    Returns:
        (P,).
    """
    x, y, z = chart.place.T
    top = look.top
    front = chart.way[:, 1] > 0
    neckline = anatomy.COLLAR + 0.015 + 0.12 * (y - anatomy.AXIS_Y)
    neckline = neckline - front * top.neck * np.exp(-((x / 0.06) ** 2))
    hem = anatomy.WAIST - 0.02 if top.skirt > 0 else top.hem
    within: Mask = (z > hem) & (z < neckline) & (chart.head < 0.6)
    bare = chart.arm > max(top.sleeve, 0.05)
    return (within | ((chart.arm > 0.2) & (chart.head < 0.1))) & ~bare


def bottom_covers(look: Look, chart: Chart) -> Mask:
    """Say where trousers lie."""
    z = chart.place[:, 2]
    covered: Mask = (z < anatomy.WAIST) & (chart.arm < 0.5) & (chart.leg <= look.bottom.length)
    return covered


def shoes_cover(look: Look, chart: Chart) -> Mask:
    """Say where the shoes lie."""
    covered: Mask = (chart.place[:, 2] < anatomy.SOLE + look.boots) & (chart.leg > 1.2)
    return covered


def hair_covers(look: Look, chart: Chart) -> Mask:
    """Say where the hair, the cap or the hood lies on the head."""
    style = look.hair.style
    if style == "bald":
        return np.zeros(len(chart.head), np.bool_)
    x, y, z = chart.place.T
    shape = "full" if style in _LIKE_FULL else style
    line = np.interp(y, _HAIRLINE_Y, _HAIRLINE[shape])
    # A parting rather than a straight fringe: the line is highest in the middle of the forehead.
    line = line - (0.5 * np.abs(x) if shape != "cap" else 0)
    covered: Mask = (z > line) & (chart.head > 0.5)
    if style in ("short", "full", "ponytail", "bun", "cap"):
        ear = (np.abs(x) > 0.078) & (z < 0.92) & (z > 0.83) & (y < 0.0) & (y > -0.1)
        covered &= ~ear
    return covered


def under_cap(look: Look, chart: Chart) -> Mask:
    """Say where hair shows below a cap."""
    if look.hair.style != "cap":
        return np.zeros(len(chart.head), np.bool_)
    return hair_covers(look._replace(hair=look.hair._replace(style="short")), chart)
