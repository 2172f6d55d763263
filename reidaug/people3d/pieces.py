"""What hangs free of the body: skirts, coat tails, long hair, bags."""

from typing import NamedTuple

import numpy as np

from reidaug.people3d import anatomy
from reidaug.people3d.anatomy import skin_chart
from reidaug.people3d.body import Floats, Integers, RestBody, load_body
from reidaug.people3d.wardrobe import Look

BODY, TAIL, SKIRT, HAIR, BAG = range(5)
"""What a triangle belongs to: skin and what lies on it, a coat's or dress's free part, a skirt,
free hair, a bag."""


class Piece(NamedTuple):
    """A part of a person's mesh.

    Attributes:
        vertices: At rest (V, 3) in metres.
        weights: Skinning weights (V, N).
        faces: Triangles (F, 3).
        chart: Coordinates of the vertices (V, 9), see `reidaug.people3d.anatomy.Chart`.
        part: BODY, TAIL, SKIRT, HAIR or BAG.
    """

    vertices: Floats
    weights: Floats
    faces: Integers
    chart: Floats
    part: int


def free_cloth(look: Look, body: RestBody) -> list[Piece]:
    """Make the parts of skirts, dresses and coats that hang free.

    Args:
        look: Who.
        body: The body at rest.

    Returns:
        None, one or two pieces.
    """
    pieces = []
    if look.bottom.skirt > 0:
        pieces.append(_tube(body, look.bottom.skirt, look.bottom.flare, 0.02, SKIRT))
    if look.top.skirt > 0:
        loose = look.top.thickness + 0.012
        pieces.append(_tube(body, look.top.skirt, look.top.flare, loose, TAIL))
    return pieces


def _tube(body: RestBody, length: float, flare: float, loose: float, part: int) -> Piece:
    """Hang cloth around the hips and legs, from the waist down."""
    rows, columns = 14, 40
    angle = np.arange(columns) * 2 * np.pi / columns
    around = np.stack((np.sin(angle), -np.cos(angle)), 1)  # starts in front, then to the left
    bulge = np.sign(around) * np.abs(around) ** 0.8
    places, points = [], []
    for z in np.linspace(anatomy.WAIST + 0.02, anatomy.WAIST - length, rows):
        low, high, height = _girth(body, float(z))
        out = loose + flare * (anatomy.WAIST + 0.02 - z)
        centre, half = (low + high) / 2, (high - low) / 2 + out
        ring = np.column_stack((centre + bulge * half, np.full(columns, height)))
        points.append(ring)
        places.append(np.column_stack((bulge * 0.17, np.full(columns, z))))
    vertices, place = np.concatenate(points), np.concatenate(places)
    place[:, 1] += anatomy.AXIS_Y
    chart = np.column_stack(
        (place, np.full((len(place), 2), -1), np.zeros(len(place)),
         np.tile(np.stack((around[:, 0], -around[:, 1]), 1), (rows, 1)), np.full(len(place), 0.16))
    )  # fmt: skip
    return Piece(
        vertices, _tube_weights(vertices[:, 0], place[:, 2]), _grid(rows, columns), chart, part
    )


def _girth(body: RestBody, z: float) -> tuple[Floats, Floats, float]:
    """Measure how far hips and legs reach at a height of the mean body."""
    chart = skin_chart()
    here = (np.abs(chart.place[:, 2] - z) < 0.035) & (chart.arm < 0.3)
    points = body.vertices[here]
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    return low, high, float(points[:, 2].mean())


def _tube_weights(x: Floats, z: Floats) -> Floats:
    bones = load_body().bones
    leg = _smooth((anatomy.WAIST - z) / (anatomy.WAIST - anatomy.CROTCH + 0.1))
    shank = 0.45 * _smooth((anatomy.KNEE - z) / 0.4)
    left = _smooth(0.5 + x / 0.28)
    weights = np.zeros((len(x), len(bones)), np.float32)
    weights[:, bones.index("root")] = 1 - leg
    for side, share in (("L", left), ("R", 1 - left)):
        weights[:, bones.index(f"upperleg02.{side}")] = leg * share * (1 - shank)
        weights[:, bones.index(f"lowerleg01.{side}")] = leg * share * shank
    return weights


def free_hair(look: Look, body: RestBody) -> list[Piece]:
    """Make the hair that hangs free, or the peak of a cap.

    Args:
        look: Who.
        body: The body at rest.

    Returns:
        None or one piece.
    """
    style = look.hair.style
    if style in ("bob", "long"):
        return [_curtain(body, anatomy.COLLAR + 0.03 if style == "bob" else anatomy.CHEST)]
    if style == "ponytail":
        return [_blob(body, (0.0, 0.10, 0.86), (0.03, 0.035, 0.12), "head", HAIR)]
    if style == "bun":
        return [_blob(body, (0.0, 0.065, 0.955), (0.045, 0.04, 0.045), "head", HAIR)]
    if style == "cap":
        return [_blob(body, (0.0, -0.195, 0.945), (0.06, 0.07, 0.008), "head", HAIR)]
    return []


def _curtain(body: RestBody, bottom: float) -> Piece:
    """Let hair fall around the sides and back of the head."""
    rows, columns = 8, 20
    angle = np.linspace(np.radians(70), np.radians(290), columns)  # 180 is the back
    height = np.linspace(0.95, bottom, rows)
    grid_z, grid_a = np.meshgrid(height, angle, indexing="ij")
    fall = (0.95 - grid_z) / 0.4
    wide = 0.095 + 0.05 * np.clip(fall, 0, 1)
    x = wide * np.sin(grid_a)
    y = -0.05 - (0.105 + 0.03 * fall) * np.cos(grid_a) + 0.015 * fall
    place = np.stack((x, y, grid_z), -1).reshape(-1, 3)
    bones = load_body().bones
    on_head = _smooth((place[:, 2] - 0.70) / 0.12)
    weights = np.zeros((len(place), len(bones)), np.float32)
    weights[:, bones.index("head")] = on_head
    weights[:, bones.index("spine01")] = 1 - on_head
    vertices = _carried(body, place, "head")
    return Piece(vertices, weights, _grid(rows, columns, closed=False), _plain_chart(place), HAIR)


def bag(look: Look, body: RestBody) -> list[Piece]:
    """Make the bag.

    Args:
        look: Who.
        body: The body at rest.

    Returns:
        None or one piece.
    """
    kind, s = look.bag.kind, look.bag.size
    side = 1.0 if look.bag.left else -1.0
    if kind == "backpack":
        size = (0.14 * s, 0.085 * s, 0.2 * s)
        return [_blob(body, (0.0, 0.115, 0.5), size, "spine01", BAG)]
    if kind == "shoulder":
        return [_blob(body, (side * 0.22, 0.0, 0.12), (0.055, 0.15 * s, 0.12 * s), "root", BAG)]
    if kind == "hand":
        place = (side * 0.62, -0.32, 0.13)
        name = "wrist.L" if look.bag.left else "wrist.R"
        return [_blob(body, place, (0.06, 0.13 * s, 0.13 * s), name, BAG)]
    return []


def _blob(
    body: RestBody, centre: tuple[float, float, float], size: tuple[float, float, float],
    bone: str, part: int,
) -> Piece:  # fmt: skip
    """Make a rounded box that one bone carries; its chart holds places in [-1, 1] of the box."""
    rows, columns = 11, 18
    up = np.linspace(-0.5, 0.5, rows) * np.pi
    angle = np.arange(columns) * 2 * np.pi / columns
    power = 0.45 if part == BAG else 0.8

    def rounded(value: Floats) -> Floats:
        result: Floats = np.sign(value) * np.abs(value) ** power
        return result

    z, ring = rounded(np.sin(up)), rounded(np.cos(up))
    unit = np.stack(
        (
            ring[:, None] * rounded(np.sin(angle)),
            -ring[:, None] * rounded(np.cos(angle)),
            np.tile(z[:, None], (1, columns)),
        ),
        -1,
    ).reshape(-1, 3)
    place = unit * np.asarray(size) + np.asarray(centre)
    bones = load_body().bones
    weights = np.zeros((len(place), len(bones)), np.float32)
    weights[:, bones.index(bone)] = 1
    vertices = _carried(body, place, bone)
    return Piece(vertices, weights, _grid(rows, columns), _plain_chart(unit), part)


def _carried(body: RestBody, place: Floats, bone: str) -> Floats:
    """Move places of the mean body to where they are on this one, following one bone."""
    model = load_body()
    k = model.bones.index(bone)
    tall = np.ptp(body.heads[:, 2]) / np.ptp(model.heads[:, 2])
    moved: Floats = (place - model.heads[k]) * tall + body.heads[k]
    return moved


def _plain_chart(place: Floats) -> Floats:
    n = len(place)
    way = np.stack((place[:, 0], -place[:, 1]), 1)
    way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
    none = np.full((n, 2), -1)
    return np.column_stack((place, none, np.zeros(n), way, np.full(n, 0.1))).astype(np.float32)


def _grid(rows: int, columns: int, *, closed: bool = True) -> Integers:
    """Join a grid of vertices into triangles; the last column meets the first if closed."""
    row, column = np.meshgrid(
        np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij"
    )
    here, beside = row * columns + column, row * columns + (column + 1) % columns
    below, across = here + columns, beside + columns
    first = np.stack((here, below, beside), -1).reshape(-1, 3)
    second = np.stack((beside, below, across), -1).reshape(-1, 3)
    return np.concatenate((first, second)).astype(np.int32)


def _smooth(value: Floats) -> Floats:
    t = np.clip(value, 0, 1)
    result: Floats = t * t * (3 - 2 * t)
    return result
