"""Rendered people whose joints in a picture are those of a reference person."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reidaug.people3d.body import Floats, load_body, skin
from reidaug.people3d.camera import Projection, View
from reidaug.people3d.mesh import PersonMesh, pose_mesh
from reidaug.people3d.motion import Posture, bone_rotations
from reidaug.people3d.raster import Surface, rasterise
from reidaug.people3d.render import RenderPlan, add_neck, project_person, visible_joints

SIZE = (128, 64)
PIXEL = 0.5  # how closely a fitted posture keeps to the joints: spread in pixels
METRES = 0.05  # the same of depths, where they are given
TURN = 0.5  # and to its start: spread of the direction people face, in radians
NEAR = np.pi / 3  # directions that are tried lie within this of the reference's
POSITIVE = [k for k, name in enumerate(Posture._fields) if name.startswith(("knee", "elbow"))]
LIMBS = ((2, 3, 4), (5, 6, 7), (8, 9, 10), (11, 12, 13))  # joints of arms and legs, root first
PELVIS = Posture._fields.index("pelvis")
Mask = NDArray[np.bool_]


class Picture(NamedTuple):
    """What a picture of the reference person fixes for all others."""

    posture: Posture  # the reference's, with the direction it faces in ``pelvis``
    view: View
    projection: Projection
    depth: Floats  # depth of the 18 joints in metres (18,)
    xy: Floats  # the 18 joints in pixels (18, 2)
    visible: Mask  # joints that can be seen (18,)


class Drawn(NamedTuple):
    """A person in a picture, joints on the reference's."""

    surface: Surface
    points: Floats  # projected vertices (V, 3): x and y in pixels, depth in metres
    visible: Mask  # joints that can be seen (18,)
    apart: float  # RMS distance of the joints in pixels before the picture was bent


class Bank(NamedTuple):
    """Random postures, and where they bring the joints of a body."""

    postures: Sequence[Posture]
    joints: Floats  # (N, 18, 3) in metres, facing the camera, the pelvis over the origin


def take_picture(mesh: PersonMesh, plan: RenderPlan) -> Picture:
    """Photograph the reference person as planned."""
    vertices, joints = pose_mesh(mesh, plan.posture, plan.view.yaw)
    projection = project_person(mesh, plan.view, vertices, joints, SIZE)
    joints = projection(add_neck(joints))
    depth = rasterise(projection(vertices), mesh.faces, SIZE).depth
    shown = visible_joints(joints, depth, np.zeros(SIZE, np.bool_))
    posture = plan.posture._replace(pelvis=plan.posture.pelvis + plan.view.yaw)
    xy, away = joints[:, :2].astype(np.float64), joints[:, 2].astype(np.float64)
    return Picture(posture, plan.view, projection, away, xy, shown)


def draw(mesh: PersonMesh, picture: Picture, posture: Posture) -> Drawn:
    """Draw a person so that its joints lie where the reference's visible joints are.

    The crop is moved and scaled to the joints; what remains moves every joint to its place and the
    surface smoothly with it, see `spread_from`. Depths are the person's own.
    """
    vertices, joints = pose_mesh(mesh, posture, 0.0)
    at = picture.projection(add_neck(joints)).astype(np.float64)
    points = picture.projection(vertices)
    shown = picture.visible
    scale, offset = place(at[:, :2], picture.xy, shown)
    at[:, :2] = at[:, :2] * scale + offset
    left = picture.xy[shown] - at[shown, :2]
    points[:, :2] = points[:, :2] * scale + offset + spread_from(mesh, shown) @ left
    at[shown, :2] += left
    surface = rasterise(points, mesh.faces, SIZE)
    seen = visible_joints(at, surface.depth, np.zeros(SIZE, np.bool_))
    return Drawn(surface, points, seen, float(np.sqrt((left**2).sum(1).mean())))


def place(xy: Floats, target: Floats, shown: Mask) -> tuple[Floats, Floats]:
    """Fit scale (..., 1, 1) and offset (..., 1, 2) of joints (..., 18, 2) to others (18, 2)."""
    here, there = xy[..., shown, :], target[shown]
    middle, aim = here.mean(-2, keepdims=True), there.mean(0)
    moved = here - middle
    scale = (moved * (there - aim)).sum((-2, -1)) / (moved**2).sum((-2, -1))
    scale = scale[..., None, None]
    return scale, aim - scale * middle


def spread_from(mesh: PersonMesh, shown: Mask) -> Floats:
    """Weights (V, n) that spread displacements of n shown joints over a mesh.

    They interpolate on the body at rest, arms and legs apart, so that limbs that cross in a picture
    move by themselves: at a joint its own displacement, between joints linear in the distances.
    """
    nodes = add_neck(mesh.joints)[shown].astype(np.float64)
    count = len(nodes)
    system = np.ones((count + 1, count + 1))
    system[count, count] = 0
    system[:count, :count] = -_distances(nodes, nodes)
    rows = np.column_stack((-_distances(mesh.vertices, nodes), np.ones(len(mesh.vertices))))
    weights: Floats = rows @ np.linalg.inv(system)[:, :count]
    return weights


def on_skeleton(mesh: PersonMesh, reference: PersonMesh) -> PersonMesh:
    """Give a person the joints of another one: body and clothes of the first on the second's bones.

    The person is scaled to the other's size, and what remains is spread as in `spread_from`.
    """
    size, other = (np.linalg.norm(m.joints - m.joints.mean(0)) for m in (mesh, reference))
    scale = other / size
    move = add_neck(reference.joints) - scale * add_neck(mesh.joints)
    every = np.ones(len(move), np.bool_)
    vertices = (scale * mesh.vertices + spread_from(mesh, every) @ move).astype(np.float32)
    return mesh._replace(vertices=vertices, heads=reference.heads, joints=reference.joints)


def make_bank(mesh: PersonMesh, postures: Sequence[Posture]) -> Bank:
    """Place the joints of a body in random postures."""
    return Bank(postures, np.stack([pose_joints(mesh, posture) for posture in postures]))


def pose_joints(mesh: PersonMesh, posture: Posture) -> Floats:
    """Pose the 18 joints (18, 3) alone, the lower ankle a shoe's height over the ground."""
    model = load_body()
    turned = bone_rotations(posture, mesh.heads, model.bones)
    joints = skin(mesh.joints, mesh.joint_weights, mesh.heads, turned, model.parents)
    ground = np.array([*mesh.heads[0, :2], joints[[9, 12], 2].min() - 0.08], np.float32)
    return add_neck(joints - ground)


def alike(
    bank: Bank, picture: Picture, count: int, rng: np.random.Generator, turns: int = 8
) -> list[Posture]:
    """Choose the postures whose joints are nearest to the picture's, each in its best direction.

    Postures face random directions near the reference's. Returned postures hold the direction in
    ``pelvis``.
    """
    yaw = picture.view.yaw + rng.uniform(-NEAR, NEAR, (len(bank.postures), turns))
    c, s = np.cos(yaw)[..., None], np.sin(yaw)[..., None]
    x, y, z = np.moveaxis(bank.joints[:, None], -1, 0)
    turned = np.stack((c * x - s * y, s * x + c * y, z + 0 * c), -1)
    at = picture.projection(turned.reshape(-1, 3).astype(np.float32))[:, :2]
    xy = at.reshape(*turned.shape[:3], 2).astype(np.float64)
    scale, offset = place(xy, picture.xy, picture.visible)
    apart = (xy * scale + offset - picture.xy)[..., picture.visible, :]
    error = (apart**2).sum((-2, -1))
    best = error.argmin(1)
    order = np.argsort(error.min(1))[:count]
    return [
        bank.postures[k]._replace(pelvis=float(bank.postures[k].pelvis + yaw[k, best[k]]))
        for k in order.tolist()
    ]


def mirror_limbs(mesh: PersonMesh, picture: Picture, which: Mask, spread: Floats) -> Posture:
    """Bend some limbs (4,) of the reference towards the camera as far as they are bent away.

    As far as a body can: knees and elbows bend one way, and angles far from the reference's cost.
    """
    depth = picture.depth.copy()
    for limb, chosen in zip(LIMBS, which.tolist(), strict=True):
        if chosen:
            depth[list(limb)] = 2 * depth[limb[0]] - depth[list(limb)]
    return fit(mesh, picture, picture.posture, 2 * spread, depth)


def fit(
    mesh: PersonMesh,
    picture: Picture,
    start: Posture,
    spread: Floats,
    depth: Floats | None = None,
) -> Posture:
    """Bring the joints of a posture to the picture's, changing it as little as possible.

    Gauss-Newton on squared distances over `PIXEL` plus squared changes over ``spread`` (21,), the
    standard deviations of the angles: from a random start a draw, nearly, from the postures that
    the joints leave possible. With ``depth`` (18,) in metres the joints' depths are fitted too.
    """

    def apart(angles: Floats) -> Floats:
        joints = pose_joints(mesh, Posture(*angles.tolist()))
        at = picture.projection(joints).astype(np.float64)
        scale, offset = place(at[:, :2], picture.xy, picture.visible)
        away = (at[:, :2] * scale + offset - picture.xy)[picture.visible] / PIXEL
        behind = np.zeros(0) if depth is None else (at[:, 2] - depth) / METRES
        return np.concatenate((away.ravel(), behind, (angles - first) / spread))

    first: Floats = np.array(start, np.float64)
    angles, step = first.copy(), 5e-3
    for _ in range(5):
        here = apart(angles)
        slopes = [(apart(angles + step * axis) - here) / step for axis in np.eye(len(angles))]
        change = np.linalg.lstsq(np.stack(slopes, 1), -here, rcond=None)[0]
        angles = angles + np.clip(change, -0.5, 0.5)
        angles[POSITIVE] = angles[POSITIVE].clip(0, None)
    return Posture(*angles.tolist())


def spread_of(postures: Sequence[Posture]) -> Floats:
    """Standard deviations (21,) of the angles of postures; `TURN` for the direction."""
    spread: Floats = np.array(postures, np.float64).std(0).clip(0.02, None)
    spread[PELVIS] = TURN
    return spread


def _distances(points: Floats, nodes: Floats) -> NDArray[Any]:
    return np.linalg.norm(points[:, None] - nodes, axis=-1)
