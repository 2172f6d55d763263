import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.flow.surface import cameras as of_surface
from reidaug.flow.surface.cameras import CENTRE, JOINT, RIDGE, WHOLE, fit_cameras, project
from reidaug.flow.surface.limbs import LIMBS, joint_places, limb_shares
from reidaug.geometry.flow import identity, to_normalised
from reidaug.geometry.pose import Pose

GRID, CANVAS = (32, 16), (128, 64)
NOBODY = Pose(torch.zeros(1, 18, 2), torch.zeros(1, 18, dtype=torch.bool))


def seen_by(camera, depth=0.0):
    """Places (3, h, w) of a flat body that a camera (2, 2) of x and z shows on the grid."""
    x, z = (torch.linalg.inv(camera) @ identity(*GRID).flatten(1)).unflatten(1, GRID)
    return torch.stack((x, torch.full_like(x, depth), z))


def everywhere():
    return torch.ones(1, *GRID)


CAMERA = torch.tensor([[2.5, 0.3], [0.1, -1.0]])


def test_what_is_shown_is_projected_to_where_it_is_shown():
    places = seen_by(CAMERA)[None]
    cameras = fit_cameras(places, everywhere(), NOBODY, CANVAS)
    assert cameras.shape == (1, len(LIMBS), 4, 2)
    cells = places.flatten(2)
    found = project(cameras, cells, limb_shares(cells)[0])
    assert (found[0] - identity(*GRID).flatten(1)).abs().max() < 0.02


def test_a_limb_that_moved_has_a_camera_of_its_own():
    """The left forearm's cells lie elsewhere than the body's camera would put them."""
    places = seen_by(CAMERA)
    arm = torch.zeros(GRID, dtype=torch.bool)
    arm[4:12, :4] = True
    x, z = torch.meshgrid(torch.linspace(0.42, 0.52, 4), torch.linspace(0.4, 0.3, 8), indexing="xy")
    places[:, arm] = torch.stack((x, torch.full_like(x, -0.15), z)).flatten(1)
    cameras = fit_cameras(places[None], everywhere(), NOBODY, CANVAS)
    cells = places[None, :, arm]
    found = project(cameras, cells, limb_shares(cells)[0])[0]
    here = identity(*GRID)[:, arm]
    assert (found - here).abs().max() < 0.3
    assert (CAMERA @ cells[0, [0, 2]] - here).abs().mean() > 1


def test_cells_off_the_person_do_not_count():
    places = seen_by(CAMERA)[None]
    person = everywhere()
    person[:, :, 10:] = 0
    wrong = places.clone()
    wrong[..., 10:] += 1
    one, other = (fit_cameras(p, person, NOBODY, CANVAS) for p in (places, wrong))
    assert torch.allclose(one, other, atol=1e-3)


def test_joints_pull_the_cameras_and_those_not_visible_do_not():
    places, numbers = joint_places()
    wrist = 7  # left
    xy = torch.full((1, 18, 2), torch.nan)
    xy[0, wrist] = torch.tensor([60.0, 20.0])
    visible = torch.zeros(1, 18, dtype=torch.bool)
    visible[0, wrist] = True
    crop = seen_by(CAMERA)[None]
    place = places[:, [numbers.index(wrist)]][None]
    asked = to_normalised(xy[0, wrist], CANVAS)
    away = []
    for pose in (NOBODY, Pose(xy, visible)):
        cameras = fit_cameras(crop, everywhere(), pose, CANVAS)
        assert cameras.isfinite().all()
        away.append((project(cameras, place, limb_shares(place)[0])[0, :, 0] - asked).norm())
    assert away[1] < 0.7 * away[0]


@given(st.integers(0, 2**31))
def test_the_slow_twin_finds_the_same(seed):
    """The weighted sum of squares, written cell by cell, is least at the cameras found."""
    random = torch.Generator().manual_seed(seed)
    places = torch.rand(1, 3, 4, 3, generator=random) - 0.5
    person = torch.rand(1, 4, 3, generator=random)
    xy = torch.rand(1, 18, 2, generator=random) * torch.tensor([63.0, 127.0])
    visible = torch.rand(1, 18, generator=random) < 0.5
    cameras = fit_cameras(places, person, Pose(xy, visible), CANVAS)[0]
    joints, numbers = joint_places()
    rows = [
        (places[0, :, r, c], identity(4, 3)[:, r, c], person[0, r, c])
        for r in range(4)
        for c in range(3)
    ] + [
        (joints[:, k], to_normalised(xy[0, n], CANVAS), JOINT * visible[0, n])
        for k, n in enumerate(numbers)
    ]
    table, values = [], []
    for place, position, weight in rows:
        share = limb_shares(place[None, :, None])[0][0, :, 0]
        point = torch.cat((place - torch.tensor(CENTRE), torch.ones(1)))
        table.append(weight.sqrt() * torch.cat((point, *(s * point for s in share))))
        values.append(weight.sqrt() * position)
    ridge = torch.cat((torch.full((4,), WHOLE), torch.full((4 * len(LIMBS),), RIDGE))).sqrt()
    table.extend(torch.diag(ridge))
    values.extend(torch.zeros(len(ridge), 2))
    found = torch.linalg.lstsq(torch.stack(table).double(), torch.stack(values).double()).solution
    expected = (found[:4] + found[4:].unflatten(0, (len(LIMBS), 4))).float()
    assert torch.allclose(cameras, expected, atol=1e-3)


def test_cameras_are_the_same_whatever_the_threads_of_the_first_call():
    """Shares of the joints are kept: those of a trial call on all cores served one worker alone."""
    shares, threads = [], torch.get_num_threads()
    try:
        for number in (1, 2, 4):
            torch.set_num_threads(number)
            of_surface._joints.cache_clear()
            shares.append(of_surface._joints()[1])
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(shares[0], shares[1]) and torch.equal(shares[0], shares[2])
