from itertools import pairwise

import numpy as np
import pytest

from reidaug.files import cache_folder
from reidaug.people3d.body import RIG, TOPOLOGY, Phenotype, load_body, rest_body, skin

AVERAGE = Phenotype(0.5, 0.75, 0.5, 0.5, 0.5, 0.5)


def test_the_bones_come_parents_first_and_weights_sum_to_one():
    model = load_body()
    assert all(parent < bone for bone, parent in enumerate(model.parents))
    assert np.allclose(model.weights.sum(1), 1, atol=1e-4)
    assert model.faces.max() == len(model.template) - 17 - 1


def test_adults_have_the_height_of_adults():
    for tall, low, high in ((0.25, 1.4, 1.7), (0.38, 1.5, 1.85), (0.5, 1.6, 2.0)):
        for gender in (0.0, 1.0):
            body = rest_body(AVERAGE._replace(height=tall, gender=gender))
            straight = np.ptp(body.vertices[:, 2]) + 0.02  # at rest the legs are apart
            assert low < straight < high


def test_a_heavier_body_is_wider():
    thin, heavy = (rest_body(AVERAGE._replace(weight=w)).vertices for w in (0.1, 0.9))
    model = load_body()
    trunk = model.weights[: len(thin), model.bones.index("spine03")] > 0.5
    assert np.ptp(heavy[trunk, 0]) > 1.1 * np.ptp(thin[trunk, 0])


def test_joints_lie_inside_the_body_and_left_is_left():
    body = rest_body(AVERAGE)
    low, high = body.vertices.min(0), body.vertices.max(0)
    assert ((body.joints > low) & (body.joints < high)).all()
    right, left = body.joints[[1, 7, 13]], body.joints[[4, 10, 14]]
    assert (right[:, 0] < 0).all() and (left[:, 0] > 0).all()
    assert body.joints[0, 1] < body.joints[15, 1]  # the nose is before the ears


@pytest.mark.slow
def test_the_shape_space_is_exact_to_a_millimetre(tmp_path):
    import anny
    import torch
    from anny.paths import get_anny_cache_path, set_anny_cache_path

    kept = get_anny_cache_path()
    set_anny_cache_path(tmp_path)
    try:
        model = anny.Anny(rig=RIG, topology=TOPOLOGY, skinning_method="lbs").to(torch.float32)
    finally:
        set_anny_cache_path(kept)
    for adult in (Phenotype(0.3, 0.9, 0.7, 0.2, 0.6, 0.4), Phenotype(1.0, 0.7, 0.2, 0.9, 0.1, 0.8)):
        with torch.no_grad():
            rest = model(phenotype_kwargs=adult._asdict())["rest_vertices"][0].numpy()
        assert np.abs(rest - rest_body(adult).vertices).max() < 1e-3


def test_skinning_without_rotation_changes_nothing(mesh):
    model = load_body()
    still = np.tile(np.eye(3, dtype=np.float32), (len(model.bones), 1, 1))
    moved = skin(mesh.vertices, mesh.weights, mesh.heads, still, model.parents)
    assert np.allclose(moved, mesh.vertices, atol=1e-5)


def test_skinning_equals_a_plain_loop_over_bones(rng):
    parents = (-1, 0, 1)
    heads = rng.normal(size=(3, 3)).astype(np.float32)
    vertices = rng.normal(size=(5, 3)).astype(np.float32)
    weights = rng.dirichlet(np.ones(3), size=5).astype(np.float32)
    angle = rng.uniform(-1, 1, 3)
    rotations = np.stack(
        [[[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]] for a in angle]
    ).astype(np.float32)
    slow = np.zeros_like(vertices)
    for v in range(5):
        for bone in range(3):
            # A point follows its bone: walk down the chain, turning about each head in turn.
            chain = [bone]
            while parents[chain[0]] >= 0:
                chain.insert(0, parents[chain[0]])
            place = heads[chain[0]]
            for up, down in pairwise(chain):
                place = place + rotations[up] @ (heads[down] - heads[up])
            slow[v] += weights[v, bone] * (place + rotations[bone] @ (vertices[v] - heads[bone]))
    assert np.allclose(skin(vertices, weights, heads, rotations, parents), slow, atol=1e-5)


@pytest.mark.slow
def test_a_damaged_cache_is_built_again(tmp_path, monkeypatch):
    whole, kept = load_body(), next(cache_folder().glob("body-*.npz"))
    monkeypatch.setenv("REIDAUG_CACHE", str(tmp_path))
    (tmp_path / kept.name).write_bytes(kept.read_bytes()[:-1000])
    again = load_body.__wrapped__()
    assert (again.bones, again.parents) == (whole.bones, whole.parents)
    assert np.allclose(again.template, whole.template, atol=1e-4)
