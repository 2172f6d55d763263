import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reidaug.people3d.raster import FAR, interpolate, rasterise, vertex_normals


def slow_raster(points, faces, size):
    """Try every triangle at every pixel."""
    depth, face = np.full(size, FAR), np.full(size, -1)
    weights = np.zeros((*size, 3))
    for f, (i, j, k) in enumerate(faces):
        corners = points[[i, j, k]].astype(np.float64)
        table = np.vstack((corners[:, :2].T, np.ones(3)))
        if abs(np.linalg.det(table)) < 1e-9:
            continue
        for y in range(size[0]):
            for x in range(size[1]):
                w = np.linalg.solve(table, [x, y, 1])
                if w.min() < 0:
                    continue
                inverse = w / corners[:, 2]
                if 1 / inverse.sum() < depth[y, x]:
                    depth[y, x], face[y, x] = 1 / inverse.sum(), f
                    weights[y, x] = inverse / inverse.sum()
    return face, weights, depth


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
@example(seed=2000)  # two of its triangles have the same corners
def test_the_depth_buffer_equals_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    points = np.column_stack((rng.uniform(-4, 16, (9, 2)), rng.uniform(1, 5, 9)))
    points = points.astype(np.float32)
    faces = rng.permuted(np.tile(np.arange(9, dtype=np.int32), (4, 1)), axis=1)[:, :3].copy()
    surface = rasterise(points, faces, (10, 12))
    face, weights, depth = slow_raster(points, faces, (10, 12))
    # Pixels exactly on an edge may fall either way, and so may two triangles of the same corners.
    corners = np.sort(np.append(faces, [[-1, -1, -1]], axis=0), axis=1)
    agree = (corners[surface.face] == corners[face]).all(-1)
    assert agree.mean() > 0.98
    assert np.allclose(surface.depth[agree], depth[agree], rtol=1e-3)
    same = surface.face == face
    assert np.allclose(surface.weights[same], weights[same], atol=1e-2)


def test_the_nearer_of_two_triangles_is_visible():
    points = np.array(
        [[0, 0, 2], [9, 0, 2], [0, 9, 2], [0, 0, 1], [9, 0, 1], [0, 9, 1]], np.float32
    )
    faces = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    surface = rasterise(points, faces, (8, 8))
    assert set(np.unique(surface.face)) == {-1, 1}
    assert surface.depth[0, 0] == 1 and surface.depth[7, 7] == np.float32(FAR)


def test_interpolation_gives_back_the_pixel_itself():
    points = np.array([[0, 0, 2], [15, 1, 3], [2, 15, 5]], np.float32)
    faces = np.array([[0, 1, 2]], np.int32)
    surface = rasterise(points, faces, (16, 16))
    rows, columns = np.nonzero(surface.face == 0)
    weights = surface.weights[rows, columns]
    assert np.allclose(weights.sum(1), 1, atol=1e-5)
    space = np.concatenate((points[:, :2] * points[:, 2:], points[:, 2:]), axis=1)
    found = interpolate(space, faces, np.zeros(len(rows), np.int32), weights)
    assert np.allclose(found[:, :2] / found[:, 2:], np.column_stack((columns, rows)), atol=1e-3)


def test_normals_of_a_cube_point_out_of_it():
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.int32)
    normals = vertex_normals(corners, faces)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert ((normals * corners).sum(1) > 0.5).all()
