# mypy: ignore-errors
# This file is compiled by warp, which interprets the types its own way.
"""Kernels of the rasteriser, compiled by warp."""

import warp as wp


@wp.func
def edge(a: wp.vec3, b: wp.vec3, x: float, y: float) -> float:
    """Twice the signed area of a, b and a point."""
    return (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])


@wp.func
def on_screen(a: wp.vec3, b: wp.vec3, c: wp.vec3, x: float, y: float) -> wp.vec3:
    """Barycentric coordinates on the screen: negative outside, all -1 if viewed edge-on."""
    area = edge(a, b, c[0], c[1])
    if wp.abs(area) < 1e-12:
        return wp.vec3(-1.0, -1.0, -1.0)
    return wp.vec3(edge(b, c, x, y), edge(c, a, x, y), edge(a, b, x, y)) / area


@wp.func
def depth_at(a: wp.vec3, b: wp.vec3, c: wp.vec3, w: wp.vec3) -> float:
    """Depth of a point; only the inverse depth is linear on the screen."""
    return 1.0 / (w[0] / a[2] + w[1] / b[2] + w[2] / c[2])


@wp.func
def box(a: wp.vec3, b: wp.vec3, c: wp.vec3, height: int, width: int) -> wp.vec4i:
    """Pixels around a triangle: left, right, top, bottom."""
    return wp.vec4i(
        wp.max(int(wp.ceil(wp.min(a[0], wp.min(b[0], c[0])))), 0),
        wp.min(int(wp.floor(wp.max(a[0], wp.max(b[0], c[0])))), width - 1),
        wp.max(int(wp.ceil(wp.min(a[1], wp.min(b[1], c[1])))), 0),
        wp.min(int(wp.floor(wp.max(a[1], wp.max(b[1], c[1])))), height - 1),
    )


@wp.kernel
def draw_depth(
    points: wp.array(dtype=wp.vec3), faces: wp.array2d(dtype=int), depth: wp.array2d(dtype=float)
):
    """Write the least depth of all triangles at each pixel."""
    f = wp.tid()
    a, b, c = points[faces[f, 0]], points[faces[f, 1]], points[faces[f, 2]]
    around = box(a, b, c, depth.shape[0], depth.shape[1])
    for y in range(around[2], around[3] + 1):
        for x in range(around[0], around[1] + 1):
            w = on_screen(a, b, c, float(x), float(y))
            if wp.min(w) >= 0.0:
                wp.atomic_min(depth, y, x, depth_at(a, b, c, w))


@wp.kernel
def draw_faces(
    points: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    depth: wp.array2d(dtype=float),
    face: wp.array2d(dtype=int),
):
    """Write the triangle of least depth; of several the last, in any order of execution."""
    f = wp.tid()
    a, b, c = points[faces[f, 0]], points[faces[f, 1]], points[faces[f, 2]]
    around = box(a, b, c, depth.shape[0], depth.shape[1])
    for y in range(around[2], around[3] + 1):
        for x in range(around[0], around[1] + 1):
            w = on_screen(a, b, c, float(x), float(y))
            if wp.min(w) >= 0.0 and depth_at(a, b, c, w) <= depth[y, x]:
                wp.atomic_max(face, y, x, f)


@wp.kernel
def draw_coordinates(
    points: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    face: wp.array2d(dtype=int),
    weights: wp.array2d(dtype=wp.vec3),
):
    """Write the barycentric coordinates, in space, of each pixel's surface point."""
    y, x = wp.tid()
    f = face[y, x]
    if f >= 0:
        a, b, c = points[faces[f, 0]], points[faces[f, 1]], points[faces[f, 2]]
        w = on_screen(a, b, c, float(x), float(y))
        w = wp.vec3(w[0] / a[2], w[1] / b[2], w[2] / c[2])
        weights[y, x] = w / (w[0] + w[1] + w[2])


@wp.kernel
def add_normals(
    vertices: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    normals: wp.array(dtype=wp.vec3),
):
    """Add each triangle's area-weighted normal to its three vertices."""
    f = wp.tid()
    a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
    normal = wp.cross(b - a, c - a)
    wp.atomic_add(normals, faces[f, 0], normal)
    wp.atomic_add(normals, faces[f, 1], normal)
    wp.atomic_add(normals, faces[f, 2], normal)
