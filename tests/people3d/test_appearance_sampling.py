import numpy as np

from reidaug.people3d.appearance import BAGS, HAIR_STYLES, PATTERNS, PRINTS, Palette
from reidaug.people3d.appearance_sampling import sample_appearance, sample_person
from reidaug.people3d.worlds import FEW_POSES, MANY_POSES


def test_everything_is_worn_by_somebody(rng):
    appearances = [sample_appearance(rng, Palette()) for _ in range(400)]
    assert {appearance.top.front.pattern for appearance in appearances} == set(PATTERNS)
    assert {appearance.top.front_print for appearance in appearances} == set(PRINTS)
    assert {appearance.hair.style for appearance in appearances} == set(HAIR_STYLES)
    assert {appearance.bag.kind for appearance in appearances} == set(BAGS)
    assert any(appearance.top.front != appearance.top.back for appearance in appearances)
    assert any(appearance.top.skirt for appearance in appearances) and any(
        appearance.bottom.skirt for appearance in appearances
    )
    assert len({appearance.top.sleeve for appearance in appearances}) > 4
    assert len({appearance.bottom.length for appearance in appearances}) > 3


def test_a_common_palette_has_few_colours():
    tops = np.array([sample_person(FEW_POSES, 0, k).top.front.base for k in range(60)])
    near = np.abs(tops[:, None] - np.array(FEW_POSES.palette.tops)).max(-1).min(1)
    assert near.max() < 0.2


def test_a_person_is_a_function_of_world_seed_and_number():
    assert sample_person(MANY_POSES, 1, 7) == sample_person(MANY_POSES, 1, 7)
    assert (
        sample_person(MANY_POSES, 1, 7)
        != sample_person(MANY_POSES, 1, 8)
        != sample_person(MANY_POSES, 2, 8)
    )
