import numpy as np
import pytest

from reidaug.people3d.figure import dress
from reidaug.people3d.look_sampling import draw_look
from reidaug.people3d.paint import cloth
from reidaug.people3d.pieces import BAG, BODY, HAIR, SKIRT, TAIL
from reidaug.people3d.wardrobe import (
    BAGS,
    HAIR_STYLES,
    PATTERNS,
    PRINTS,
    Fabric,
    Palette,
)  # fmt: skip
from reidaug.people3d.worlds import FEW_POSES, MANY_POSES, look_of

BLACK, WHITE, RED = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 0.0, 0.0)


def fabric(pattern):
    return Fabric(pattern, BLACK, WHITE, RED, 0.1, 5)


def test_there_are_at_least_ten_patterns_and_all_differ(rng):
    assert len(PATTERNS) >= 10
    u, v = rng.uniform(-0.3, 0.3, 4000), rng.uniform(0.1, 0.7, 4000)
    painted = [cloth(fabric(pattern), u, v) for pattern in PATTERNS]
    for k, one in enumerate(painted):
        assert one.min() >= 0 and one.max() <= 1
        for other in painted[:k]:
            assert np.abs(one - other).mean() > 0.05


def test_stripes_have_the_length_asked_for():
    v = np.linspace(0, 1, 1001)[:-1]
    rows = cloth(fabric("horizontal"), np.zeros(1000), v)[:, 0]
    assert np.count_nonzero(np.diff(rows)) == 19  # ten repeats of a dark and a light one
    assert np.ptp(cloth(fabric("vertical"), np.zeros(1000), v)) == 0


def test_everything_is_worn_by_somebody(rng):
    looks = [draw_look(rng, Palette()) for _ in range(400)]
    assert {look.top.front.pattern for look in looks} == set(PATTERNS)
    assert {look.top.front_print for look in looks} == set(PRINTS)
    assert {look.hair.style for look in looks} == set(HAIR_STYLES)
    assert {look.bag.kind for look in looks} == set(BAGS)
    assert any(look.top.front != look.top.back for look in looks)
    assert any(look.top.skirt for look in looks) and any(look.bottom.skirt for look in looks)
    assert len({look.top.sleeve for look in looks}) > 4
    assert len({look.bottom.length for look in looks}) > 3


def test_a_common_palette_has_few_colours():
    tops = np.array([look_of(FEW_POSES, 0, k).top.front.base for k in range(60)])
    near = np.abs(tops[:, None] - np.array(FEW_POSES.palette.tops)).max(-1).min(1)
    assert near.max() < 0.2


def test_a_person_is_a_function_of_world_seed_and_number():
    assert look_of(MANY_POSES, 1, 7) == look_of(MANY_POSES, 1, 7)
    assert look_of(MANY_POSES, 1, 7) != look_of(MANY_POSES, 1, 8) != look_of(MANY_POSES, 2, 8)


def test_a_dressed_person_is_one_mesh(figure):
    assert figure.faces.max() == len(figure.vertices) - 1
    assert len(figure.chart) == len(figure.weights) == len(figure.vertices)
    assert np.allclose(figure.weights.sum(1), 1, atol=1e-4)
    assert np.isfinite(figure.vertices).all() and np.isfinite(figure.chart).all()
    for array in (figure.vertices, figure.weights, figure.chart):
        assert array.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda look: look._replace(bag=look.bag._replace(kind="backpack")), BAG),
        (lambda look: look._replace(bag=look.bag._replace(kind="hand")), BAG),
        (lambda look: look._replace(hair=look.hair._replace(style="long")), HAIR),
        (lambda look: look._replace(bottom=look.bottom._replace(skirt=0.6)), SKIRT),
        (lambda look: look._replace(top=look.top._replace(skirt=0.6)), TAIL),
    ],
)
def test_what_hangs_free_has_triangles_of_its_own(figure, change, part):
    bare = figure.look._replace(
        hair=figure.look.hair._replace(style="short"),
        bag=figure.look.bag._replace(kind="none"),
        bottom=figure.look.bottom._replace(skirt=0.0),
        top=figure.look.top._replace(skirt=0.0),
    )
    assert set(np.unique(dress(bare).part)) == {BODY}
    assert set(np.unique(dress(change(bare)).part)) == {BODY, part}


def test_clothes_stand_off_the_body(figure):
    thin = dress(figure.look._replace(top=figure.look.top._replace(thickness=0.0)))
    thick = dress(figure.look._replace(top=figure.look.top._replace(thickness=0.05)))
    moved = np.linalg.norm(thick.vertices - thin.vertices, axis=1)
    assert moved.max() < 0.06 and (moved > 0.03).mean() > 0.05
