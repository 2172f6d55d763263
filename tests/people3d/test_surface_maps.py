import numpy as np
import pytest
import torch

from reidaug.data.images import resize_mask
from reidaug.geometry.flow import identity
from reidaug.people3d.accessories import BAG
from reidaug.people3d.raster import rasterise
from reidaug.people3d.render import render
from reidaug.people3d.surface_maps import (
    framed_like,
    joints_in,
    outline_of,
    pose_person,
    surface_map,
)
from tests.people3d.conftest import SIZE

GRID = (64, 32)


@pytest.fixture(scope="module")
def posed(mesh, plans):
    return [pose_person(mesh, plan.posture, plan.view, SIZE) for plan in plans]


def test_a_surface_map_names_the_vertices_that_are_projected_there(mesh, posed):
    cells = [(GRID[1] - 1) / (SIZE[1] - 1), (GRID[0] - 1) / (SIZE[0] - 1)]
    for one in posed:
        found = surface_map(mesh, one, SIZE, GRID)
        on = np.isfinite(found).all(0)
        assert on.sum() > 100 and np.isnan(found[:, ~on]).all()
        # The vertex nearest to a cell's place is projected near that cell.
        points = one.projection(one.vertices)[:, :2] * cells
        for row, column in np.argwhere(on)[::17]:
            away = np.linalg.norm(mesh.place - found[:3, row, column], axis=1)
            close = points[away < away.min() + 0.005]
            assert away.min() < 0.05 and np.abs(close - [column, row]).max(1).min() < 1.5


def test_the_grid_has_the_corners_of_the_image(mesh, posed):
    outline = outline_of(mesh, posed[0], SIZE)
    coarse = np.isfinite(surface_map(mesh, posed[0], SIZE, GRID)).all(0)
    whole = torch.from_numpy(outline)
    assert (resize_mask(whole, GRID).numpy() == coarse).mean() > 0.98
    assert np.array_equal(resize_mask(whole, SIZE).numpy(), outline)
    assert identity(*GRID).shape[1:] == coarse.shape


def test_joints_and_outline_are_those_of_the_render(mesh, plans, posed):
    for plan, one in zip(plans, posed, strict=True):
        image = render(mesh, plan._replace(occluder=plan.occluder._replace(kind="none")), SIZE)
        joints = joints_in(mesh, one, SIZE)
        assert np.allclose(joints[:, :2], image.xy, atol=1e-3)
        assert (joints[:, 2] == image.visible).mean() > 0.9
        assert (outline_of(mesh, one, SIZE) == image.mask).mean() > 0.98


def test_framed_like_itself_a_view_stays_and_scale_and_head_are_kept(mesh, plans, posed):
    same = framed_like(plans[0].view, posed[0].tall, plans[0].view, posed[0].tall)
    assert same == pytest.approx(plans[0].view)
    view = framed_like(plans[1].view, posed[1].tall, plans[0].view, posed[0].tall)
    moved = pose_person(mesh, plans[1].posture, view, SIZE)
    tops = [one.projection(one.vertices[: mesh.skin])[:, 1].min() for one in (posed[0], moved)]
    assert tops[0] == pytest.approx(tops[1], abs=0.1)
    scales = [
        one.projection.scale / one.joints[[2, 5, 8, 11], 2].mean() for one in (posed[0], moved)
    ]
    assert np.allclose(*scales, rtol=1e-3)


def test_the_map_of_a_mesh_and_its_place_agree(mesh, posed):
    p = posed[0]
    surface = rasterise(p.projection(p.vertices), mesh.faces, SIZE)
    whole = surface_map(mesh, p, SIZE, SIZE)
    on = surface.face >= 0
    corners = mesh.place[mesh.faces[surface.face[on]]]
    expected = (surface.weights[on][..., None] * corners).sum(1)
    assert np.allclose(whole[:3, on], expected.T, atol=1e-5)
    assert np.array_equal(whole[3, on] > 0, mesh.part[surface.face[on]] == BAG)
