import numpy as np
import pytest

from reidaug.errors import UsageError
from reidaug.people3d import shots, worlds
from reidaug.people3d.motion import ACTIONS
from reidaug.people3d.worlds import FEW_POSES, MANY_POSES, WORLDS

plan_test = shots.test_shots  # by this name pytest does not take it for a test


def yaws(taken):
    return np.array([shot.view.yaw for _, shot in taken])


def spread(angles):
    """Give how far angles are apart at most, on the circle."""
    return np.abs((angles[:, None] - angles[None] + np.pi) % (2 * np.pi) - np.pi).max()


def test_in_few_poses_a_training_person_is_seen_from_one_side():
    sides = []
    for person in range(40):
        taken = shots.train_shots(FEW_POSES, 0, person, 4)
        assert spread(yaws(taken)) < 6 * FEW_POSES.side_spread
        assert len({camera for camera, _ in taken}) <= FEW_POSES.train_cameras
        sides.append(round(float(np.median(yaws(taken))) / (np.pi / 2)) % 4)
    assert set(sides) == {0, 1, 2, 3}


def test_test_people_are_seen_all_around_and_by_all_cameras():
    for world in WORLDS.values():
        taken = plan_test(world, 0, 5, 6)
        assert {camera for camera, _ in taken} == set(range(1, world.cameras + 1))
        assert spread(yaws(taken)) > 2


def test_plans_repeat_and_depend_on_the_person():
    first, again, other = (shots.train_shots(MANY_POSES, 0, p, 3) for p in (1, 1, 2))
    assert first == again != other


def test_a_plan_survives_a_table():
    for _, shot in plan_test(FEW_POSES, 3, 1, 4):
        row = shots.to_row(shot)
        assert all(isinstance(value, (int, float, str)) for value in row.values())
        assert shots.from_row(row) == shot


def test_a_world_survives_a_recipe():
    for world in WORLDS.values():
        assert worlds.world_from_dict(world.as_dict()) == world
        assert len(world.actions) == len(ACTIONS)


def test_an_unknown_world_is_named_with_the_known_ones():
    with pytest.raises(UsageError, match="few-poses, many-poses"):
        worlds.world_named("moon")


def test_cameras_of_few_poses_colour_more_than_those_of_many():
    def casts(world):
        optics = [worlds.camera_of(world, 0, k).optics for k in range(1, 30)]
        gains = np.log([[o.red, o.green, o.blue] for o in optics])
        return (gains - gains.mean(1, keepdims=True)).std()

    assert casts(FEW_POSES) > 1.5 * casts(MANY_POSES)


def test_pairs_share_place_and_camera_and_are_seen_all_around():
    taken = shots.pair_shots(0, 4, 8, white=False)
    assert len({(shot.backdrop.place, shot.optics) for shot in taken}) == 1
    assert spread(np.array([shot.view.yaw for shot in taken])) > 2
    assert all(shot.occluder.kind == "none" for shot in taken)
    assert {shot.backdrop.place for shot in shots.pair_shots(0, 4, 8, white=True)} == {"white"}


def test_cut_pictures_keep_the_head_and_lose_the_feet() -> None:
    whole = shots.pair_shots(0, 4, 8, white=False)
    cut = shots.pair_shots(0, 4, 8, white=False, cut=1.0)
    some = shots.pair_shots(0, 4, 200, white=False, cut=0.3)
    for before, after in zip(whole, cut, strict=True):
        assert after._replace(view=before.view) == before
        old, new = before.view, after.view
        assert 1.1 <= new.zoom / old.zoom <= 1.7
        # Of the crop's height: where the head is stays, where the feet are goes down.
        assert new.shift_y - new.zoom / 2 == pytest.approx(old.shift_y - old.zoom / 2)
        assert new.shift_y + new.zoom / 2 > old.shift_y + old.zoom / 2 + 0.05
    share = np.mean([shot.view.zoom > 1.08 for shot in some])
    assert 0.15 < share < 0.45
