import numpy as np
import pytest

from reidaug.people3d.accessories import BAG, BODY, HAIR, SKIRT, TAIL
from reidaug.people3d.appearance import (
    BAGS,
    HAIR_STYLES,
    PATTERNS,
    PRINTS,
    Fabric,
    Palette,
)  # fmt: skip
from reidaug.people3d.appearance_sampling import sample_appearance, sample_person
from reidaug.people3d.mesh import build_mesh
from reidaug.people3d.texture import fabric_colour
from reidaug.people3d.worlds import FEW_POSES, MANY_POSES

BLACK, WHITE, RED = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 0.0, 0.0)


def fabric(pattern):
    return Fabric(pattern, BLACK, WHITE, RED, 0.1, 5)


def test_there_are_at_least_ten_patterns_and_all_differ(rng):
    assert len(PATTERNS) >= 10
    u, v = rng.uniform(-0.3, 0.3, 4000), rng.uniform(0.1, 0.7, 4000)
    painted = [fabric_colour(fabric(pattern), u, v) for pattern in PATTERNS]
    for k, one in enumerate(painted):
        assert one.min() >= 0 and one.max() <= 1
        for other in painted[:k]:
            assert np.abs(one - other).mean() > 0.05


def test_stripes_have_the_given_length():
    v = np.linspace(0, 1, 1001)[:-1]
    rows = fabric_colour(fabric("horizontal"), np.zeros(1000), v)[:, 0]
    assert np.count_nonzero(np.diff(rows)) == 19  # ten repeats of a dark and a light one
    assert np.ptp(fabric_colour(fabric("vertical"), np.zeros(1000), v)) == 0


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


def test_a_dressed_person_is_one_mesh(mesh):
    assert mesh.faces.max() == len(mesh.vertices) - 1
    assert len(mesh.chart) == len(mesh.weights) == len(mesh.vertices)
    assert np.allclose(mesh.weights.sum(1), 1, atol=1e-4)
    assert np.isfinite(mesh.vertices).all() and np.isfinite(mesh.chart).all()
    for array in (mesh.vertices, mesh.weights, mesh.chart):
        assert array.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda appearance: appearance._replace(bag=appearance.bag._replace(kind="backpack")), BAG),
        (lambda appearance: appearance._replace(bag=appearance.bag._replace(kind="hand")), BAG),
        (lambda appearance: appearance._replace(hair=appearance.hair._replace(style="long")), HAIR),
        (
            lambda appearance: appearance._replace(bottom=appearance.bottom._replace(skirt=0.6)),
            SKIRT,
        ),
        (lambda appearance: appearance._replace(top=appearance.top._replace(skirt=0.6)), TAIL),
    ],
)
def test_what_hangs_free_has_triangles_of_its_own(mesh, change, part):
    bare = mesh.appearance._replace(
        hair=mesh.appearance.hair._replace(style="short"),
        bag=mesh.appearance.bag._replace(kind="none"),
        bottom=mesh.appearance.bottom._replace(skirt=0.0),
        top=mesh.appearance.top._replace(skirt=0.0),
    )
    assert set(np.unique(build_mesh(bare).part)) == {BODY}
    assert set(np.unique(build_mesh(change(bare)).part)) == {BODY, part}


def test_clothes_stand_off_the_body(mesh):
    thin = build_mesh(mesh.appearance._replace(top=mesh.appearance.top._replace(thickness=0.0)))
    thick = build_mesh(mesh.appearance._replace(top=mesh.appearance.top._replace(thickness=0.05)))
    moved = np.linalg.norm(thick.vertices - thin.vertices, axis=1)
    assert moved.max() < 0.06 and (moved > 0.03).mean() > 0.05
