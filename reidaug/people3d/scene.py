"""Procedural backgrounds and occluders."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter, zoom

from reidaug.people3d.body import Floats

PLACES = ("street", "park", "plaza", "shop", "hall")
WHITE = "white"


class Backdrop(NamedTuple):
    """The background of one image."""

    place: str  # one of PLACES, or WHITE
    seed: int  # random seed of the place
    along: float  # horizontal position of the crop in its panorama, in [0, 1]


class Occluder(NamedTuple):
    """An object between the camera and the person."""

    kind: str  # ``none``, ``pole``, ``barrier`` or ``bush``
    position: float  # in [-1, 1] of the crop: of a pole horizontally, otherwise of the upper edge
    seed: int  # random seed of its colour and outline


def draw_backdrop(backdrop: Backdrop, size: tuple[int, int]) -> Floats:
    """Draw the background of one crop: colours (H, W, 3) in [0, 1]."""
    height, width = size
    if backdrop.place == WHITE:
        return np.ones((height, width, 3), np.float32)
    canvas = _panorama(backdrop.place, backdrop.seed, height)
    start = round(backdrop.along * (canvas.shape[1] - width))
    return canvas[:, start : start + width].copy()


def add_shadow(background: Floats, feet: Floats, width: float) -> Floats:
    """Darken a background (H, W, 3) under a person ``width`` pixels wide.

    ``feet`` are the pixels (2, 2) of the ankles, x then y.
    """
    rows, columns = np.mgrid[: background.shape[0], : background.shape[1]].astype(np.float32)
    dark = np.zeros(background.shape[:2], np.float32)
    for x, y in feet:
        across, down = (columns - x) / (0.55 * width), (rows - y - 0.1 * width) / (0.16 * width)
        dark = np.maximum(dark, np.exp(-(across**2 + down**2)))
    result: Floats = background * (1 - 0.45 * dark[..., None])
    return result


def draw_occluder(occluder: Occluder, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Draw an occluder: its colours (H, W, 3) and its coverage (H, W), both in [0, 1]."""
    height, width = size
    if occluder.kind == "none":
        return np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    rng = np.random.default_rng(occluder.seed)
    rows = (np.arange(height, dtype=np.float32) / (height - 1) * 2 - 1)[:, None]
    columns = (np.arange(width, dtype=np.float32) / (width - 1) * 2 - 1)[None]
    noise = _clouds(rng, (height, width), 6.0)
    colour = rng.uniform(0.1, 0.55) + rng.normal(0, 0.06, 3)
    cover = np.zeros((height, width), np.float32)
    if occluder.kind == "pole":
        cover += np.abs(columns - occluder.position) < rng.uniform(0.1, 0.22)
    elif occluder.kind == "barrier":
        bars = (np.abs((columns * 4) % 1 - 0.5) < 0.28) | (rows < occluder.position + 0.1)
        cover += (rows > occluder.position) & bars
    elif occluder.kind == "bush":
        cover += rows > occluder.position + 0.25 * noise
        colour = np.array([0.16, 0.28, 0.12]) * rng.uniform(0.7, 1.5)
    painted = np.clip(colour + 0.12 * noise[..., None], 0, 1).astype(np.float32)
    return painted, np.asarray(cover, np.float32)


@lru_cache(maxsize=32)
def _panorama(place: str, seed: int, height: int) -> Floats:
    """Draw a background eight crops wide."""
    rng = np.random.default_rng([seed, PLACES.index(place)])
    width = 4 * height
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    horizon = rng.uniform(0.3, 0.55)
    canvas = _far(place, rng, (height, width), horizon)
    near = _ground(place, rng, (height, width), rows, horizon)
    edge = horizon + 0.01 * _clouds(rng, (1, width), 40.0)
    canvas = np.where((rows > edge)[..., None], near, canvas)
    _add_clutter(place, rng, canvas, horizon)
    canvas = gaussian_filter(canvas, (height / 128, height / 128, 0))
    grain = rng.standard_normal((height, width, 1), dtype=np.float32)
    return np.clip(canvas + 0.015 * grain, 0, 1).astype(np.float32)


def _clouds(rng: Generator, size: tuple[int, int], cell: float) -> Floats:
    """Sample noise of about [-1, 1] whose coarsest features are ``cell`` of 128 rows tall."""
    height, width = size
    total = np.zeros(size, np.float32)
    strength = 1.0
    for octave in range(3):
        step = max(1.0, cell * max(height, 128) / 128 / 2**octave)
        cells = (int(height / step) + 3, int(width / step) + 3)
        coarse = rng.standard_normal(cells, dtype=np.float32)
        fine = zoom(coarse, (min(step, height), step), order=1)[:height, :width]
        total[: fine.shape[0], : fine.shape[1]] += strength * fine
        strength *= 0.55
    result: Floats = np.clip(total / 1.6, -1.5, 1.5)
    return result


def _sample_tint(rng: Generator, low: float, high: float, spread: float) -> Floats:
    result: Floats = np.clip(rng.uniform(low, high) + rng.normal(0, spread, 3), 0.03, 0.97)
    return result.astype(np.float32)


def _far(place: str, rng: Generator, size: tuple[int, int], horizon: float) -> Floats:
    height, width = size
    noise = _clouds(rng, size, 10.0)[..., None]
    if place == "park":
        leaves = np.array([0.20, 0.32, 0.13], np.float32) * rng.uniform(0.7, 1.5)
        return leaves * (1 + 0.55 * _clouds(rng, size, 5.0)[..., None]) + 0.05 * noise
    wall = _sample_tint(rng, 0.3, 0.8, 0.05) + 0.04 * noise
    unit = height / 128
    x, y = np.arange(width) / unit, (np.arange(height) / unit)[:, None]
    if place == "street":  # bricks or panels
        step = rng.uniform(5, 14)
        joint = ((y % step) < 1) | (((x + step * (y // step % 2)) % (2 * step)) < 1)
        wall = wall * np.where(joint, 0.8, 1.0)[..., None]
    if place in ("shop", "hall"):  # windows or doors with frames
        wide, offset = rng.uniform(22, 60), rng.uniform(0, 60)
        glass = ((x + offset) % wide > 0.18 * wide) & (y > 6) & (y < 128 * horizon)
        dark = _sample_tint(rng, 0.08, 0.4, 0.05) + 0.1 * _clouds(rng, size, 14.0)[..., None]
        wall = np.where(glass[..., None], dark, wall)
    return np.broadcast_to(wall, (height, width, 3)).astype(np.float32)


def _ground(
    place: str, rng: Generator, size: tuple[int, int], rows: Floats, horizon: float
) -> Floats:
    height, width = size
    if place == "park" and rng.random() < 0.6:
        base = np.array([0.30, 0.38, 0.18], np.float32) * rng.uniform(0.7, 1.4)
    else:
        base = _sample_tint(rng, 0.35, 0.75, 0.025)
    depth = (rows - horizon) / (1 - horizon)
    shade = 0.9 + 0.15 * depth + 0.07 * _clouds(rng, size, 8.0)
    ground = base * shade[..., None]
    if place in ("plaza", "hall"):
        near = 1 / np.maximum(1.1 - np.clip(depth, 0, 1), 0.1)
        lines = ((near * 3) % 1 < 0.12) | ((np.arange(width) * 128 / height / 18) % 1 < 0.05)
        ground = ground * np.where(lines, 0.85, 1.0)[..., None]
    if place == "street" and rng.random() < 0.5:  # a kerb
        ground = np.where((np.abs(depth - 0.18) < 0.05)[..., None], ground * 1.25, ground)
    return ground.astype(np.float32)


def _add_clutter(place: str, rng: Generator, canvas: Floats, horizon: float) -> None:
    """Add boxes for posts, trunks, signs, bicycles and distant people, in place."""
    height, width = canvas.shape[:2]
    for _ in range(rng.integers(14, 30)):
        colour = _sample_tint(rng, 0.05, 0.8, 0.1 if rng.random() < 0.4 else 0.03)
        tall, wide = rng.uniform(0.15, 0.9), rng.uniform(0.015, 0.09)
        if rng.random() < 0.35:
            tall, wide = rng.uniform(0.06, 0.25), rng.uniform(0.05, 0.3)
        bottom = min(1.0, horizon + rng.uniform(-0.1, 0.25))
        top, left = max(0.0, bottom - tall), rng.uniform(-0.05, 1) * width
        rows = slice(int(top * height), max(int(bottom * height), int(top * height) + 1))
        columns = slice(max(0, int(left)), max(1, int(left + wide * height)))
        solid = rng.uniform(0.5, 1.0)
        canvas[rows, columns] += solid * (colour - canvas[rows, columns])
