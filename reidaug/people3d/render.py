"""One picture of one person: image, mask and joints."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reidaug.people3d.anatomy import Chart
from reidaug.people3d.body import Floats
from reidaug.people3d.camera import Optics, Projection, View, aim, expose
from reidaug.people3d.figure import Figure, pose_figure
from reidaug.people3d.motion import Posture
from reidaug.people3d.paint import paint, waves
from reidaug.people3d.raster import FAR, Surface, interpolate, rasterise, vertex_normals
from reidaug.people3d.scene import Backdrop, Occluder, backdrop, occlude, shadow

FINER = 2
"""Samples a pixel along each axis."""

ARM, LEG = (0.5, 0.2, 0.17), (0.5, 0.24, 0.22)
# How far in metres a joint lies behind the surface that shows it at most, in the order of
# OPENPOSE_18: limb, cloth and hair. A joint deeper than this behind what the camera sees is hidden
# by another part of the body. Viewers place shoulders and hips even in profile, so does this.
DEPTH = np.array([0.06, 0.34, *ARM, *ARM, *LEG, *LEG, 0.05, 0.05, 0.1, 0.1], np.float32)


class Light(NamedTuple):
    """Light on a person.

    Attributes:
        azimuth: Where it comes from in radians: 0 from the camera's side, positive from the right.
        elevation: Over the horizon in radians.
        ambient: Share that comes from everywhere.
        strength: Brightness of a surface that faces it.
        warmth: Positive towards red, negative towards blue.
    """

    azimuth: float
    elevation: float
    ambient: float
    strength: float
    warmth: float


class Shot(NamedTuple):
    """Everything about a picture but the person in it.

    Attributes:
        posture: The body's pose.
        view: From where.
        light: Light on the person.
        backdrop: What is behind.
        occluder: What is before.
        optics: The camera.
        seed: Of the sensor's noise.
    """

    posture: Posture
    view: View
    light: Light
    backdrop: Backdrop
    occluder: Occluder
    optics: Optics
    seed: int


class Render(NamedTuple):
    """A picture and what is known about it.

    Attributes:
        image: (H, W, 3) bytes.
        mask: Where the person is seen (H, W).
        xy: The 18 joints (18, 2) of the internal skeleton in pixels.
        visible: Which of them are inside the image and not hidden (18,).
        vertices: The person's vertices (V, 3) as they stand.
        projection: How they land in the image.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    xy: Floats
    visible: NDArray[np.bool_]
    vertices: Floats
    projection: Projection


def render(figure: Figure, shot: Shot, size: tuple[int, int]) -> Render:
    """Take a picture.

    Args:
        figure: The person.
        shot: Everything else.
        size: (height, width) in pixels.

    Returns:
        The picture, its mask and joints.
    """
    vertices, joints = pose_figure(figure, shot.posture, shot.view.yaw)
    projection = project(figure, shot.view, vertices, joints, size)
    joints = add_neck(joints)
    fine = (size[0] * FINER, size[1] * FINER)
    surface = rasterise(projection.finer(FINER)(vertices), figure.faces, fine)
    colour, seen = shade(figure, shot, vertices, surface)
    alpha = _shrink(seen.astype(np.float32)[..., None])
    behind = backdrop(shot.backdrop, size)
    points = projection(joints)
    behind = shadow(behind, points[[10, 13], :2], 0.25 * float(np.ptp(points[:, 1])))
    image = _shrink(colour) + (1 - alpha) * behind
    before, cover = occlude(shot.occluder, size)
    image = image + cover[..., None] * (before - image)
    taken = expose(image, shot.optics, np.random.default_rng(shot.seed))
    mask = (alpha[..., 0] * (1 - cover)) > 0.5
    return Render(
        image=np.round(taken * 255).astype(np.uint8),
        mask=mask,
        xy=points[:, :2],
        visible=visible_joints(points, surface.depth, cover > 0.5),
        vertices=vertices,
        projection=projection,
    )


def project(
    figure: Figure, view: View, vertices: Floats, joints: Floats, size: tuple[int, int]
) -> Projection:
    """Cut the crop around a person as a detector does: by the body, whatever is carried.

    Args:
        figure: The person.
        view: From where.
        vertices: The person's vertices as they stand (V, 3).
        joints: The person's joints (17, 3).
        size: (height, width) in pixels.

    Returns:
        The projection into the crop.
    """
    shoulders_and_hips = joints[[1, 4, 7, 10]]
    return aim(view, vertices[: figure.skin], shoulders_and_hips, size)


def add_neck(joints: Floats) -> Floats:
    """Put the neck, the middle of the shoulders, into its place of the internal skeleton.

    Args:
        joints: 17 rows (17, C) in the order of the internal skeleton without the neck.

    Returns:
        (18, C).
    """
    return np.insert(joints, 1, (joints[1] + joints[4]) / 2, axis=0)


def visible_joints(points: Floats, depth: Floats, covered: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which joints a viewer can place.

    A joint counts as hidden when something is in front of it that is farther away from it than its
    own limb is thick, or when it is outside the image.

    Args:
        points: Joints (18, 3): x and y in pixels, then the depth in metres.
        depth: Depth buffer of the person, finer than the image by a whole factor.
        covered: Where something else stands before the person (H, W).

    Returns:
        (18,).
    """
    height, width = covered.shape
    factor = depth.shape[0] // height
    column, row = np.round(points[:, 0]).astype(int), np.round(points[:, 1]).astype(int)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    column, row = column.clip(0, width - 1), row.clip(0, height - 1)
    fine = np.round((points[:, :2] + 0.5) * factor - 0.5).astype(int)
    x, y = fine[:, 0].clip(0, depth.shape[1] - 1), fine[:, 1].clip(0, depth.shape[0] - 1)
    front = depth[y, x]
    clear = (front >= FAR) | (points[:, 2] - front < DEPTH)
    result: NDArray[np.bool_] = inside & clear & ~covered[row, column]
    return result


def shade(
    figure: Figure, shot: Shot, vertices: Floats, surface: Surface
) -> tuple[Floats, NDArray[np.bool_]]:
    """Colour the pixels of a person and let light fall on them.

    Args:
        figure: The person.
        shot: Light and view.
        vertices: The person's vertices as they stand (V, 3).
        surface: What each pixel sees (h, w).

    Returns:
        Colours (h, w, 3), zero off the person, and where the person is (h, w).
    """
    seen = surface.face >= 0
    face, weights = surface.face[seen], surface.weights[seen]
    known = np.concatenate((figure.chart, vertex_normals(vertices, figure.faces)), axis=1)
    found = interpolate(known, figure.faces, face, weights)
    chart, normals = Chart.of(found[:, :9]), found[:, 9:]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    # Cloth is seen from both sides: light the side that faces the camera.
    away = np.array([0, -shot.view.distance, shot.view.height], np.float32)
    away /= np.linalg.norm(away)
    normals *= np.where(normals @ away < 0, -1, 1)[:, None]
    light = shot.light
    sun = np.array(
        [
            np.sin(light.azimuth) * np.cos(light.elevation),
            -np.cos(light.azimuth) * np.cos(light.elevation),
            np.sin(light.elevation),
        ],
        np.float32,
    )
    direct = np.clip(normals @ sun, 0, 1)
    sky = 0.75 + 0.25 * normals[:, 2]
    folds = wrinkles(figure, chart)
    lit = light.strength * (light.ambient * sky + (1 - light.ambient) * direct) * folds
    tint = 1 + light.warmth * np.array([1, 0, -1], np.float32)
    colour = np.zeros((*seen.shape, 3), np.float32)
    base = paint(figure.look, chart, figure.part[face])
    colour[seen] = np.clip(base * lit[:, None] * tint, 0, 1)
    return colour, seen


def wrinkles(figure: Figure, chart: Chart) -> Floats:
    """Give how folds in the cloth brighten or darken each point (P,), about 1."""
    u = np.arctan2(chart.way[:, 0], chart.way[:, 1]) * chart.radius
    v = chart.place[:, 2] + 0.2 * chart.arm
    seed = figure.look.seed
    fold = waves(seed, u, 1.7 * v, 34.0) + 0.6 * waves(seed + 1, u, v, 90.0)
    amount = np.where(chart.head > 0.5, 0.02, 0.075)
    return (1 + amount * fold).astype(np.float32)


def _shrink(image: Floats) -> Floats:
    height, width = image.shape[0] // FINER, image.shape[1] // FINER
    result: Floats = image.reshape(height, FINER, width, FINER, -1).mean((1, 3))
    return result
