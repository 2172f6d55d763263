import numpy as np
import pytest
from same_joints import (
    LIMBS,
    alike,
    draw,
    fit,
    make_bank,
    mirror_limbs,
    on_skeleton,
    place,
    pose_joints,
    spread_from,
    spread_of,
    take_picture,
)

from reidaug.people3d.appearance_sampling import sample_person
from reidaug.people3d.mesh import build_mesh, pose_mesh
from reidaug.people3d.motion import sample_posture
from reidaug.people3d.raster import rasterise
from reidaug.people3d.render import add_neck
from reidaug.people3d.render_plans import plan_pair_images
from reidaug.people3d.worlds import MANY_POSES


@pytest.fixture(scope="module")
def people():
    return [build_mesh(sample_person(MANY_POSES, 3, person)) for person in (1, 2)]


@pytest.fixture(scope="module")
def picture(people):
    return take_picture(people[0], plan_pair_images(3, 1, 4, white=False)[0])


@pytest.fixture(scope="module")
def postures():
    rng = np.random.default_rng(0)
    return [sample_posture("walk", rng.random(), rng) for _ in range(40)]


def test_the_reference_is_drawn_as_it_is(people, picture):
    drawn = draw(people[0], picture, picture.posture)
    vertices, _ = pose_mesh(people[0], picture.posture, 0.0)
    assert drawn.apart < 1e-3
    assert np.abs(drawn.points - picture.projection(vertices)).max() < 1e-2
    assert (drawn.visible == picture.visible).all()


def test_displacements_are_interpolated_and_a_shift_stays_a_shift(people):
    mesh = people[0]
    shown = np.arange(18) % 3 > 0
    joints = add_neck(mesh.joints)[shown]
    at_joints = spread_from(mesh._replace(vertices=joints), shown)
    assert np.allclose(at_joints, np.eye(len(joints)), atol=1e-6)
    assert np.allclose(spread_from(mesh, shown).sum(1), 1, atol=1e-6)


def test_others_on_the_reference_s_bones_have_its_joints_in_every_posture(people, picture):
    reference, other = people
    shared = on_skeleton(other, reference)
    assert np.abs(shared.vertices - other.vertices).max() > 0.005
    assert draw(shared, picture, picture.posture).apart < 0.05
    assert draw(other, picture, picture.posture).apart > 0.1
    same = on_skeleton(reference, reference)
    assert np.allclose(same.vertices, reference.vertices, atol=1e-5)


def test_a_person_of_other_bones_is_moved_onto_the_joints(people, picture):
    drawn = draw(people[1], picture, picture.posture)
    _, joints = pose_mesh(people[1], picture.posture, 0.0)
    # The joints as vertices of the mesh: they go where the reference's visible joints are.
    mesh = people[1]
    rest = mesh._replace(
        vertices=np.concatenate((mesh.vertices, mesh.joints)),
        weights=np.concatenate((mesh.weights, mesh.joint_weights)),
    )
    moved = draw(rest, picture, picture.posture).points[-17:, :2]
    wanted, shown = np.delete(picture.xy, 1, 0), np.delete(picture.visible, 1)
    assert np.abs(moved - wanted)[shown].max() < 1e-2
    assert drawn.apart > 0.1 and len(joints) == 17


def test_scale_and_offset_are_found(picture):
    scale, offset = place(2 * picture.xy + np.array([3.0, -1]), picture.xy, picture.visible)
    assert float(scale[0, 0]) == pytest.approx(0.5)
    assert offset.ravel() == pytest.approx([-1.5, 0.5])


def test_joints_alone_are_posed_as_with_the_mesh(people, postures):
    _, joints = pose_mesh(people[0], postures[0], 0.0)
    alone = pose_joints(people[0], postures[0])
    apart = alone - add_neck(joints)
    assert np.abs(apart - apart[0]).max() < 1e-5  # but for the height over the ground
    assert np.abs(apart).max() < 0.05


def test_a_fitted_posture_comes_to_the_joints(people, picture, postures):
    bank, spread = make_bank(people[0], postures), spread_of(postures)
    start = alike(bank, picture, 3, np.random.default_rng(1))[0]
    found = fit(people[0], picture, start, spread)
    before = draw(people[0], picture, start).apart
    assert draw(people[0], picture, found).apart < min(1.5, before)
    assert found.knee_left >= 0 and found.elbow_right >= 0
    own = fit(people[0], picture, picture.posture, spread)
    assert np.allclose(own, picture.posture, atol=0.05)


def test_the_nearest_posture_is_found_with_its_direction(people, picture, postures):
    own = picture.posture._replace(pelvis=picture.posture.pelvis - picture.view.yaw)
    bank = make_bank(people[0], [*postures, own])
    first = alike(bank, picture, 1, np.random.default_rng(2), turns=200)[0]
    assert first.thigh_left == own.thigh_left
    assert abs(first.pelvis - picture.posture.pelvis) < 0.05


def test_mirrored_limbs_change_depth_and_keep_the_joints(people, picture, postures):
    spread = spread_of(postures)
    found = mirror_limbs(people[0], picture, np.ones(4, np.bool_), spread)
    assert draw(people[0], picture, found).apart < 2

    def depths(posture):
        at = picture.projection(pose_joints(people[0], posture))[:, 2]
        return np.array([at[limb[-1]] - at[limb[0]] for limb in LIMBS])

    before, after = depths(picture.posture), depths(found)
    far = np.abs(before).argmax()
    assert abs(after[far] + before[far]) < abs(2 * before[far])
    unchanged = mirror_limbs(people[0], picture, np.zeros(4, np.bool_), spread)
    assert np.allclose(depths(unchanged), before, atol=0.02)


def test_the_surface_is_that_of_the_points(people, picture):
    drawn = draw(people[1], picture, picture.posture)
    again = rasterise(drawn.points, people[1].faces, drawn.surface.face.shape)
    assert (again.face == drawn.surface.face).all()
