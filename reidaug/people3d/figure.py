"""A dressed person as one mesh: skin moved out by the clothes, and what hangs free of it.

Every surface a picture can show (cloth, hair, bags) is a triangle of this mesh, and its numbering
does not change from pose to pose: a triangle and a point in it name the same spot in every picture.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from reidaug.people3d import garment_cover as cut
from reidaug.people3d.anatomy import Chart, skin_chart
from reidaug.people3d.body import Floats, Integers, RestBody, load_body, rest_body, skin
from reidaug.people3d.motion import Posture, rotations
from reidaug.people3d.pieces import BODY, Piece, bag, free_cloth, free_hair
from reidaug.people3d.raster import vertex_normals
from reidaug.people3d.wardrobe import Look

HAIR_THICKNESS = {
    "short": 0.012, "full": 0.026, "bob": 0.026, "long": 0.022, "ponytail": 0.012, "bun": 0.012,
    "cap": 0.018, "hood": 0.028,
}  # fmt: skip


class Figure(NamedTuple):
    """A dressed person at rest.

    Attributes:
        look: Who.
        vertices: (V, 3) in metres.
        weights: Skinning weights (V, N).
        faces: Triangles (F, 3).
        part: What each triangle belongs to (F,).
        chart: Coordinates of the vertices (V, 9), see `reidaug.people3d.anatomy.Chart`.
        skin: The first so many vertices are skin and the clothes on it.
        heads: Bone heads (N, 3).
        joints: The 17 COCO joints (17, 3) and ``joint_weights`` (17, N) that move them.
        joint_weights: See ``joints``.
    """

    look: Look
    vertices: Floats
    weights: Floats
    faces: Integers
    part: Integers
    chart: Floats
    skin: int
    heads: Floats
    joints: Floats
    joint_weights: Floats


def dress(look: Look) -> Figure:
    """Build a person.

    Args:
        look: Who.

    Returns:
        The mesh at rest.
    """
    model = load_body()
    body = rest_body(look.phenotype)
    chart = skin_chart()
    weights = model.weights[: len(body.vertices)]
    skin_piece = Piece(_clothe(look, body, chart), weights, model.faces, chart.table(), BODY)
    pieces = [skin_piece, *free_cloth(look, body), *free_hair(look, body), *bag(look, body)]
    starts = np.cumsum([0] + [len(p.vertices) for p in pieces])
    return Figure(
        look=look,
        vertices=np.concatenate([p.vertices for p in pieces]).astype(np.float32),
        weights=np.concatenate([p.weights for p in pieces]),
        faces=np.concatenate([p.faces + s for p, s in zip(pieces, starts, strict=False)]).astype(
            np.int32
        ),
        part=np.concatenate([np.full(len(p.faces), p.part, np.int32) for p in pieces]),
        chart=np.concatenate([p.chart for p in pieces]).astype(np.float32),
        skin=len(body.vertices),
        heads=body.heads,
        joints=body.joints,
        joint_weights=model.weights[len(body.vertices) :],
    )


def pose_figure(figure: Figure, posture: Posture, yaw: float) -> tuple[Floats, Floats]:
    """Put a person into a pose, standing on the ground.

    Args:
        figure: The person at rest.
        posture: The pose.
        yaw: Direction of view in radians: 0 towards -y, growing to the person's left.

    Returns:
        Vertices (V, 3) and the 17 joints (17, 3) in metres; the lowest point has z = 0 and the
        pelvis stands over the origin.
    """
    model = load_body()
    turned = rotations(posture._replace(pelvis=posture.pelvis + yaw), figure.heads, model.bones)
    vertices = skin(figure.vertices, figure.weights, figure.heads, turned, model.parents)
    joints = skin(figure.joints, figure.joint_weights, figure.heads, turned, model.parents)
    ground = np.array([0, 0, vertices[:, 2].min()], np.float32)
    ground[:2] = figure.heads[0, :2]
    return vertices - ground, joints - ground


@cache
def _smoother() -> Any:
    """Average of the neighbours of every skin vertex, as a sparse matrix."""
    faces = load_body().faces
    count = len(skin_chart().place)
    pairs = np.concatenate((faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]))
    rows = np.concatenate((pairs[:, 0], pairs[:, 1]))
    columns = np.concatenate((pairs[:, 1], pairs[:, 0]))
    links = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (count, count))
    links.data[:] = 1
    total = np.maximum(np.asarray(links.sum(1)).ravel(), 1)
    return csr_matrix(links.multiply(1 / total[:, None]), dtype=np.float32)


def _clothe(look: Look, body: RestBody, chart: Chart) -> Floats:
    """Smooth the skin under clothes and move it out by their thickness."""
    thickness = np.zeros(len(chart.place), np.float32)
    bottom, top = cut.bottom_covers(look, chart), cut.top_covers(look, chart)
    shoes, hair = cut.shoes_cover(look, chart), cut.hair_covers(look, chart)
    thickness[bottom] = look.bottom.thickness
    thickness[top] = look.top.thickness
    thickness[shoes] = 0.012
    if look.hair.style != "bald":
        thickness[hair] = HAIR_THICKNESS[look.hair.style]
    clothed = (bottom | top | shoes).astype(np.float32)[:, None]
    average = _smoother()
    vertices = body.vertices
    for _ in range(14):
        vertices = vertices + 0.6 * clothed * (average @ vertices - vertices)
    for _ in range(2):
        thickness = 0.5 * thickness + 0.5 * (average @ thickness)
    normals = vertex_normals(vertices, load_body().faces)
    # Smoothing thins the limbs a little: give that back.
    lost = np.einsum("vk,vk->v", body.vertices - vertices, normals)
    lost = average @ (average @ np.clip(lost, 0, 0.02))
    moved: Floats = vertices + (thickness + lost * clothed[:, 0])[:, None] * normals
    return moved
