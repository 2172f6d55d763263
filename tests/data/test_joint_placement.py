from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from standing_people import standing_people
from torch import Tensor

from reidaug.data.joint_placement import misplacement, outside_share, place, strays
from reidaug.data.keypoints import read_keypoints
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import Pose, select, stack

MARKET = Path(__file__).parents[2] / "../shared/keypoints/market1501_14point_train.mat"
UP = torch.tensor([64.0, 128.0])
SIZES = st.sampled_from([(128, 64), (64, 32), (256, 128), (96, 96), (80, 100), (350, 90)])
COUNTS = st.integers(1, 40)
SEEDS = st.integers(0, 2**32 - 1)

# The wrong joints of a file, by what they count, and what the user is told of them.
WAYS = {
    "exchanged": (lambda xy, size: xy.flip(-1), "x and y are exchanged"),
    "shares": (lambda xy, size: (xy + 0.5) / size.flip(-1)[:, None], "shares of the image, 0 to 1"),
    "half": (lambda xy, size: xy / 2, "images of half the size"),
    "twice": (lambda xy, size: xy * 2, "images of twice the size"),
    "frame": (
        lambda xy, size: xy + torch.tensor([700.0, 400.0]),
        "frames that the images were cut",
    ),
    "upside": (
        lambda xy, size: torch.stack((xy[..., 0], size[:, :1] - 1 - xy[..., 1]), -1),
        "y cou",
    ),
    "far": (lambda xy, size: xy + 1e5, "pixels of these very files"),
    "one": (lambda xy, size: torch.full_like(xy, 9.0), "pixels of these very files"),
    "middle": (lambda xy, size: xy * 0 + size.flip(-1)[:, None] / 2, "pixels of these very files"),
    "signed": (lambda xy, size: xy / size.flip(-1)[:, None] * 2 - 1, "pixels of these very files"),
    "x shares": (
        lambda xy, size: torch.stack((xy[..., 0] / size[:, 1:], xy[..., 1]), -1),
        "pixels of these very files",
    ),
}


# Joints of other skeletons by the numbers of ours at their places.
ORDERS = {
    "COCO's and a neck": [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10, 1],
    "from foot to head": list(range(17, -1, -1)),
    "limbs by sides": [0, 1, 2, 8, 9, 10, 3, 4, 5, 11, 12, 13, 6, 7, 14, 15, 16, 17],
    "knees and ankles exchanged": [*range(9), 10, 9, 11, 13, 12, *range(14, 18)],
}


@pytest.mark.parametrize("order", ORDERS)
@settings(max_examples=10)
@given(st.integers(3, 40), SEEDS)
def test_joints_in_another_order_are_refused(order: str, count: int, seed: int) -> None:
    poses, sizes = standing_people(count, seed, visible=1)
    wrong = misplacement(Pose(poses.xy[:, ORDERS[order]], poses.visible), sizes)
    assert wrong is not None
    assert "another order" in wrong.advice or "y counts" in wrong.advice


def test_joints_on_one_upright_line_are_refused() -> None:
    poses, sizes = standing_people(12, 0)
    xy = torch.stack((torch.full_like(poses.xy[..., 0], 31.0), poses.xy[..., 1]), -1)
    wrong = misplacement(Pose(xy, poses.visible), sizes)
    assert wrong is not None
    assert wrong.what == "12 of 12 people have all their joints on one upright line"


@given(COUNTS, SEEDS, SIZES, st.floats(0.2, 1))
def test_people_who_stand_are_plausible(
    count: int, seed: int, size: tuple[int, int], visible: float
) -> None:
    poses, sizes = standing_people(count, seed, size, visible=visible)
    assert misplacement(poses, sizes) is None
    assert not any(strays(poses, sizes))


@pytest.mark.parametrize("way", WAYS)
@given(COUNTS, SEEDS, SIZES)
def test_joints_that_count_something_else_are_refused(
    way: str, count: int, seed: int, size: tuple[int, int]
) -> None:
    change, _ = WAYS[way]
    poses, sizes = standing_people(count, seed, size)
    assert misplacement(Pose(change(poses.xy, sizes), poses.visible), sizes) is not None


@pytest.mark.parametrize("way", WAYS)
def test_a_user_is_told_what_the_joints_count(way: str) -> None:
    change, says = WAYS[way]
    poses, sizes = standing_people(48, 0)
    wrong = misplacement(Pose(change(poses.xy, sizes), poses.visible), sizes)
    assert wrong is not None
    assert says in wrong.advice


@given(
    st.integers(1, 6),
    SEEDS,
    st.sampled_from([(128, 64), (128, 128), (64, 128)]),
    arrays(np.float32, (6, 18, 2), elements=st.floats(-30, 30, width=32)),
    arrays(np.bool_, (6, 18)),
)
def test_no_plausible_set_stays_so_with_its_axes_exchanged(
    count: int, seed: int, size: tuple[int, int], moves: np.ndarray, visible: np.ndarray
) -> None:
    standing, sizes = standing_people(count, seed, size)
    seen = torch.from_numpy(visible[:count].copy())
    seen[:, [1, 2, 5, 8, 11]] = True  # with a torso there is an up and a down
    poses = Pose(standing.xy + torch.from_numpy(moves[:count]), seen)
    assume(misplacement(poses, sizes) is None)
    assert misplacement(Pose(poses.xy.flip(-1), poses.visible), sizes) is not None


@given(SEEDS, st.sampled_from(["half", "exchanged", "shares", "frame", "far"]))
def test_a_few_odd_crops_refuse_nothing(seed: int, way: str) -> None:
    poses, sizes = standing_people(40, seed)
    odd = select(poses, slice(0, 3))
    xy = torch.cat((WAYS[way][0](odd.xy, sizes[:3]), poses.xy[3:]))
    assert misplacement(Pose(xy, poses.visible), sizes) is None
    away = [k for k, why in enumerate(strays(Pose(xy, poses.visible), sizes)) if why]
    assert away == ([0, 1, 2] if way in ("frame", "far", "shares") else [])


@given(SEEDS, st.sampled_from(["half", "exchanged", "shares", "frame", "twice"]))
def test_a_third_of_the_crops_refuses_the_file(seed: int, way: str) -> None:
    poses, sizes = standing_people(39, seed)
    xy = torch.cat((WAYS[way][0](poses.xy[:13], sizes[:13]), poses.xy[13:]))
    assert misplacement(Pose(xy, poses.visible), sizes) is not None


def changed(kind: str, poses: Pose, sizes: Tensor) -> tuple[Pose, Tensor]:
    """People as they are on datasets that are hard, and fine."""
    seen = poses.visible.clone()
    match kind:
        case "legs hidden":
            seen[:, [9, 10, 12, 13]] = False
        case "hips and legs hidden":
            seen[:, 8:14] = False
        case "cut below the hips":
            seen &= poses.xy[..., 1] < 70
            return Pose(poses.xy, seen), torch.tensor([[70.0, 64.0]]).repeat(len(sizes), 1)
        case "loose crops":
            return Pose(poses.xy / 2 + UP / 4, seen), sizes
        case "one side hidden":
            seen[:, [5, 6, 7, 11, 12, 13, 15, 17]] = False
        case "no faces":
            seen[:, [0, 14, 15, 16, 17]] = False
    return Pose(poses.xy, seen), sizes


HARD = (
    "legs hidden", "hips and legs hidden", "cut below the hips", "loose crops", "one side hidden",
    "no faces", "as it is",
)  # fmt: skip


@pytest.mark.parametrize("kind", HARD)
@settings(max_examples=40)
@given(COUNTS, SEEDS)
def test_hidden_legs_and_loose_crops_are_plausible(kind: str, count: int, seed: int) -> None:
    assert misplacement(*changed(kind, *standing_people(count, seed))) is None


@pytest.mark.skipif(not MARKET.is_file(), reason="the real joints are not on this machine")
@pytest.mark.parametrize("kind", HARD)
def test_the_real_joints_of_market_1501_are_plausible(kind: str) -> None:
    names = [f"{k:05d}.jpg" for k in range(12_936)]
    poses = stack(list(read_keypoints(MARKET, names=names).poses.values()))
    sizes = torch.tensor([[128.0, 64.0]]).repeat(len(names), 1)
    assert misplacement(*changed(kind, poses, sizes)) is None
    assert not any(strays(poses, sizes))
    for change, _ in WAYS.values():
        assert misplacement(Pose(change(poses.xy, sizes), poses.visible), sizes) is not None
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(0))
    for some in order[:3_000].split(5):  # small sets too
        assert misplacement(select(poses, some), sizes[:5]) is None


def test_single_poses_off_their_images_are_left_out_by_name() -> None:
    poses, sizes = standing_people(6, 3)
    poses.visible[:] = True
    poses.xy[1, 4] = torch.tensor([1e6, 5.0])
    poses.xy[2] += 1e4
    poses.xy[3, 10, 1] = 130.0  # a foot that a network guesses below the edge
    poses.xy[4, 0, 0] = torch.nan
    known = {f"{k}.jpg": select(poses, k) for k in range(6)}
    table = torch.cat((sizes, sizes, sizes, sizes))
    many = stack([*known.values()] + [select(standing_people(6, 4)[0], k) for k in range(6)] * 3)
    assert misplacement(many, table) is None
    names = [*known, *(f"more{k}.jpg" for k in range(18))]
    every = {name: select(many, k) for k, name in enumerate(names)}
    placed = place(every, dict.fromkeys(names, (128, 64)), file=Path("k.csv"))
    assert set(placed.left_out) == {"1.jpg", "2.jpg", "4.jpg"}
    assert set(placed.poses) == set(names) - set(placed.left_out)
    assert placed.left_out["1.jpg"] == (
        "k.csv: 1.jpg: right_wrist at (1e+06, 5) is outside its image of 128 x 64, as 1 of 18 "
        "visible joints are"
    )


def test_images_of_unknown_size_are_not_judged() -> None:
    poses, sizes = standing_people(6, 3)
    far = Pose(poses.xy + 1e4, poses.visible)
    assert misplacement(far, torch.zeros_like(sizes)) is None
    assert not any(strays(far, torch.zeros_like(sizes)))
    known = {f"{k}.jpg": select(far, k) for k in range(6)}
    assert len(place(known, dict.fromkeys(known), file=Path("k.csv")).poses) == 6
    with pytest.raises(ReidaugError, match=r"k\.csv: 100% of the visible joints are outside"):
        place(known, dict.fromkeys(known, (128, 64)), file=Path("k.csv"))
    assert place({}, {}, file=Path("k.csv")).poses == {}


def test_the_edge_of_a_picture_is_half_a_pixel_beyond_its_centres() -> None:
    xy = torch.full((1, 18, 2), -0.5)
    xy[0, 9:] = torch.tensor([31.5, 63.5])
    seen = torch.ones(1, 18, dtype=torch.bool)
    size = torch.tensor([[64.0, 32.0]])
    assert outside_share(Pose(xy, seen), size) == 0
    assert outside_share(Pose(xy - 0.1, seen), size) == 0.5
    assert outside_share(Pose(xy - 0.1, seen), torch.zeros_like(size)) == 0


def test_one_pose_for_most_images_is_refused() -> None:
    poses, sizes = standing_people(12, 3, (128, 64))
    one = torch.zeros(12, dtype=torch.long)
    assert misplacement(poses, sizes) is None
    for same, refused in ((12, True), (7, True), (6, False), (4, False)):
        which = torch.where(torch.arange(12) < same, one, torch.arange(12))
        found = misplacement(Pose(poses.xy[which], poses.visible[which]), sizes)
        assert (found is not None) == refused
        if found is not None:
            assert found.what == f"{same} of 12 people have one and the same joints"


def test_a_few_people_in_shares_of_the_image_are_left_out() -> None:
    poses, sizes = standing_people(12, 3, (128, 64))
    shares = poses.xy[:2] / torch.tensor([64.0, 128.0])
    found = strays(Pose(torch.cat((shares, poses.xy[2:])), poses.visible), sizes)
    assert [bool(line) for line in found] == [True] * 2 + [False] * 10
    assert "visible joints lie within 5% of the image" in found[0]
