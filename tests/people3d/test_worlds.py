import hashlib
import json
from itertools import product

import numpy as np
import pytest

from reidaug.errors import UsageError
from reidaug.people3d.appearance_sampling import sample_person
from reidaug.people3d.camera_sampling import sample_camera
from reidaug.people3d.motion import ACTIONS
from reidaug.people3d.render_plans import plan_test_images, plan_training_images, to_row
from reidaug.people3d.worlds import (
    DOMAIN_A,
    DOMAIN_B,
    FEW_POSES,
    MANY_POSES,
    WORLDS,
    world_from_dict,
    world_named,
)


def test_a_world_survives_a_recipe():
    for world in WORLDS.values():
        assert world_from_dict(world.as_dict()) == world
        assert len(world.actions) == len(ACTIONS)


def rounded(value):
    """Give plain values that every machine agrees on."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [rounded(item) for item in value]
    if isinstance(value, (bool, np.bool_, str)) or value is None:
        return value if isinstance(value, str) or value is None else int(value)
    return int(value) if isinstance(value, (int, np.integer)) else round(float(value), 6)


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (FEW_POSES, "d3be9d9910c6abe29ac8aa6404bc374fb7205e6c7c9e8ff0ce61ec4bce6caac7"),
        (MANY_POSES, "264b4654f7ceca30bd16f6c2a8ef060a072466c9b5a2e21ba666e2d9820686cc"),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_the_first_worlds_stay_what_they_were_when_they_were_measured(world, expected):
    plans = [world.as_dict()]
    for person in (1, 2, 7):
        camera = sample_camera(world, 3, person)
        optics = [value for name, value in camera.optics._asdict().items() if name != "sharpen"]
        plans += [sample_person(world, 3, person), camera._replace(optics=optics)]
        assert camera.optics.sharpen == 0
        for taken in (
            plan_training_images(world, 3, person, 3),
            plan_test_images(world, 3, person, 4),
        ):
            plans.append([[camera, to_row(plan)] for camera, plan in taken])
    assert hashlib.sha256(json.dumps(rounded(plans)).encode()).hexdigest() == expected


def test_worlds_of_other_streams_share_no_person_camera_or_shot():
    seeds = range(3)
    drawn = [
        [sample_person(world, s, p) for s, p in product(seeds, range(1, 30))]
        + [sample_camera(world, s, p) for s, p in product(seeds, range(1, 7))]
        + [
            plan_training_images(world, s, p, 2)[0][1].posture
            for s, p in product(seeds, range(1, 30))
        ]
        for world in (FEW_POSES, DOMAIN_A, DOMAIN_B)
    ]
    # Not even the numbers that people's wrinkles and cameras' places are drawn with.
    numbers = [
        {getattr(item, "seed", None) or getattr(item, "place_seed", None) for item in world}
        for world in drawn
    ]
    for k, world in enumerate(drawn):
        assert len({repr(item) for item in world}) == len(world)
        for other, others in zip(drawn[:k], numbers[:k], strict=True):
            assert not {repr(item) for item in world} & {repr(item) for item in other}
            assert not (numbers[k] & others) - {None}


def test_the_domains_differ_in_cameras_bodies_clothes_and_places():
    cameras = [[sample_camera(world, 0, k) for k in range(1, 40)] for world in (DOMAIN_A, DOMAIN_B)]
    for name in ("height", "distance"):
        a, b = ([getattr(c, name) for c in world] for world in cameras)
        assert np.mean(a) > 1.4 * np.mean(b)
    assert not {c.place for c in cameras[0]} & {c.place for c in cameras[1]}
    blue = [np.mean([c.optics.blue / c.optics.red for c in world]) for world in cameras]
    assert blue[1] > 1.03 * blue[0]
    appearances = [[sample_person(w, 0, p) for p in range(200)] for w in (DOMAIN_A, DOMAIN_B)]
    for name, least in (("age", 0.05), ("weight", 0.12)):
        a, b = (np.mean([getattr(one.phenotype, name) for one in world]) for world in appearances)
        assert b - a > least
    bags = [{one.bag.kind for one in world} - {"none"} for world in appearances]
    assert bags == [{"backpack"}, {"shoulder", "hand"}]


def test_an_unknown_world_is_named_with_the_known_ones():
    with pytest.raises(UsageError, match="few-poses, many-poses"):
        world_named("moon")
