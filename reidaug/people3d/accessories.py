"""Free-hanging parts of a person's mesh: skirts, coat tails, long hair, bags."""

from typing import NamedTuple

import numpy as np

from reidaug.people3d import anatomy
from reidaug.people3d.anatomy import skin_chart
from reidaug.people3d.appearance import Appearance
from reidaug.people3d.body import Floats, Integers, RestBody, load_body

BODY, TAIL, SKIRT, HAIR, BAG = range(5)
"""Parts: the body surface and clothes on it, the free part of a coat or dress, a skirt, free hair,
a bag."""


class MeshPart(NamedTuple):
    """A part of a person's mesh."""

    vertices: Floats  # at rest (V, 3) in metres
    weights: Floats  # skinning weights (V, N)
    faces: Integers  # triangles (F, 3)
    chart: Floats  # coordinates of the vertices (V, 9), see `reidaug.people3d.anatomy.Chart`
    place: Floats  # where the vertices are on the mean body at rest (V, 3) in metres
    part: int  # BODY, TAIL, SKIRT, HAIR or BAG


def loose_garments(appearance: Appearance, body: RestBody) -> list[MeshPart]:
    """Make the free-hanging parts of skirts, dresses and coats on a body at rest."""
    parts = []
    if appearance.bottom.skirt > 0:
        parts.append(_tube(body, appearance.bottom.skirt, appearance.bottom.flare, 0.02, SKIRT))
    if appearance.top.skirt > 0:
        loose = appearance.top.thickness + 0.012
        parts.append(_tube(body, appearance.top.skirt, appearance.top.flare, loose, TAIL))
    return parts


def _tube(body: RestBody, length: float, flare: float, loose: float, part: int) -> MeshPart:
    """Hang cloth around the hips and legs, from the waist down."""
    rows, columns = 14, 40
    angle = np.arange(columns) * 2 * np.pi / columns
    around = np.stack((np.sin(angle), -np.cos(angle)), 1)  # starts in front, then to the left
    bulge = np.sign(around) * np.abs(around) ** 0.8
    positions, points = [], []
    for z in np.linspace(anatomy.WAIST + 0.02, anatomy.WAIST - length, rows):
        low, high, height = _girth(body, float(z))
        out = loose + flare * (anatomy.WAIST + 0.02 - z)
        centre, half = (low + high) / 2, (high - low) / 2 + out
        ring = np.column_stack((centre + bulge * half, np.full(columns, height)))
        points.append(ring)
        positions.append(np.column_stack((bulge * 0.17, np.full(columns, z))))
    vertices, position = np.concatenate(points), np.concatenate(positions)
    position[:, 1] += anatomy.AXIS_Y
    chart = np.column_stack(
        (
            position,
            np.full((len(position), 2), -1),
            np.zeros(len(position)),
            np.tile(np.stack((around[:, 0], -around[:, 1]), 1), (rows, 1)),
            np.full(len(position), 0.16),
        )
    )
    weights = _tube_weights(vertices[:, 0], position[:, 2])
    return MeshPart(vertices, weights, _grid(rows, columns), chart, position, part)


def _girth(body: RestBody, z: float) -> tuple[Floats, Floats, float]:
    """Measure the extent of hips and legs at a height of the mean body."""
    chart = skin_chart()
    here = (np.abs(chart.position[:, 2] - z) < 0.035) & (chart.arm < 0.3)
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


def loose_hair(appearance: Appearance, body: RestBody) -> list[MeshPart]:
    """Make free-hanging hair, or the peak of a cap, on a body at rest."""
    style = appearance.hair.style
    if style in ("bob", "long"):
        return [_curtain(body, anatomy.COLLAR + 0.03 if style == "bob" else anatomy.CHEST)]
    if style == "ponytail":
        return [_blob(body, (0.0, 0.10, 0.86), (0.03, 0.035, 0.12), "head", HAIR)]
    if style == "bun":
        return [_blob(body, (0.0, 0.065, 0.955), (0.045, 0.04, 0.045), "head", HAIR)]
    if style == "cap":
        return [_blob(body, (0.0, -0.195, 0.945), (0.06, 0.07, 0.008), "head", HAIR)]
    return []


def _curtain(body: RestBody, bottom: float) -> MeshPart:
    """Let hair fall around the sides and back of the head."""
    rows, columns = 8, 20
    angle = np.linspace(np.radians(70), np.radians(290), columns)  # 180 is the back
    height = np.linspace(0.95, bottom, rows)
    grid_z, grid_a = np.meshgrid(height, angle, indexing="ij")
    fall = (0.95 - grid_z) / 0.4
    wide = 0.095 + 0.05 * np.clip(fall, 0, 1)
    x = wide * np.sin(grid_a)
    y = -0.05 - (0.105 + 0.03 * fall) * np.cos(grid_a) + 0.015 * fall
    position = np.stack((x, y, grid_z), -1).reshape(-1, 3)
    bones = load_body().bones
    on_head = _smooth((position[:, 2] - 0.70) / 0.12)
    weights = np.zeros((len(position), len(bones)), np.float32)
    weights[:, bones.index("head")] = on_head
    weights[:, bones.index("spine01")] = 1 - on_head
    vertices = _carried(body, position, "head")
    faces = _grid(rows, columns, closed=False)
    return MeshPart(vertices, weights, faces, _plain_chart(position), position, HAIR)


def bag(appearance: Appearance, body: RestBody) -> list[MeshPart]:
    """Make the bag on a body at rest."""
    kind, s = appearance.bag.kind, appearance.bag.size
    side = 1.0 if appearance.bag.left else -1.0
    if kind == "backpack":
        size = (0.14 * s, 0.085 * s, 0.2 * s)
        return [_blob(body, (0.0, 0.115, 0.5), size, "spine01", BAG)]
    if kind == "shoulder":
        return [_blob(body, (side * 0.22, 0.0, 0.12), (0.055, 0.15 * s, 0.12 * s), "root", BAG)]
    if kind == "hand":
        position = (side * 0.62, -0.32, 0.13)
        name = "wrist.L" if appearance.bag.left else "wrist.R"
        return [_blob(body, position, (0.06, 0.13 * s, 0.13 * s), name, BAG)]
    return []


def _blob(
    body: RestBody, centre: tuple[float, float, float], size: tuple[float, float, float],
    bone: str, part: int,
) -> MeshPart:  # fmt: skip
    """Make a rounded box that follows one bone; its chart holds positions in [-1, 1] of the box."""
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
    position = unit * np.asarray(size) + np.asarray(centre)
    bones = load_body().bones
    weights = np.zeros((len(position), len(bones)), np.float32)
    weights[:, bones.index(bone)] = 1
    vertices = _carried(body, position, bone)
    return MeshPart(vertices, weights, _grid(rows, columns), _plain_chart(unit), position, part)


def _carried(body: RestBody, position: Floats, bone: str) -> Floats:
    """Carry positions on the mean body over to this body, following one bone."""
    model = load_body()
    k = model.bones.index(bone)
    tall = np.ptp(body.heads[:, 2]) / np.ptp(model.heads[:, 2])
    moved: Floats = (position - model.heads[k]) * tall + body.heads[k]
    return moved


def _plain_chart(position: Floats) -> Floats:
    n = len(position)
    direction = np.stack((position[:, 0], -position[:, 1]), 1)
    direction = direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
    none = np.full((n, 2), -1)
    return np.column_stack((position, none, np.zeros(n), direction, np.full(n, 0.1))).astype(
        np.float32
    )


def _grid(rows: int, columns: int, *, closed: bool = True) -> Integers:
    """Triangulate a grid of vertices; the last column meets the first if closed."""
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
