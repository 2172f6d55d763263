import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.flow.estimator import Origin
from reidaug.flow.surface.matching import (
    BAG,
    FACE,
    FAR,
    HEAD,
    NECK,
    PENALTIES,
    UPRIGHT,
    match_places,
    shown_places,
)
from reidaug.flow.surface.places import AXIS_Y
from reidaug.geometry.flow import identity

GRID = (16, 8)


def wall(*, height=0.0, front=True, left=0.05):
    """A surface map of a flat piece of body: x from left on, z downwards."""
    here = identity(*GRID)
    surface = torch.zeros(4, *GRID)
    surface[0] = left + 0.1 * (here[0] + 1)
    surface[1] = AXIS_Y + (-0.1 if front else 0.1)
    surface[2] = height - 0.2 * here[1]
    return surface


def everywhere():
    return torch.ones(GRID, dtype=torch.bool)


def test_places_that_are_shown_are_found_where_they_are():
    surface = wall()
    match = match_places(shown_places(surface, everywhere()), surface.flatten(1).mT)
    assert (match.origin == Origin.SEEN).all()
    assert (match.position - identity(*GRID).flatten(1).mT).abs().max() < 0.02


def test_the_other_arm_is_told_to_be_mirrored():
    surface = wall(left=0.3)
    asked = surface.flatten(1).mT * torch.tensor([-1.0, 1, 1, 1])
    match = match_places(shown_places(surface, everywhere()), asked)
    assert (match.origin == Origin.MIRRORED).all()
    assert (match.position - identity(*GRID).flatten(1).mT).abs().max() < 0.02


def test_the_back_is_taken_from_the_front_at_the_same_height():
    surface = wall(left=0.3)
    back = wall(front=False, left=0.3)
    match = match_places(shown_places(surface, everywhere()), back.flatten(1).mT)
    assert (match.origin == Origin.OPPOSITE).all()
    assert (match.position - identity(*GRID).flatten(1).mT).abs().max() < 0.02


def test_a_face_is_never_the_back_of_a_head():
    surface = wall(height=HEAD + 0.3)
    surface[:, 12:, :4] = wall(height=HEAD + 0.3, front=False)[:, 12:, :4]  # some hair
    asked = wall(height=HEAD + 0.3, front=False).flatten(1).mT
    match = match_places(shown_places(surface, everywhere()), asked)
    rows = ((match.position[:, 1] + 1) / 2 * (GRID[0] - 1)).round()
    columns = ((match.position[:, 0] + 1) / 2 * (GRID[1] - 1)).round()
    assert (rows >= 12).all() and (columns < 4).all()


def test_what_is_far_from_all_that_is_shown_is_invented():
    surface = wall(left=0.3)
    asked = surface.flatten(1).mT + torch.tensor([0.0, 0, 0.5, 0])
    match = match_places(shown_places(surface, everywhere()), asked)
    highest = surface[2].amax()
    beyond = UPRIGHT * (asked[:, 2] - highest) > FAR + 0.01
    assert (match.origin[beyond] == Origin.INVENTED).all() and beyond.any()


def test_a_bag_is_not_painted_on_the_body():
    surface = wall()
    surface[3, :, 4:] = 1  # a bag beside
    asked = surface[:, :, 3:4].flatten(1).mT
    match = match_places(shown_places(surface, everywhere()), asked)
    assert (match.position[:, 0] <= identity(*GRID)[0, 0, 3] + 1e-4).all()
    assert BAG > 0.1


def depth(y, z):
    return (y - AXIS_Y) * (1 + (FACE - 1) * min(max((z - HEAD) / NECK + 1, 0), 1))


def slow_match(surface, person, asked):
    """The nearest place shown, in a loop: origin and position of the nearest alone."""
    grid = identity(*GRID)
    best = []
    for x, y, z, bag in asked.tolist():
        found = (np.inf, None, None)
        for row, column in person.nonzero().tolist():
            sx, sy, sz, sbag = surface[:, row, column].tolist()
            face = sz > HEAD and sy < AXIS_Y
            for mirrored, other, extra, origin in (
                (1, False, PENALTIES[0], Origin.SEEN),
                (-1, False, PENALTIES[1], Origin.MIRRORED),
                (1, True, PENALTIES[2], Origin.OPPOSITE),
                (-1, True, PENALTIES[3], Origin.OPPOSITE),
            ):
                farther = 1.0 if other and face else extra
                py = 2 * AXIS_Y - sy if other else sy
                square = (x - mirrored * sx) ** 2 + (depth(y, z) - depth(py, sz)) ** 2
                square += (UPRIGHT * (z - sz)) ** 2 + (BAG * (bag - sbag)) ** 2 + farther**2
                if square < found[0]:
                    found = (square, origin, grid[:, row, column])
        best.append(found)
    return best


@given(st.integers(0, 2**31))
def test_the_slow_twin_finds_the_same(seed):
    random = torch.Generator().manual_seed(seed)
    surface = torch.rand(4, *GRID, generator=random) - 0.5
    surface[3] = (surface[3] > 0.3).float()
    surface[2] += 0.6
    person = torch.rand(GRID, generator=random) < 0.2
    person[0, 0] = True
    asked = torch.rand(5, 4, generator=random) - 0.5
    asked[:, 3] = 0
    match = match_places(shown_places(surface, person), asked)
    step = torch.tensor([2 / (GRID[1] - 1), 2 / (GRID[0] - 1)])
    for k, (square, origin, position) in enumerate(slow_match(surface, person, asked)):
        if match.origin[k] != Origin.INVENTED:
            assert match.origin[k] == origin
        assert square >= 0
        assert ((match.position[k] - position).abs() <= 2.5 * step + 1e-5).all()
