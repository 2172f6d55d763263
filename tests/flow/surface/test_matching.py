import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.flow.estimator import Origin
from reidaug.flow.surface.cameras import fit_cameras, project
from reidaug.flow.surface.limbs import limb_shares
from reidaug.flow.surface.matching import (
    BAG,
    FACE,
    FAR,
    HEAD,
    OFF,
    PENALTIES,
    REACH,
    WINDOW,
    Shown,
    images_of,
    match_places,
    near_outline,
)
from reidaug.flow.surface.places import AXIS_Y
from reidaug.geometry.flow import identity, to_pixels
from reidaug.geometry.pose import Pose
from reidaug.geometry.warp import warp

GRID, CANVAS = (32, 16), (64, 32)
NOBODY = Pose(torch.zeros(1, 18, 2), torch.zeros(1, 18, dtype=torch.bool))


def trunk(*, left=-0.12, front=True, height=0.4, depth=0.12):
    """A surface map of a flat piece of a body: x from a value on, z downwards."""
    here = identity(*GRID)
    surface = torch.zeros(1, 4, *GRID)
    surface[:, 0] = left + 0.12 * (here[0] + 1)
    surface[:, 1] = AXIS_Y + (-depth if front else depth)
    surface[:, 2] = height - 0.2 * here[1]
    return surface


def everywhere():
    return torch.ones(1, *GRID, dtype=torch.bool)


def matched(surface, asked, person=None):
    person = everywhere() if person is None else person
    cameras = fit_cameras(surface[:, :3], person.float(), NOBODY, CANVAS)
    return match_places(Shown(cameras, surface, person.float()), asked, everywhere())


def off(flow):
    """How far flows lead from each cell itself, in cells."""
    here = identity(*GRID).expand_as(flow)
    one, other = (to_pixels(f.movedim(1, -1), GRID) for f in (flow, here))
    return (one - other).norm(dim=-1)


def test_places_that_are_shown_are_found_where_they_are():
    flow, origin = matched(trunk(), trunk())
    assert (origin == Origin.SEEN).all() and off(flow).max() < 0.3


def test_a_place_lower_on_the_body_is_found_lower_on_the_crop():
    asked = trunk()
    asked[:, 2] -= 0.2 * 2 / 31 * 3  # three cells
    flow, _ = matched(trunk(), asked)
    shift = to_pixels(flow.movedim(1, -1), GRID) - to_pixels(
        identity(*GRID)[None].movedim(1, -1), GRID
    )
    assert (shift[..., 1] - 3).abs().max() < 0.5 and shift[..., 0].abs().max() < 0.3


def test_the_other_side_is_told_to_be_mirrored():
    surface = trunk(left=0.15, height=-0.4)  # a left leg alone
    asked = surface * torch.tensor([-1.0, 1, 1, 1])[:, None, None]
    flow, origin = matched(surface, asked)
    assert (origin == Origin.MIRRORED).all() and off(flow).max() < 0.3


def test_the_back_is_taken_from_the_front_at_the_same_height():
    flow, origin = matched(trunk(), trunk(front=False))
    assert (origin == Origin.OPPOSITE).all() and off(flow).max() < 0.5


def test_a_face_is_never_told_to_be_the_back_of_a_head():
    surface = trunk(height=HEAD + 0.25, depth=0.09)
    _, origin = matched(surface, trunk(height=HEAD + 0.25, front=False, depth=0.09))
    assert (origin != Origin.OPPOSITE).all()


def test_what_is_far_from_all_that_is_shown_is_invented():
    asked = trunk() + torch.tensor([0.0, 0, -0.9, 0])[:, None, None]
    flow, origin = matched(trunk(), asked)
    assert (origin == Origin.INVENTED).all() and flow.abs().max() <= REACH


def test_one_cell_does_not_flicker():
    asked = trunk(left=0.05)
    asked[:, 0, 9, 8] *= -1
    _, origin = matched(trunk(left=0.05), asked)
    assert (origin == Origin.SEEN).all()


def test_cells_off_the_target_do_not_decide():
    surface, asked = trunk(), trunk()
    person = everywhere()
    person[:, :, 8:] = False
    asked[..., 8:] = 50.0
    cameras = fit_cameras(surface[:, :3], everywhere().float(), NOBODY, CANVAS)
    found = match_places(Shown(cameras, surface, everywhere().float()), asked, person)
    assert (found.origin[..., :8] == Origin.SEEN).all()


def test_gradients_reach_cameras_and_places():
    surface, asked = trunk().requires_grad_(), trunk().requires_grad_()
    matched(surface, asked).flow.square().sum().backward()
    for leaf in (surface, asked):
        assert leaf.grad.isfinite().all() and leaf.grad[:, :3].abs().sum() > 0


@given(st.integers(0, 2**31))
def test_the_slow_twin_finds_the_same(seed):
    random = torch.Generator().manual_seed(seed)
    surface = trunk() + 0.3 * (torch.rand(1, 4, *GRID, generator=random) - 0.5)
    asked = trunk(front=seed % 2 == 0) + 0.6 * (torch.rand(1, 4, *GRID, generator=random) - 0.5)
    shown_cells = (torch.rand(1, *GRID, generator=random) < 0.8).float()
    counts = torch.rand(1, *GRID, generator=random) < 0.7
    cameras = fit_cameras(surface[:, :3], shown_cells, NOBODY, CANVAS)
    found = match_places(Shown(cameras, surface, shown_cells), asked, counts)
    flow, origin = slow_match(cameras, surface, shown_cells, asked, counts)
    same = origin == found.origin
    assert same.float().mean() > 0.99  # ties
    assert (flow - found.flow).abs().amax(1)[same].max() < 1e-3


def slow_match(cameras, surface, shown_cells, asked, counts):
    """Costs cell by cell, at every second row and column, as the docstrings say."""
    height, width = GRID
    _, axis = limb_shares(asked[:, :3].flatten(2))
    flows, costs = [], []
    for mirror, flip in ((0, 0), (1, 0), (0, 1), (1, 1)):
        places = asked.clone()
        if flip:
            places[:, 1] = 2 * axis.view(1, *GRID) - places[:, 1]
        if mirror:
            places[:, 0] *= -1
        share = limb_shares(
            asked[:, :3].flatten(2) * torch.tensor([1 - 2.0 * mirror, 1, 1])[:, None]
        )
        flow = project(cameras, places[:, :3].flatten(2), share[0]).unflatten(2, GRID)
        flow = flow.clamp(-REACH, REACH)
        whole = torch.cat((surface * shown_cells[:, None], shown_cells[:, None]), 1)
        found = warp(whole, flow)
        here = found[:, :4] / found[:, 4:].clamp_min(0.1) - places
        here[:, 3] *= BAG
        cost = here.norm(dim=1) + OFF * (1 - found[:, 4])
        if flip:
            cost = cost + FACE * ((asked[:, 1] > AXIS_Y) & (asked[:, 2] > HEAD))
        flows.append(flow)
        costs.append(cost[0])
    origin, chosen = torch.zeros(GRID, dtype=torch.uint8), torch.zeros(1, 2, *GRID)
    for row in range(height):
        for column in range(width):
            r, c, reach = row // 2, column // 2, WINDOW // 2
            near = [
                (2 * i, 2 * j)
                for i in range(max(r - reach, 0), min(r + reach + 1, height // 2))
                for j in range(max(c - reach, 0), min(c + reach + 1, width // 2))
                if counts[0, 2 * i, 2 * j]
            ]
            if near:
                means = [sum(cost[at] for at in near) / len(near) for cost in costs]
            else:
                means = [torch.zeros(()) for _ in costs]
            priced = [float(m) + p for m, p in zip(means, PENALTIES, strict=True)]
            kind = priced.index(min(priced))
            origin[row, column] = min(kind, 2) if means[kind] <= FAR else Origin.INVENTED
            chosen[0, :, row, column] = flows[kind][0, :, row, column]
    return chosen, origin[None]


def test_images_of_places_are_mirrored_and_turned_about_the_limb():
    arm = torch.tensor([[[0.36], [-0.10], [0.45], [0.0]]])  # beside the left elbow, at -0.05
    seen, mirrored, other, both = (places[0, :, 0] for places, _ in images_of(arm))
    assert torch.equal(seen, arm[0, :, 0])
    assert torch.allclose(mirrored, torch.tensor([-0.36, -0.10, 0.45, 0]))
    assert torch.allclose(other, torch.tensor([0.36, 0.0, 0.45, 0]), atol=0.03)
    assert torch.allclose(both, other * torch.tensor([-1.0, 1, 1, 1]))


def test_cells_near_an_outline_are_found():
    odds = torch.full((1, 8, 8), -1.0)
    odds[:, 4, 4] = 1
    near = near_outline(odds > 0)
    assert near.shape == (1, 4, 4) and near[0, 2, 2] and not near[0, 0, 0]
    assert near.sum() == 4
