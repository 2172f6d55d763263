import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.people3d.body import load_body
from reidaug.people3d.mesh import pose_mesh
from reidaug.people3d.motion import ACTIONS, Posture, bone_rotations, sample_posture, walking

NOSE, R_SHOULDER, R_WRIST, L_SHOULDER, L_WRIST = 0, 1, 3, 4, 6
R_HIP, R_ANKLE, L_HIP, L_ANKLE = 7, 9, 10, 12


@given(phase=st.floats(0, 1), amplitude=st.floats(0.05, 0.55), swing=st.floats(0, 0.6))
def test_half_a_cycle_later_left_and_right_change_places(phase, amplitude, swing):
    now, later = walking(phase, amplitude, swing), walking(phase + 0.5, amplitude, swing)
    for name in ("thigh", "knee", "arm", "elbow"):
        assert getattr(now, f"{name}_left") == pytest.approx(getattr(later, f"{name}_right"))
    assert now.twist == pytest.approx(-later.twist)
    assert min(now.knee_left, now.knee_right) > 0


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_gives_rotations(action, mesh, rng):
    for _ in range(5):
        posture = sample_posture(action, rng.random(), rng)
        assert all(isinstance(angle, float) for angle in posture)
        turned = bone_rotations(posture, mesh.heads, load_body().bones)
        product = turned @ turned.transpose(0, 2, 1)
        assert np.allclose(product, np.eye(3), atol=1e-4)
        assert np.allclose(np.linalg.det(turned), 1, atol=1e-4)


def test_standing_straight_puts_limbs_where_they_belong(mesh):
    _, joints = pose_mesh(mesh, Posture(), 0.0)
    assert joints[L_SHOULDER, 0] > joints[L_HIP, 0] > 0 > joints[R_HIP, 0] > joints[R_SHOULDER, 0]
    heights = joints[[NOSE, L_SHOULDER, L_HIP, L_ANKLE], 2]
    assert (np.diff(heights) < 0).all()
    assert joints[L_WRIST, 2] < joints[L_HIP, 2] + 0.15
    assert joints[NOSE, 1] < joints[L_SHOULDER, 1]


def test_a_thigh_swung_forward_moves_the_ankle_to_the_front(mesh):
    _, joints = pose_mesh(mesh, Posture(thigh_left=0.5, thigh_right=-0.3), 0.0)
    assert joints[L_ANKLE, 1] < joints[L_HIP, 1] - 0.2
    assert joints[R_ANKLE, 1] > joints[R_HIP, 1] + 0.1


def test_people_stand_on_the_ground_and_turn_on_the_spot(mesh):
    front, joints = pose_mesh(mesh, Posture(), 0.0)
    back, turned = pose_mesh(mesh, Posture(), np.pi)
    assert front[:, 2].min() == back[:, 2].min() == 0
    assert np.allclose(turned[:, :2], -joints[:, :2], atol=1e-4)
    assert np.allclose(turned[:, 2], joints[:, 2], atol=1e-4)
