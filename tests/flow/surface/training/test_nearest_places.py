import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.flow.estimator import Origin
from reidaug.flow.surface.places import AXIS_Y
from reidaug.flow.surface.training.nearest_places import (
    BAG,
    DOUBT,
    FACE,
    FAR,
    HEAD,
    NECK,
    PENALTIES,
    SURE,
    UPRIGHT,
    every_second,
    match_maps,
    match_places,
    shown_places,
)
from reidaug.geometry.flow import identity

GRID = (16, 8)
KINDS = (Origin.SEEN, Origin.MIRRORED, Origin.OPPOSITE)


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


def matched(surface, asked, person=None):
    """Flow and origin of a whole map."""
    outline = torch.ones(2 * GRID[0], 2 * GRID[1], dtype=torch.bool)
    shown = shown_places(surface, everywhere() if person is None else person)
    return match_maps(shown, asked, outline)


def test_places_that_are_shown_are_found_where_they_are():
    flow, origin = matched(wall(), wall())
    assert (origin == Origin.SEEN).all()
    assert (flow - identity(*GRID)).abs().max() < 0.05


def test_the_other_arm_is_told_to_be_mirrored():
    surface = wall(left=0.3)
    flow, origin = matched(surface, surface * torch.tensor([-1.0, 1, 1, 1])[:, None, None])
    assert (origin == Origin.MIRRORED).all()
    assert (flow - identity(*GRID)).abs().max() < 0.05


def test_the_back_is_taken_from_the_front_at_the_same_height():
    flow, origin = matched(wall(left=0.3), wall(front=False, left=0.3))
    assert (origin == Origin.OPPOSITE).all()
    assert (flow - identity(*GRID)).abs().max() < 0.05


def test_a_face_is_never_the_back_of_a_head():
    surface = wall(height=HEAD + 0.3)
    surface[:, 12:, :4] = wall(height=HEAD + 0.3, front=False)[:, 12:, :4]  # some hair
    flow, _ = matched(surface, wall(height=HEAD + 0.3, front=False))
    rows = ((flow[1] + 1) / 2 * (GRID[0] - 1)).round()
    columns = ((flow[0] + 1) / 2 * (GRID[1] - 1)).round()
    assert (rows >= 12).all() and (columns < 4).all()


def test_what_is_far_from_all_that_is_shown_is_invented():
    surface = wall(left=0.3)
    asked = surface + torch.tensor([0.0, 0, 0.5, 0])[:, None, None]
    _, origin = matched(surface, asked)
    beyond = UPRIGHT * (asked[2] - surface[2].amax()) > FAR + 0.06
    assert (origin[beyond] == Origin.INVENTED).all() and beyond.any()


def test_a_bag_is_not_painted_on_the_body():
    surface = wall()
    surface[3, :, 4:] = 1  # a bag beside
    found = match_places(shown_places(surface, everywhere()), surface[:, :, 3:4].flatten(1).mT)
    assert (found.position[0, :, 0] <= float(identity(*GRID)[0, 0, 3]) + 1e-4).all()
    assert BAG > 0.1


def test_one_cell_does_not_flicker():
    surface = wall(left=0.3)
    asked = surface.clone()
    asked[0, 8, 4] *= -1  # a single cell of the other arm
    flow, origin = matched(surface, asked)
    assert (origin != Origin.MIRRORED).all()  # told to be invented, but not torn from the rest
    assert (flow - identity(*GRID))[:, :5].abs().max() < 0.05


def test_off_the_outline_nothing_moves():
    outline = torch.zeros(2 * GRID[0], 2 * GRID[1], dtype=torch.bool)
    shown = shown_places(wall(), everywhere())
    assert torch.equal(match_maps(shown, wall(), outline)[0], identity(*GRID))
    outline[:10] = True
    flow, _ = match_maps(shown, wall(height=0.1), outline)
    assert torch.equal(flow[:, 7:], identity(*GRID)[:, 7:])
    assert not torch.equal(flow[:, :5], identity(*GRID)[:, :5])


def test_every_second_cell_and_those_alone_are_matched():
    cells = torch.zeros(6, 6, dtype=torch.bool)
    cells[:, :3] = True
    cells[4, 5] = True  # black, and alone
    found = every_second(cells)
    assert found[0].tolist() == [True, False, True, False, False, False]
    assert found[1].tolist() == [False, True, False, False, False, False]
    assert found[4, 5]


def depth(y, z):
    return (y - AXIS_Y) * (1 + (FACE - 1) * min(max((z - HEAD) / NECK + 1, 0), 1))


def slow_match(surface, person, asked):
    """The nearest place of each kind, in a loop: cost, and where it is."""
    grid = identity(*GRID)
    found = []
    for x, y, z, bag in asked.tolist():
        best = [(np.inf, None)] * len(KINDS)
        for row, column in person.nonzero().tolist():
            sx, sy, sz, sbag = surface[:, row, column].tolist()
            face = sz > HEAD and sy < AXIS_Y
            for sign, other, extra, kind in (
                (1, False, PENALTIES[0], Origin.SEEN),
                (-1, False, PENALTIES[1], Origin.MIRRORED),
                (1, True, PENALTIES[2], Origin.OPPOSITE),
                (-1, True, PENALTIES[3], Origin.OPPOSITE),
            ):
                farther = 1.0 if other and face else extra
                py = 2 * AXIS_Y - sy if other else sy
                square = (x - sign * sx) ** 2 + (depth(y, z) - depth(py, sz)) ** 2
                square += (UPRIGHT * (z - sz)) ** 2 + (BAG * (bag - sbag)) ** 2 + farther**2
                if square < best[kind][0]:
                    best[kind] = (square, grid[:, row, column])
        found.append(best)
    return found


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
    matches = match_places(shown_places(surface, person), asked)
    step = np.array([2 / (GRID[1] - 1), 2 / (GRID[0] - 1)])
    for k, best in enumerate(slow_match(surface, person, asked)):
        sure = np.sqrt(best[0][0]) <= SURE
        for kind, (square, position) in enumerate(best):
            if kind and sure:
                assert matches.cost[kind, k] >= DOUBT
                continue
            assert np.isclose(matches.cost[kind, k], np.sqrt(square), atol=1e-6)
            away = np.abs(matches.position[kind, k] - position.numpy()) / step
            assert away.max() <= 2.5 + 1e-5  # the mean of places that near
