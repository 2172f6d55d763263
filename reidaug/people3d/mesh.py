"""The mesh of a clothed person: body surface displaced by clothes, and free-hanging parts.

Every visible surface (cloth, hair, bags) is a triangle of this mesh, numbered alike in every pose:
triangle and barycentric coordinates identify a surface point across images, which gives exact flow.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from reidaug.people3d import garment_coverage as coverage
from reidaug.people3d.accessories import BODY, MeshPart, bag, loose_garments, loose_hair
from reidaug.people3d.anatomy import Chart, skin_chart
from reidaug.people3d.appearance import Appearance
from reidaug.people3d.body import Floats, Integers, RestBody, load_body, rest_body, skin
from reidaug.people3d.motion import Posture, bone_rotations
from reidaug.people3d.raster import vertex_normals

HAIR_THICKNESS = {
    "short": 0.012, "full": 0.026, "bob": 0.026, "long": 0.022, "ponytail": 0.012, "bun": 0.012,
    "cap": 0.018, "hood": 0.028,
}  # fmt: skip


class PersonMesh(NamedTuple):
    """A clothed person at rest."""

    appearance: Appearance
    vertices: Floats  # (V, 3) in metres
    weights: Floats  # skinning weights (V, N)
    faces: Integers  # triangles (F, 3)
    part: Integers  # part of each triangle (F,), see `reidaug.people3d.accessories`
    chart: Floats  # coordinates of the vertices (V, 9), see `reidaug.people3d.anatomy.Chart`
    # Where the vertices are on the mean body at rest (V, 3) in metres: the same place for the same
    # point of every person.
    place: Floats
    skin: int  # number of vertices of the body surface and the clothes on it; they come first
    heads: Floats  # bone heads (N, 3)
    joints: Floats  # the 17 COCO joints (17, 3)
    joint_weights: Floats  # skinning weights of the joints (17, N)


def build_mesh(appearance: Appearance) -> PersonMesh:
    """Build the mesh of a person at rest."""
    model = load_body()
    body = rest_body(appearance.phenotype)
    chart = skin_chart()
    weights = model.weights[: len(body.vertices)]
    clothed = _clothe(appearance, body, chart)
    surface = MeshPart(clothed, weights, model.faces, chart.table(), chart.position, BODY)
    parts = [surface, *loose_garments(appearance, body), *loose_hair(appearance, body)]
    parts += bag(appearance, body)
    starts = np.cumsum([0] + [len(p.vertices) for p in parts])
    faces = [p.faces + s for p, s in zip(parts, starts, strict=False)]
    return PersonMesh(
        appearance=appearance,
        vertices=np.concatenate([p.vertices for p in parts]).astype(np.float32),
        weights=np.concatenate([p.weights for p in parts]),
        faces=np.concatenate(faces).astype(np.int32),
        part=np.concatenate([np.full(len(p.faces), p.part, np.int32) for p in parts]),
        chart=np.concatenate([p.chart for p in parts]).astype(np.float32),
        place=np.concatenate([p.place for p in parts]).astype(np.float32),
        skin=len(body.vertices),
        heads=body.heads,
        joints=body.joints,
        joint_weights=model.weights[len(body.vertices) :],
    )


def pose_mesh(mesh: PersonMesh, posture: Posture, yaw: float) -> tuple[Floats, Floats]:
    """Pose a mesh and stand it on the ground (z = 0), the pelvis over the origin.

    ``yaw`` is the direction the person faces in radians: 0 towards -y, growing to the left.

    Returns:
        Vertices (V, 3) and the 17 joints (17, 3) in metres.
    """
    model = load_body()
    turned = bone_rotations(posture._replace(pelvis=posture.pelvis + yaw), mesh.heads, model.bones)
    vertices = skin(mesh.vertices, mesh.weights, mesh.heads, turned, model.parents)
    joints = skin(mesh.joints, mesh.joint_weights, mesh.heads, turned, model.parents)
    ground = np.array([0, 0, vertices[:, 2].min()], np.float32)
    ground[:2] = mesh.heads[0, :2]
    return vertices - ground, joints - ground


@cache
def _smoother() -> Any:
    """Build the sparse matrix that averages the neighbours of every vertex of the body surface."""
    faces = load_body().faces
    count = len(skin_chart().position)
    pairs = np.concatenate((faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]))
    rows = np.concatenate((pairs[:, 0], pairs[:, 1]))
    columns = np.concatenate((pairs[:, 1], pairs[:, 0]))
    links = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (count, count))
    links.data[:] = 1
    total = np.maximum(np.asarray(links.sum(1)).ravel(), 1)
    return csr_matrix(links.multiply(1 / total[:, None]), dtype=np.float32)


def _clothe(appearance: Appearance, body: RestBody, chart: Chart) -> Floats:
    """Smooth the body surface under clothes and displace it by their thickness."""
    thickness = np.zeros(len(chart.position), np.float32)
    bottom, top = coverage.under_trousers(appearance, chart), coverage.under_top(appearance, chart)
    shoes, hair = coverage.under_shoes(appearance, chart), coverage.under_hair(appearance, chart)
    thickness[bottom] = appearance.bottom.thickness
    thickness[top] = appearance.top.thickness
    thickness[shoes] = 0.012
    if appearance.hair.style != "bald":
        thickness[hair] = HAIR_THICKNESS[appearance.hair.style]
    clothed = (bottom | top | shoes).astype(np.float32)[:, None]
    average = _smoother()
    vertices = body.vertices
    for _ in range(14):
        vertices = vertices + 0.6 * clothed * (average @ vertices - vertices)
    for _ in range(2):
        thickness = 0.5 * thickness + 0.5 * (average @ thickness)
    normals = vertex_normals(vertices, load_body().faces)
    # Compensate for the thinner limbs that smoothing leaves.
    lost = np.einsum("vk,vk->v", body.vertices - vertices, normals)
    lost = average @ (average @ np.clip(lost, 0, 0.02))
    moved: Floats = vertices + (thickness + lost * clothed[:, 0])[:, None] * normals
    return moved
