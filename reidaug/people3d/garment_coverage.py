"""Garment coverage: where clothes and hair lie on the body, for both mesh and texture."""

import numpy as np
from numpy.typing import NDArray

from reidaug.people3d import anatomy
from reidaug.people3d.anatomy import Chart
from reidaug.people3d.appearance import Appearance

Mask = NDArray[np.bool_]

# Height of the hairline by the y coordinate (front to back) of a point on the head.
_HAIRLINE_Y = (-0.17, -0.11, -0.065, -0.02, 0.05)
_HAIRLINE = {
    "short": (0.968, 0.955, 0.915, 0.85, 0.815),
    "full": (0.962, 0.945, 0.890, 0.82, 0.790),
    "cap": (0.955, 0.950, 0.945, 0.94, 0.935),
    "hood": (0.970, 0.960, 0.700, 0.70, 0.700),
}
_LIKE_FULL = ("bob", "long", "ponytail", "bun")


def under_top(appearance: Appearance, chart: Chart) -> Mask:
    """Mark the points (P,) of the chart under the top."""
    x, y, z = chart.position.T
    top = appearance.top
    front = chart.direction[:, 1] > 0
    neckline = anatomy.COLLAR + 0.015 + 0.12 * (y - anatomy.AXIS_Y)
    neckline = neckline - front * top.neck * np.exp(-((x / 0.06) ** 2))
    hem = anatomy.WAIST - 0.02 if top.skirt > 0 else top.hem
    within: Mask = (z > hem) & (z < neckline) & (chart.head < 0.6)
    bare = chart.arm > max(top.sleeve, 0.05)
    return (within | ((chart.arm > 0.2) & (chart.head < 0.1))) & ~bare


def under_trousers(appearance: Appearance, chart: Chart) -> Mask:
    """Mark the points (P,) of the chart under trousers."""
    z = chart.position[:, 2]
    covered: Mask = (
        (z < anatomy.WAIST) & (chart.arm < 0.5) & (chart.leg <= appearance.bottom.length)
    )
    return covered


def under_shoes(appearance: Appearance, chart: Chart) -> Mask:
    """Mark the points (P,) of the chart under shoes."""
    covered: Mask = (chart.position[:, 2] < anatomy.SOLE + appearance.boots) & (chart.leg > 1.2)
    return covered


def under_hair(appearance: Appearance, chart: Chart) -> Mask:
    """Mark the points (P,) of the chart under hair, cap or hood."""
    style = appearance.hair.style
    if style == "bald":
        return np.zeros(len(chart.head), np.bool_)
    x, y, z = chart.position.T
    shape = "full" if style in _LIKE_FULL else style
    line = np.interp(y, _HAIRLINE_Y, _HAIRLINE[shape])
    # A parting rather than a straight fringe: the line is highest in the middle of the forehead.
    line = line - (0.5 * np.abs(x) if shape != "cap" else 0)
    covered: Mask = (z > line) & (chart.head > 0.5)
    if style in ("short", "full", "ponytail", "bun", "cap"):
        ear = (np.abs(x) > 0.078) & (z < 0.92) & (z > 0.83) & (y < 0.0) & (y > -0.1)
        covered &= ~ear
    return covered


def hair_below_cap(appearance: Appearance, chart: Chart) -> Mask:
    """Mark the points (P,) of the chart with hair below a cap."""
    if appearance.hair.style != "cap":
        return np.zeros(len(chart.head), np.bool_)
    return under_hair(appearance._replace(hair=appearance.hair._replace(style="short")), chart)
