import numpy as np

from reidaug.people3d.motion import Posture
from reidaug.people3d.raster import FAR
from reidaug.people3d.render import render, visible_joints
from reidaug.people3d.scene import Backdrop, Occluder
from tests.people3d.conftest import SIZE

NOSE, R_WRIST, L_WRIST = 0, 4, 7
TORSO = [2, 5, 8, 11]
FACE = [0, 14, 15]


def seen_from(mesh, plan, yaw, **changes):
    posture = Posture(**changes)
    view = plan.view._replace(yaw=yaw, shift_x=0.0, shift_y=0.0, zoom=0.9)
    occluder = Occluder("none", 0.0, 0)
    return render(mesh, plan._replace(view=view, posture=posture, occluder=occluder), SIZE)


def test_a_picture_has_a_person_in_it(renders):
    for one in renders:
        assert one.image.shape == (*SIZE, 3) and one.image.dtype == np.uint8
        assert 0.08 < one.mask.mean() < 0.6
        assert one.visible[TORSO].all()
        rows, columns = np.nonzero(one.mask)
        xy = one.xy[one.visible]
        assert (xy[:, 0] > columns.min() - 2).all() and (xy[:, 0] < columns.max() + 2).all()
        assert (xy[:, 1] > rows.min() - 2).all() and (xy[:, 1] < rows.max() + 2).all()


def test_the_same_plan_gives_the_same_bytes(mesh, plans, renders):
    again = render(mesh, plans[0], SIZE)
    assert (again.image == renders[0].image).all() and (again.mask == renders[0].mask).all()


def test_joints_of_the_torso_lie_on_the_person(renders):
    for one in renders:
        x, y = np.round(one.xy[TORSO]).astype(int).T
        assert one.mask[y, x].all()


def test_a_face_is_visible_from_the_front_and_not_from_behind(mesh, plans):
    assert seen_from(mesh, plans[0], 0.0).visible[FACE].all()
    assert not seen_from(mesh, plans[0], np.pi).visible[FACE].any()


def test_the_far_eye_is_hidden_in_profile(mesh, plans):
    right = seen_from(mesh, plans[0], np.pi / 2)  # the right side of the body is near
    assert right.visible[14] and not right.visible[15]


def test_a_hand_before_the_belly_is_hidden_from_behind(mesh, plans):
    held = {"arm_left": 0.2, "elbow_left": 1.5, "inward_left": 0.6, "away_left": 0.0}
    assert seen_from(mesh, plans[0], 0.0, **held).visible[L_WRIST]
    assert not seen_from(mesh, plans[0], np.pi, **held).visible[L_WRIST]


def test_joints_outside_the_picture_or_covered_are_not_visible():
    points = np.tile(np.array([10.0, 10.0, 5.0], np.float32), (18, 1))
    points[0, 0] = -3
    points[1, 1] = 200
    points[2, :2] = (40, 20)
    depth = np.full((256, 128), FAR, np.float32)
    covered = np.zeros(SIZE, np.bool_)
    covered[20, 40] = True
    visible = visible_joints(points, depth, covered)
    assert not visible[:3].any() and visible[3:].all()
    depth[:] = 3.0
    assert not visible_joints(points, depth, covered).any()


def test_white_ground_is_white(mesh, plans):
    one = render(mesh, plans[0]._replace(backdrop=Backdrop("white", 0, 0.0)), (64, 64))
    assert one.image.shape == (64, 64, 3)
    assert np.median(one.image[:10, :10]) > 215


def test_an_occluder_hides_the_person(mesh, plans):
    plain = render(mesh, plans[0], SIZE)
    wall = plans[0]._replace(occluder=Occluder("bush", 0.2, 1))
    hidden = render(mesh, wall, SIZE)
    assert 0.3 * plain.mask.sum() < hidden.mask.sum() < 0.9 * plain.mask.sum()
    assert not hidden.visible[[10, 13]].any()
