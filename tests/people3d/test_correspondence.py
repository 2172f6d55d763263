import numpy as np
import pytest
import torch

from reidaug.geometry.flow import identity
from reidaug.geometry.warp import warp
from reidaug.people3d.correspondence import exact_flow, locate, visible_in
from reidaug.people3d.raster import FAR, rasterise
from reidaug.people3d.render import render
from tests.people3d.conftest import SIZE


def surface_of(mesh, one):
    points = one.projection(one.vertices)
    return points, rasterise(points, mesh.faces, SIZE)


def flow_between(mesh, source, target):
    points, seen = surface_of(mesh, source)
    _, wanted = surface_of(mesh, target)
    return exact_flow(wanted, seen, points, mesh.faces, source.mask, target.mask)


def test_the_flow_of_a_picture_to_itself_is_the_identity_on_the_person(mesh, renders):
    flow, visible = flow_between(mesh, renders[0], renders[0])
    own = identity(*SIZE).numpy()
    _, surface = surface_of(mesh, renders[0])
    on = surface.face >= 0
    assert np.abs(flow - own)[:, on].max() < 1e-3
    assert visible[on & renders[0].mask].all() and not visible[~on].any()


def test_off_the_person_the_flow_is_that_of_the_nearest_point_on_it(mesh, renders):
    flow, visible = flow_between(mesh, renders[0], renders[1])
    _, surface = surface_of(mesh, renders[1])
    on = surface.face >= 0
    rows, columns = np.nonzero(on)
    for y, x in ((0, 0), (127, 0), (64, 2), (3, 60)):
        if on[y, x]:
            continue
        away = (rows - y) ** 2 + (columns - x) ** 2
        near = np.flatnonzero(away == away.min())
        found = flow[:, rows[near], columns[near]]
        assert np.abs(found - flow[:, y, x, None]).sum(0).min() == 0
        assert not visible[y, x]


def test_a_shifted_crop_gives_a_shifted_flow(mesh, plans):
    view = plans[0].view
    moved = plans[0]._replace(
        view=view._replace(shift_x=view.shift_x + 4 / 64, shift_y=view.shift_y - 3 / 128)
    )
    source, target = render(mesh, plans[0], SIZE), render(mesh, moved, SIZE)
    flow, visible = flow_between(mesh, source, target)
    own = identity(*SIZE).numpy()
    shift = np.array([-4 / 63 * 2, 3 / 127 * 2])
    error = np.abs(flow - own - shift[:, None, None])[:, visible]
    assert visible.sum() > 500 and error.max() < 1e-3


def test_following_a_flow_there_and_back_leads_home(mesh, renders):
    source, target = renders[0], renders[1]
    there, visible = flow_between(mesh, source, target)
    back, returned = flow_between(mesh, target, source)
    home = warp(torch.from_numpy(back)[None], torch.from_numpy(there)[None])[0].numpy()
    known = warp(torch.from_numpy(returned)[None, None].float(), torch.from_numpy(there)[None])[
        0, 0
    ].numpy()
    here = visible & (known > 0.999)
    error = (home - identity(*SIZE).numpy())[:, here] * np.array([[31.5], [63.5]])
    assert here.sum() > 150
    assert np.median(np.linalg.norm(error, axis=0)) < 0.3


@pytest.mark.parametrize(("source", "target"), [(0, 1), (2, 1), (4, 5)])
def test_warping_the_source_gives_the_target_where_both_show_it(mesh, renders, source, target):
    flow, visible = flow_between(mesh, renders[source], renders[target])
    images = [
        torch.from_numpy(renders[k].image.transpose(2, 0, 1).copy())[None].float()
        for k in (source, target)
    ]
    warped = warp(images[0], torch.from_numpy(flow)[None])
    error = (warped - images[1]).abs().mean(1)[0].numpy()
    unwarped = (images[0] - images[1]).abs().mean(1)[0].numpy()
    assert visible.sum() > 200
    # What is left is light, noise and the softness of two cameras.
    assert error[visible].mean() < 40
    assert error[visible].mean() < 0.75 * unwarped[visible].mean()


def test_a_point_behind_the_surface_is_not_visible(rng):
    points = np.array([[-9, -9, 2], [40, -9, 2], [-9, 40, 2]], np.float32)
    surface = rasterise(points, np.array([[0, 1, 2]], np.int32), (16, 16))
    queries = np.array([[5, 5, 2.0], [5, 5, 2.5], [-4, 5, 2.0], [14.9, 15.2, 2.0]], np.float32)
    mask = surface.depth < FAR
    seen = visible_in(queries, surface, mask)
    assert seen.tolist() == [True, False, False, True]
    assert not visible_in(queries, surface, np.zeros_like(mask)).any()


def test_a_corner_is_located_at_itself():
    points = np.array([[1, 2, 2], [9, 3, 4], [4, 8, 3]], np.float32)
    faces = np.array([[0, 1, 2]], np.int32)
    found = locate(np.zeros(3, np.int32), np.eye(3, dtype=np.float32), points, faces)
    assert np.allclose(found, points, atol=1e-5)


def test_without_a_person_the_flow_is_the_identity(mesh, renders):
    points, seen = surface_of(mesh, renders[0])
    empty = seen._replace(face=np.full(SIZE, -1, np.int32))
    flow, visible = exact_flow(
        empty, seen, points, mesh.faces, renders[0].mask, np.zeros(SIZE, np.bool_)
    )
    assert np.abs(flow - identity(*SIZE).numpy()).max() < 1e-5 and not visible.any()
