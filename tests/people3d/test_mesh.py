import numpy as np

from reidaug.people3d.mesh import build_mesh


def test_a_dressed_person_is_one_mesh(mesh):
    assert mesh.faces.max() == len(mesh.vertices) - 1
    assert len(mesh.chart) == len(mesh.weights) == len(mesh.vertices)
    assert np.allclose(mesh.weights.sum(1), 1, atol=1e-4)
    assert np.isfinite(mesh.vertices).all() and np.isfinite(mesh.chart).all()
    for array in (mesh.vertices, mesh.weights, mesh.chart):
        assert array.dtype == np.float32


def test_clothes_stand_off_the_body(mesh):
    thin = build_mesh(mesh.appearance._replace(top=mesh.appearance.top._replace(thickness=0.0)))
    thick = build_mesh(mesh.appearance._replace(top=mesh.appearance.top._replace(thickness=0.05)))
    moved = np.linalg.norm(thick.vertices - thin.vertices, axis=1)
    assert moved.max() < 0.06 and (moved > 0.03).mean() > 0.05
