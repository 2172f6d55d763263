"""Exact flow between two images of one person, in the convention of `reidaug.geometry.flow`."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from reidaug.people3d.body import Floats, Integers
from reidaug.people3d.raster import FAR, Surface, interpolate

TOLERANCE = 0.03
"""A surface point deeper than the visible surface by more than this, in metres, is occluded."""


def exact_flow(
    target: Surface,
    source: Surface,
    source_points: Floats,
    faces: Integers,
    source_mask: NDArray[np.bool_],
    target_mask: NDArray[np.bool_],
) -> tuple[Floats, NDArray[np.bool_]]:
    """Compute the source position of every target pixel's surface point.

    Args:
        target: Surface points of the target's pixels (H, W).
        source: Surface points of the source's pixels (h, w).
        source_points: Vertices projected into the source (V, 3): x and y in pixels, then depth.
        faces: Triangles (F, 3) of the mesh, the same in both.
        source_mask: Visible pixels of the person in the source (h, w).
        target_mask: Visible pixels of the person in the target (H, W).

    Returns:
        Flow (2, H, W), off the person that of the nearest pixel on it (the identity if there is
        none); and the pixels (H, W) whose surface point is visible in both images.
    """
    on = target.face >= 0
    height, width = source.face.shape
    rows, columns = np.indices(on.shape, dtype=np.float32)
    points = np.stack((columns, rows)) * ((width - 1) / max(on.shape[1] - 1, 1))
    points[1] = rows * ((height - 1) / max(on.shape[0] - 1, 1))
    visible = np.zeros(on.shape, np.bool_)
    if on.any():
        found = locate(target.face[on], target.weights[on], source_points, faces)
        visible[on] = visible_in(found, source, source_mask) & target_mask[on]
        points[:, on] = found[:, :2].T
        nearest = distance_transform_edt(~on, return_distances=False, return_indices=True)
        points = points[:, nearest[0], nearest[1]]
    scale = np.array([width - 1, height - 1], np.float32)[:, None, None]
    return (points / scale * 2 - 1).astype(np.float32), visible


def locate(face: Integers, weights: Floats, points: Floats, faces: Integers) -> Floats:
    """Project surface points, given by triangle (P,) and barycentric coordinates (P, 3), to (P, 3).

    ``points`` are the image's projected vertices (V, 3). Both are x and y in pixels, then depth.
    """
    # Perspective: x * depth and y * depth are linear in space, x and y are not.
    space = np.concatenate((points[:, :2] * points[:, 2:], points[:, 2:]), axis=1)
    found = interpolate(space, faces, face, weights)
    found[:, :2] /= found[:, 2:]
    return found


def visible_in(points: Floats, surface: Surface, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Decide which projected points (P, 3), x and y in pixels, then depth, are visible in an image.

    Args:
        points: The points.
        surface: Surface points of the image's pixels.
        mask: Visible pixels of the person in it.

    Returns:
        (P,): inside the image, and at most `TOLERANCE` deeper than the deepest of the four pixels
        around (at a grazing angle the depth changes within a pixel).
    """
    height, width = mask.shape
    x, y = points[:, 0], points[:, 1]
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    deepest = np.zeros(len(points), np.float32)
    shown = np.zeros(len(points), np.bool_)
    for row in (top, top + 1):
        for column in (left, left + 1):
            r, c = row.clip(0, height - 1), column.clip(0, width - 1)
            depth = surface.depth[r, c]
            deepest = np.maximum(deepest, np.where(depth < FAR, depth, 0))
            shown |= mask[r, c]
    result: NDArray[np.bool_] = inside & shown & (points[:, 2] <= deepest + TOLERANCE)
    return result
