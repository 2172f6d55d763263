import numpy as np

from reidaug.people3d.scene import PLACES, Backdrop, Occluder, draw_backdrop, draw_occluder
from tests.people3d.conftest import SIZE


def test_places_differ_and_repeat():
    painted = [draw_backdrop(Backdrop(place, 3, 0.4), SIZE) for place in PLACES]
    for k, one in enumerate(painted):
        assert one.shape == (*SIZE, 3) and one.min() >= 0 and one.max() <= 1
        assert one.std() > 0.02
        assert all(np.abs(one - other).mean() > 0.02 for other in painted[:k])
    assert (draw_backdrop(Backdrop(PLACES[0], 3, 0.4), SIZE) == painted[0]).all()
    assert (draw_backdrop(Backdrop(PLACES[0], 3, 0.9), SIZE) != painted[0]).any()


def test_without_an_occluder_nothing_is_covered():
    _, cover = draw_occluder(Occluder("none", 0.0, 0), SIZE)
    assert not cover.any()


def test_every_occluder_covers_a_part():
    for kind in ("pole", "barrier", "bush"):
        colours, cover = draw_occluder(Occluder(kind, 0.3, 1), SIZE)
        assert colours.shape == (*SIZE, 3) and 0 < cover.mean() < 1
