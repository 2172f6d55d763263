import numpy as np
import pytest

from reidaug.people3d.render_plans import (
    from_row,
    plan_pair_images,
    plan_test_images,
    plan_training_images,
    to_row,
)
from reidaug.people3d.worlds import DOMAIN_A, DOMAIN_B, FEW_POSES, MANY_POSES, STREET, WORLDS


def yaws(taken):
    return np.array([plan.view.yaw for _, plan in taken])


def spread(angles):
    """Give how far angles are apart at most, on the circle."""
    return np.abs((angles[:, None] - angles[None] + np.pi) % (2 * np.pi) - np.pi).max()


def test_in_few_poses_a_training_person_is_seen_from_one_side():
    sides = []
    for person in range(40):
        taken = plan_training_images(FEW_POSES, 0, person, 4)
        assert spread(yaws(taken)) < 6 * FEW_POSES.side_spread
        assert len({camera for camera, _ in taken}) <= FEW_POSES.train_cameras
        sides.append(round(float(np.median(yaws(taken))) / (np.pi / 2)) % 4)
    assert set(sides) == {0, 1, 2, 3}


def test_test_people_are_seen_all_around_and_by_all_cameras():
    for world in WORLDS.values():
        taken = plan_test_images(world, 0, 5, 6)
        assert {camera for camera, _ in taken} == set(range(1, world.cameras + 1))
        assert spread(yaws(taken)) > 2


def by_camera(taken):
    cameras = {camera for camera, _ in taken}
    return [[plan for camera, plan in taken if camera == one] for one in cameras]


def test_on_the_street_each_camera_sees_a_person_walk_by_once() -> None:
    turned, shaded = [], []
    for person in range(1, 30):
        taken = plan_training_images(STREET, 0, person, 8)
        seen = by_camera(taken)
        assert len(seen) == STREET.train_cameras
        for walk in seen:
            assert len(walk) == 2
            assert spread(np.array([plan.view.yaw for plan in walk])) < 5 * STREET.side_spread
            assert np.ptp([plan.backdrop.along for plan in walk]) < 0.15
            assert len({plan.light.azimuth for plan in walk}) == 1
            shaded.append(np.ptp([plan.light.ambient for plan in walk]))
            assert len({plan.posture for plan in walk}) == 2
        turned.append(spread(yaws(taken)))
        searched = by_camera(plan_test_images(STREET, 0, person, 12))
        assert all(np.ptp([plan.backdrop.along for plan in walk]) < 0.15 for walk in searched)
    assert np.median(shaded) > 0.05  # through sun and shade
    assert np.median(turned) > 1.5  # two cameras see different sides
    apart = [
        np.ptp([plan.backdrop.along for plan in walk])
        for person in range(1, 30)
        for walk in by_camera(plan_training_images(MANY_POSES, 0, person, 12))
    ]
    assert np.median(apart) > 0.2


def test_plans_repeat_and_depend_on_the_person():
    first, again, other = (plan_training_images(MANY_POSES, 0, p, 3) for p in (1, 1, 2))
    assert first == again != other


def test_a_plan_survives_a_table():
    for _, plan in plan_test_images(FEW_POSES, 3, 1, 4):
        row = to_row(plan)
        assert all(isinstance(value, (int, float, str)) for value in row.values())
        assert from_row(row) == plan


@pytest.mark.parametrize("world", [DOMAIN_A, DOMAIN_B], ids=lambda w: w.name)
def test_people_of_a_domain_are_learnt_from_several_views_by_several_cameras(world):
    for person in range(1, 20):
        taken = plan_training_images(world, 0, person, 14)
        assert len({camera for camera, _ in taken}) == min(world.cameras, world.train_cameras)
        assert spread(yaws(taken)) > np.pi / 2


def test_pairs_share_place_and_camera_and_are_seen_all_around():
    taken = plan_pair_images(0, 4, 8, white=False)
    assert len({(plan.backdrop.place, plan.optics) for plan in taken}) == 1
    assert spread(np.array([plan.view.yaw for plan in taken])) > 2
    assert all(plan.occluder.kind == "none" for plan in taken)
    assert {plan.backdrop.place for plan in plan_pair_images(0, 4, 8, white=True)} == {"white"}


def test_cut_pictures_keep_the_head_and_lose_the_feet() -> None:
    whole = plan_pair_images(0, 4, 8, white=False)
    cut = plan_pair_images(0, 4, 8, white=False, cut=1.0)
    some = plan_pair_images(0, 4, 200, white=False, cut=0.3)
    for before, after in zip(whole, cut, strict=True):
        assert after._replace(view=before.view) == before
        old, new = before.view, after.view
        assert 1.1 <= new.zoom / old.zoom <= 1.7
        # Of the crop's height: where the head is stays, where the feet are goes down.
        assert new.shift_y - new.zoom / 2 == pytest.approx(old.shift_y - old.zoom / 2)
        assert new.shift_y + new.zoom / 2 > old.shift_y + old.zoom / 2 + 0.05
    share = np.mean([plan.view.zoom > 1.08 for plan in some])
    assert 0.15 < share < 0.45
