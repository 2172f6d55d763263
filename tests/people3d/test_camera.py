import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.people3d.camera import PLAIN_OPTICS, View, crop_projection, expose

VIEW = View(yaw=0, height=2.5, distance=8, zoom=0.9, stretch=1.2, shift_x=0, shift_y=0, roll=0)


def box(rng):
    return rng.uniform((-0.3, -0.2, 0), (0.3, 0.2, 1.7), (200, 3)).astype(np.float32)


def test_a_person_fills_the_share_of_the_crop_that_the_view_says(rng):
    body = box(rng)
    seen = crop_projection(VIEW, body, body, (128, 64))(body)
    assert np.ptp(seen[:, 1]) == pytest.approx(0.9 * 128, rel=1e-4)
    assert seen[:, 1].min() + seen[:, 1].max() == pytest.approx(127, abs=0.01)


def test_the_left_hand_of_somebody_who_faces_the_camera_is_on_the_right(rng):
    projection = crop_projection(VIEW, box(rng), box(rng), (128, 64))
    left, up = projection(np.array([[0.3, 0, 1], [0, 0, 1.6]], np.float32))
    middle = projection(np.array([[0, 0, 1]], np.float32))[0]
    assert left[0] > middle[0] and up[1] < middle[1]
    near = projection(np.array([[0, -1, 1]], np.float32))[0]
    assert near[2] < middle[2]


@given(factor=st.integers(1, 4))
def test_a_finer_projection_shows_the_same_crop(factor):
    body = box(np.random.default_rng(1))
    projection = crop_projection(VIEW, body, body, (128, 64))
    fine, coarse = projection.finer(factor)(body), projection(body)
    assert np.allclose((fine[:, :2] + 0.5) / factor, coarse[:, :2] + 0.5, atol=1e-3)


def test_a_perfect_camera_changes_nothing(rng):
    image = rng.random((32, 16, 3)).astype(np.float32)
    assert np.allclose(expose(image, PLAIN_OPTICS, rng), image, atol=1e-6)


def test_a_camera_casts_and_blurs(rng):
    image = rng.random((32, 16, 3)).astype(np.float32) * 0.8
    red = expose(image, PLAIN_OPTICS._replace(red=1.2), rng)
    assert np.allclose(red[..., 0], image[..., 0] * 1.2, atol=1e-5)
    soft = expose(image, PLAIN_OPTICS._replace(blur=8.0, shrink=0.5), rng)
    assert soft.std() < 0.5 * image.std() and soft.mean() == pytest.approx(image.mean(), abs=0.03)
    grey = expose(image, PLAIN_OPTICS._replace(saturation=0.0), rng)
    assert np.ptp(grey, axis=-1).max() < 1e-6


def test_sharpening_adds_to_edges_and_leaves_areas_alone(rng) -> None:
    image = np.full((128, 64, 3), 0.3, np.float32)
    image[:, 32:] = 0.6
    sharp = expose(image, PLAIN_OPTICS._replace(sharpen=1.0), rng)
    assert np.allclose(sharp[:, [0, 10, 50, 63]], image[:, [0, 10, 50, 63]], atol=1e-3)
    assert sharp[:, 31].max() < 0.25 and sharp[:, 32].min() > 0.65
    more = expose(image, PLAIN_OPTICS._replace(sharpen=2.0), rng)
    assert np.allclose(more - image, 2 * (sharp - image), atol=1e-5)
