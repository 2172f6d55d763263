"""Rendering: image, mask and joints of one person."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reidaug.people3d.anatomy import Chart
from reidaug.people3d.body import Floats
from reidaug.people3d.camera import Optics, Projection, View, crop_projection, expose
from reidaug.people3d.mesh import PersonMesh, pose_mesh
from reidaug.people3d.motion import Posture
from reidaug.people3d.raster import FAR, Surface, interpolate, rasterise, vertex_normals
from reidaug.people3d.scene import Backdrop, Occluder, add_shadow, draw_backdrop, draw_occluder
from reidaug.people3d.texture import sine_noise, surface_colour

SUPERSAMPLING = 2
"""Samples per pixel along each axis."""

ARM, LEG = (0.5, 0.2, 0.17), (0.5, 0.24, 0.22)
# Greatest depth in metres of a visible joint of OPENPOSE_18 below the visible surface (limb, cloth,
# hair); a deeper one is occluded by another part of the body. Annotators place shoulders and hips
# even in profile, hence their large values.
DEPTH = np.array([0.06, 0.34, *ARM, *ARM, *LEG, *LEG, 0.05, 0.05, 0.1, 0.1], np.float32)


class Light(NamedTuple):
    """Illumination of a person."""

    azimuth: float  # direction in radians: 0 from the camera's side, positive from the right
    elevation: float  # angle over the horizon in radians
    ambient: float  # share of ambient light
    strength: float  # brightness of a surface that faces the light
    warmth: float  # positive towards red, negative towards blue


class RenderPlan(NamedTuple):
    """Everything about an image but the person in it."""

    posture: Posture  # body pose
    view: View  # viewpoint and crop
    light: Light  # illumination
    backdrop: Backdrop  # background
    occluder: Occluder  # object in front of the person
    optics: Optics  # lens and sensor
    seed: int  # random seed of the sensor noise


class Render(NamedTuple):
    """An image with its annotations."""

    image: NDArray[np.uint8]  # RGB bytes (H, W, 3)
    mask: NDArray[np.bool_]  # visible pixels of the person (H, W)
    xy: Floats  # the 18 joints (18, 2) of the internal skeleton in pixels
    visible: NDArray[np.bool_]  # joints (18,) inside the image and not occluded
    vertices: Floats  # vertices of the posed mesh (V, 3)
    projection: Projection  # projection into the image


def render(mesh: PersonMesh, plan: RenderPlan, size: tuple[int, int]) -> Render:
    """Render a mesh at rest as planned; ``size`` is (height, width) in pixels."""
    vertices, joints = pose_mesh(mesh, plan.posture, plan.view.yaw)
    projection = project_person(mesh, plan.view, vertices, joints, size)
    joints = add_neck(joints)
    fine = (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    surface = rasterise(projection.finer(SUPERSAMPLING)(vertices), mesh.faces, fine)
    colour, on_person = shade(mesh, plan, vertices, surface)
    alpha = _downsample(on_person.astype(np.float32)[..., None])
    points = projection(joints)
    ankles, width = points[[10, 13], :2], 0.25 * float(np.ptp(points[:, 1]))
    background = add_shadow(draw_backdrop(plan.backdrop, size), ankles, width)
    image = _downsample(colour) + (1 - alpha) * background
    foreground, cover = draw_occluder(plan.occluder, size)
    image = image + cover[..., None] * (foreground - image)
    exposed = expose(image, plan.optics, np.random.default_rng(plan.seed))
    mask = (alpha[..., 0] * (1 - cover)) > 0.5
    return Render(
        image=np.round(exposed * 255).astype(np.uint8),
        mask=mask,
        xy=points[:, :2],
        visible=visible_joints(points, surface.depth, cover > 0.5),
        vertices=vertices,
        projection=projection,
    )


def project_person(
    mesh: PersonMesh, view: View, vertices: Floats, joints: Floats, size: tuple[int, int]
) -> Projection:
    """Compute the projection into the crop a detector would make: around the body without bags.

    ``vertices`` (V, 3), ``joints`` (17, 3): the posed mesh; ``size``: (height, width) in pixels.
    """
    shoulders_and_hips = joints[[1, 4, 7, 10]]
    return crop_projection(view, vertices[: mesh.skin], shoulders_and_hips, size)


def add_neck(joints: Floats) -> Floats:
    """Insert the neck, the middle of the shoulders, into the 17 other joints (17, C)."""
    return np.insert(joints, 1, (joints[1] + joints[4]) / 2, axis=0)


def visible_joints(points: Floats, depth: Floats, covered: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Decide which joints (18,) an annotator could place.

    A joint is not visible outside the image, under an occluder, or where the visible surface is
    nearer to the camera than the joint by more than the limb's own thickness.

    Args:
        points: Joints (18, 3): x and y in pixels, then depth in metres.
        depth: Depth buffer of the person, finer than the image by a whole factor.
        covered: Pixels of an occluder (H, W).
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
    mesh: PersonMesh, plan: RenderPlan, vertices: Floats, surface: Surface
) -> tuple[Floats, NDArray[np.bool_]]:
    """Colour and illuminate the pixels of a person.

    Args:
        mesh: The person.
        plan: Illumination and viewpoint.
        vertices: Vertices of the posed mesh (V, 3).
        surface: Surface point of each pixel (h, w).

    Returns:
        Colours (h, w, 3), zero off the person, and the pixels of the person (h, w).
    """
    on_person = surface.face >= 0
    face, weights = surface.face[on_person], surface.weights[on_person]
    attributes = np.concatenate((mesh.chart, vertex_normals(vertices, mesh.faces)), axis=1)
    found = interpolate(attributes, mesh.faces, face, weights)
    chart, normals = Chart.from_table(found[:, :9]), found[:, 9:]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    # Cloth is two-sided: illuminate the side that faces the camera.
    to_camera = np.array([0, -plan.view.distance, plan.view.height], np.float32)
    to_camera /= np.linalg.norm(to_camera)
    normals *= np.where(normals @ to_camera < 0, -1, 1)[:, None]
    light = plan.light
    x, y = np.sin(light.azimuth), -np.cos(light.azimuth)
    level, up = np.cos(light.elevation), np.sin(light.elevation)
    direct = np.clip(normals @ np.array([x * level, y * level, up], np.float32), 0, 1)
    sky = 0.75 + 0.25 * normals[:, 2]
    folds = wrinkles(mesh, chart)
    lit = light.strength * (light.ambient * sky + (1 - light.ambient) * direct) * folds
    tint = 1 + light.warmth * np.array([1, 0, -1], np.float32)
    colour = np.zeros((*on_person.shape, 3), np.float32)
    base = surface_colour(mesh.appearance, chart, mesh.part[face])
    colour[on_person] = np.clip(base * lit[:, None] * tint, 0, 1)
    return colour, on_person


def wrinkles(mesh: PersonMesh, chart: Chart) -> Floats:
    """Compute the brightness factor (P,), about 1, of wrinkles in the cloth."""
    u = np.arctan2(chart.direction[:, 0], chart.direction[:, 1]) * chart.radius
    v = chart.position[:, 2] + 0.2 * chart.arm
    seed = mesh.appearance.seed
    fold = sine_noise(seed, u, 1.7 * v, 34.0) + 0.6 * sine_noise(seed + 1, u, v, 90.0)
    amount = np.where(chart.head > 0.5, 0.02, 0.075)
    return (1 + amount * fold).astype(np.float32)


def _downsample(image: Floats) -> Floats:
    height, width = image.shape[0] // SUPERSAMPLING, image.shape[1] // SUPERSAMPLING
    result: Floats = image.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING, -1).mean((1, 3))
    return result
