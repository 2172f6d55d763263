"""Surface colour of a person: fabric patterns, prints, face, hair and straps."""

import math
from collections.abc import Callable

import numpy as np

from reidaug.people3d import anatomy
from reidaug.people3d import garment_coverage as coverage
from reidaug.people3d.accessories import BAG, BODY, HAIR, SKIRT, TAIL
from reidaug.people3d.anatomy import Chart
from reidaug.people3d.appearance import RGB, Appearance, Fabric
from reidaug.people3d.body import Floats, Integers
from reidaug.people3d.garment_coverage import Mask


def surface_colour(appearance: Appearance, chart: Chart, part: Integers) -> Floats:
    """Compute the albedo (P, 3) in [0, 1] of points on a person's surface.

    ``part`` (P,) is the part of each point, see `reidaug.people3d.accessories`.
    """
    colour = np.empty((len(part), 3), np.float32)
    for kind, colour_of in (
        (BODY, _body), (TAIL, _tail), (SKIRT, _skirt), (HAIR, _hair), (BAG, _bag),
    ):  # fmt: skip
        here = part == kind
        if here.any():
            colour[here] = colour_of(appearance, Chart.from_table(chart.table()[here]))
    return colour


def fabric_colour(fabric: Fabric, u: Floats, v: Floats) -> Floats:
    """Compute the colours (P, 3) of points of a fabric, ``u`` metres across and ``v`` up (P,)."""
    mix, third = _pattern(fabric, u / fabric.scale, v / fabric.scale, v)
    base, second, last = (
        np.asarray(c, np.float32) for c in (fabric.base, fabric.second, fabric.third)
    )
    colour: Floats = base + mix[:, None] * (second - base)
    return colour + third[:, None] * (last - colour)


def sine_noise(seed: int, u: Floats, v: Floats, frequency: float) -> Floats:
    """Compute smooth noise of about [-1, 1] over the plane: a few sines of random directions."""
    rng = np.random.default_rng(seed)
    total = np.zeros_like(u)
    for _ in range(4):
        # Python floats: NumPy scalars would promote the array to double precision.
        angle, phase = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
        f = frequency * rng.uniform(0.6, 1.6)
        total += np.sin(f * math.cos(angle) * u + f * math.sin(angle) * v + phase)
    result: Floats = total / 2.2
    return result


def _pattern(fabric: Fabric, a: Floats, b: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Compute the shares of the second and third colour at repeats (a, b) and height v."""
    zero = np.zeros_like(a)
    if fabric.pattern == "plain":
        return zero, zero
    if fabric.pattern == "camouflage":
        field = sine_noise(fabric.seed, a, b, 6.0)
        return (field > 0.25).astype(np.float32), (field < -0.45).astype(np.float32)
    if fabric.pattern == "speckled":
        return np.clip(0.5 + 0.5 * sine_noise(fabric.seed, a, b, 8.0), 0, 1), zero
    if fabric.pattern in _BY_HEIGHT:
        return _BY_HEIGHT[fabric.pattern](v).astype(np.float32), zero
    return _REPEATED[fabric.pattern](a, b).astype(np.float32), zero


def _stripe(t: Floats) -> Floats:
    result: Floats = ((t % 1) < 0.5).astype(np.float32)
    return result


def _dots(a: Floats, b: Floats) -> Floats:
    shifted = a + 0.5 * (np.floor(b) % 2)
    inside: Floats = ((shifted % 1 - 0.5) ** 2 + (b % 1 - 0.5) ** 2 < 0.075).astype(np.float32)
    return inside


_REPEATED: dict[str, Callable[[Floats, Floats], Floats]] = {
    "horizontal": lambda a, b: _stripe(b),
    "vertical": lambda a, b: _stripe(a),
    "diagonal": lambda a, b: _stripe(a + b),
    "checked": lambda a, b: 0.5 * _stripe(a) + 0.5 * _stripe(b),
    "dots": _dots,
    "zigzag": lambda a, b: _stripe(b + 0.7 * np.abs(a % 1 - 0.5)),
}
_BY_HEIGHT: dict[str, Callable[[Floats], Floats]] = {
    "gradient": lambda v: np.clip((anatomy.SHOULDER - v) / 0.45, 0, 1),
    "two_tone": lambda v: (v < 0.44).astype(np.float32),
    "band": lambda v: (np.abs(v - 0.5) < 0.06).astype(np.float32),
}


def _across(chart: Chart) -> Floats:
    result: Floats = np.arctan2(chart.direction[:, 0], chart.direction[:, 1]) * chart.radius
    return result


def _body(appearance: Appearance, chart: Chart) -> Floats:
    colour = _skin(appearance, chart)
    v = chart.position[:, 2]
    socks = (v < anatomy.SOLE + appearance.boots + 0.05) & (chart.leg > 1.2)
    colour[socks] = appearance.socks
    bottom = coverage.under_trousers(appearance, chart)
    colour[bottom] = _trousers(appearance, Chart.from_table(chart.table()[bottom]))
    shoes = coverage.under_shoes(appearance, chart)
    colour[shoes] = np.where(
        (v[shoes] < anatomy.SOLE + 0.015)[:, None], appearance.soles, appearance.shoes
    )
    top = coverage.under_top(appearance, chart)
    colour[top] = _top(appearance, Chart.from_table(chart.table()[top]))
    under = coverage.hair_below_cap(appearance, chart)
    colour[under] = appearance.hair.under
    hair = coverage.under_hair(appearance, chart)
    colour[hair] = _hair(appearance, Chart.from_table(chart.table()[hair]))
    return colour


def _skin(appearance: Appearance, chart: Chart) -> Floats:
    colour = np.tile(np.asarray(appearance.skin, np.float32), (len(chart.head), 1))
    x, y, z = chart.position.T
    face = (chart.head > 0.5) & (y < -0.1)
    eyes = face & (((np.abs(x) - 0.032) / 0.017) ** 2 + ((z - anatomy.EYES) / 0.009) ** 2 < 1)
    brows = face & (np.abs(np.abs(x) - 0.033) < 0.02) & (np.abs(z - 0.912) < 0.0055)
    mouth = face & ((x / 0.025) ** 2 + ((z - 0.815) / 0.008) ** 2 < 1)
    cheeks = face & ((np.abs(x) - 0.05) ** 2 + (z - 0.845) ** 2 < 0.02**2)
    colour[cheeks] *= (1.03, 0.93, 0.92)
    if appearance.beard > 0:
        jaw = (chart.head > 0.5) & (z < 0.84 + 0.5 * np.abs(x)) & (y < -0.05) & ~mouth
        colour[jaw] += appearance.beard * (np.asarray(appearance.hair.under) - colour[jaw])
    colour[mouth] *= (0.85, 0.55, 0.55)
    colour[brows] = 0.3 * colour[brows] + 0.7 * np.asarray(appearance.hair.under)
    colour[eyes] = (0.16, 0.13, 0.12)
    return colour


def _trousers(appearance: Appearance, chart: Chart) -> Floats:
    u, v = _across(chart), chart.position[:, 2]
    colour = fabric_colour(appearance.bottom.cloth, u, v)
    if appearance.bottom.stripe:
        side = (np.abs(u) > 0.1) & (np.abs(u) < 0.14) & (chart.leg > 0)
        colour[side] = appearance.bottom.cloth.second
    belt = np.abs(v - anatomy.WAIST + 0.02) < 0.02
    colour[belt] *= 0.5
    return colour


def _top(appearance: Appearance, chart: Chart) -> Floats:
    top = appearance.top
    u, v = _across(chart), chart.position[:, 2]
    sleeve = chart.arm > 0.12
    front = chart.direction[:, 1] > 0
    colour = np.empty((len(u), 3), np.float32)
    for here, fabric in (
        (sleeve, top.sleeves),
        (~sleeve & front, top.front),
        (~sleeve & ~front, top.back),
    ):
        along = np.where(sleeve[here], 0.28 * chart.arm[here], v[here])
        colour[here] = fabric_colour(fabric, u[here], along)
    printed = _print(top.front_print, chart.position[:, 0], v) & front & ~sleeve
    printed |= _print(top.back_print, chart.position[:, 0], v) & ~front & ~sleeve
    colour[printed] = top.print_colour
    cuffs = (np.abs(chart.arm - top.sleeve) < 0.05) | (np.abs(v - top.hem) < 0.008)
    colour[cuffs] *= 0.75
    _opening(appearance, chart, colour)
    _straps(appearance, chart, colour)
    return colour


def _opening(appearance: Appearance, chart: Chart, colour: Floats) -> None:
    """Show the inner fabric of an open jacket between dark edges, in place."""
    top, x, v = appearance.top, chart.position[:, 0], chart.position[:, 2]
    middle = (chart.direction[:, 1] > 0.2) & (chart.arm < 0.1)
    if top.open > 0:
        width = top.open + 0.12 * np.clip(v - anatomy.CHEST, 0, 1)
        inner = middle & (np.abs(x) < width)
        colour[middle & (np.abs(x) < width + 0.008)] *= 0.6
        colour[inner] = fabric_colour(appearance.inner, x[inner], v[inner])
    elif top.thickness > 0.02:
        colour[middle & (np.abs(x) < 0.006)] *= 0.5


def _straps(appearance: Appearance, chart: Chart, colour: Floats) -> None:
    x, v = chart.position[:, 0], chart.position[:, 2]
    trunk = chart.arm < 0.05
    if appearance.bag.kind == "backpack":
        strap = trunk & (chart.direction[:, 1] > 0) & (np.abs(np.abs(x) - 0.095) < 0.02) & (v > 0.4)
        colour[strap] = appearance.bag.detail
    if appearance.bag.kind == "shoulder":
        side = 1.0 if appearance.bag.left else -1.0
        # From the other shoulder down to the bag.
        middle = -side * 0.11 + side * 0.29 * (0.68 - v) / 0.48
        colour[trunk & (np.abs(x - middle) < 0.022) & (v > 0.15)] = appearance.bag.detail


def _print(kind: str, x: Floats, v: Floats) -> Mask:
    """Mark a print on the chest or between the shoulder blades."""
    if kind == "none":
        return np.zeros(len(x), np.bool_)
    return _PRINTS[kind](x / 0.085, (v - 0.53) / 0.095)


def _square(a: Floats, b: Floats) -> Mask:
    inside: Mask = np.maximum(np.abs(a), np.abs(b)) < 1
    return inside


def _ring(a: Floats, b: Floats) -> Mask:
    r = np.abs(a) + np.abs(b)
    inside: Mask = (r < 1.1) & (r > 0.45)
    return inside


def _digits(a: Floats, b: Floats) -> Mask:
    """Mark two digits, nearly: a zero and a one."""
    zero = (np.abs(a + 0.5) < 0.42) & ~((np.abs(a + 0.5) < 0.18) & (np.abs(b) < 0.65))
    one = np.abs(a - 0.55) < 0.2
    inside: Mask = (zero | one) & (np.abs(b) < 1)
    return inside


_PRINTS: dict[str, Callable[[Floats, Floats], Mask]] = {
    "disc": lambda a, b: a**2 + b**2 < 1,
    "block": _square,
    "diamond": _ring,
    "lines": lambda a, b: _square(a, b) & ((b * 2.5) % 1 < 0.55),
    "number": _digits,
}


def _tail(appearance: Appearance, chart: Chart) -> Floats:
    u, v = _across(chart), chart.position[:, 2]
    front = chart.direction[:, 1] > 0
    colour = np.where(
        front[:, None],
        fabric_colour(appearance.top.front, u, v),
        fabric_colour(appearance.top.back, u, v),
    )
    if appearance.top.open > 0:
        slit = np.abs(u) < appearance.top.open + 0.03
        colour[front & slit] = 0.55 * np.asarray(appearance.bottom.cloth.base)
    return colour.astype(np.float32)


def _skirt(appearance: Appearance, chart: Chart) -> Floats:
    return fabric_colour(appearance.bottom.cloth, _across(chart), chart.position[:, 2])


def _hair(appearance: Appearance, chart: Chart) -> Floats:
    colour = np.tile(np.asarray(appearance.hair.colour, np.float32), (len(chart.head), 1))
    if appearance.hair.style not in ("cap", "hood"):
        u = np.arctan2(chart.direction[:, 0], chart.direction[:, 1])
        colour *= (1 + 0.18 * sine_noise(appearance.seed, u, chart.position[:, 2], 25.0))[:, None]
    return np.clip(colour, 0, 1)


def _bag(appearance: Appearance, chart: Chart) -> Floats:
    x, y, z = chart.position.T
    colour = np.tile(np.asarray(appearance.bag.colour, np.float32), (len(x), 1))
    pocket = (z < -0.05) & (z > -0.75) & (np.abs(x) < 0.75) & (y > 0)
    colour[pocket] *= 0.8
    band: RGB = appearance.bag.detail
    colour[np.abs(z - 0.25) < 0.1] = band
    return colour
