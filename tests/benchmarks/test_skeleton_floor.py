import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from same_joints import take_picture
from skeleton_floor import (
    LEAST,
    Group,
    estimate,
    geometric_median,
    in_pixels,
    invite,
    measure,
    measure_person,
    sum_up,
)

from reidaug.flow.builtin import load_flow
from reidaug.geometry.flow import identity
from reidaug.people3d.appearance_sampling import sample_person
from reidaug.people3d.mesh import build_mesh
from reidaug.people3d.render_plans import plan_pair_images
from reidaug.people3d.worlds import MANY_POSES


def group_of(points, shown=None) -> Group:
    """K people whose flow is one point (K, 2) in every cell of a small picture."""
    flow = np.broadcast_to(np.asarray(points, np.float64)[:, :, None, None], (len(points), 2, 2, 3))
    everywhere = np.ones((len(points), 2, 3), np.bool_)
    shown = everywhere if shown is None else shown
    return Group(flow, shown, np.zeros(shown.shape, np.int64), np.zeros(len(points)))


@given(seed=st.integers(0, 1000), people=st.integers(3, 9))
def test_no_point_near_the_median_is_better(seed: int, people: int) -> None:
    rng = np.random.default_rng(seed)
    flow = rng.normal(size=(people, 2, 4))
    shown = rng.random((people, 4)) < 0.8
    shown[0] = True

    def cost(middle):
        return (np.linalg.norm(flow - middle, axis=1) * shown).sum(0)

    found = geometric_median(flow, shown, rounds=500)
    for angle in np.linspace(0, 2 * np.pi, 8, endpoint=False):
        step = 0.05 * np.array([[np.cos(angle)], [np.sin(angle)]])
        assert (cost(found) <= cost(found + step) + 1e-3).all()


def test_the_floor_is_known_for_two_opinions() -> None:
    points = [[0.0, 0]] * 6 + [[4.0, 0]] * 2
    scores = measure(group_of(points), {"guess": np.zeros((2, 2, 3))})
    assert scores["floor"] == pytest.approx(2 * 4 / 8, abs=0.01)  # the majority's flow
    assert scores["guess"] == pytest.approx(1)
    assert scores["rms"] == pytest.approx(np.std([0.0] * 6 + [4.0] * 2))
    # The mean of the seven others: of one of six 8 / 7, of one of two 4 / 7.
    assert scores["others"] == pytest.approx((6 * 8 / 7 + 2 * (4 - 4 / 7)) / 8)
    assert (scores["people"], scores["share"], scores["floor torso"]) == (8, 1, scores["floor"])
    assert "floor legs" not in scores


def test_no_guess_is_below_the_floor() -> None:
    rng = np.random.default_rng(0)
    group = group_of(rng.normal(size=(9, 2)))
    guesses = {str(k): rng.normal(size=(2, 2, 3)) for k in range(20)}
    scores = measure(group, guesses)
    assert all(scores[name] >= scores["floor"] - 1e-6 for name in (*guesses, "others"))


def test_cells_of_few_people_and_groups_of_few_do_not_count() -> None:
    shown = np.ones((10, 2, 3), np.bool_)
    shown[: 10 - LEAST + 1, 0] = False
    points = np.zeros((10, 2))
    scores = measure(group_of(points, shown), {})
    assert scores["share"] == pytest.approx(30 / (30 + 3 * (LEAST - 1)))
    assert measure(group_of(points[: LEAST - 1]), {}) == {}


def test_what_was_not_measured_is_left_out_of_means() -> None:
    rows = [{"both": {"floor": 1.0}}, {"both": {}}, {"both": {"floor": 3.0}}]
    found = sum_up(rows, np.array([1, 1, 2]))
    assert found == {"both": {"pairs": 2, "floor": 2.0, "floor_ci": [1.0, 3.0]}}


def test_pixels_of_the_source() -> None:
    found = in_pixels(identity(128, 64).numpy())
    assert np.allclose(found[:, 5, 7], (7, 5), atol=1e-4)


@pytest.fixture(scope="module")
def rows():
    cast = invite(5, 8, postures=60)
    estimators = {"torso-affine": load_flow("torso-affine")}
    return measure_person(2, 5, 1, cast, estimators)


@pytest.mark.slow
def test_every_group_is_measured(rows) -> None:
    assert list(rows[0]) == [
        "clothes", "bodies", "depth", "mirrored", "both", "both, nearest half",
        "both, same visible",
    ]  # fmt: skip
    for name in ("clothes", "bodies", "depth"):
        scores = rows[0][name]
        assert 0 <= scores["floor"] <= scores["others"] < scores["torso-affine"]
        assert scores["floor"] <= scores["rms"]
    assert all(math.isfinite(value) for group in rows[0].values() for value in group.values())


def test_an_estimator_is_asked_with_the_joints() -> None:
    mesh = build_mesh(sample_person(MANY_POSES, 5, 2))
    picture = take_picture(mesh, plan_pair_images(5, 2, 2, white=False)[0])
    flow = estimate(load_flow("torso-affine"), picture, picture)
    assert np.allclose(flow, in_pixels(identity(128, 64).numpy()), atol=0.01)
