import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from stick_market import stick_market

from reidaug.augment import rare_poses as module
from reidaug.augment.inputs import AugmentInputs, Source, read_inputs
from reidaug.augment.options import AugmentOptions
from reidaug.augment.rare_poses import rare_poses, shape_distances, with_rare_poses
from reidaug.augment.shipped_poses import load_shipped
from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.geometry.pose import Pose, on_canvas, select, stack

SIZE = (64, 32)


def random_poses(seed: int, count: int, *, seen: float = 0.8) -> Pose:
    g = torch.Generator().manual_seed(seed)
    xy = torch.rand((count, 18, 2), generator=g) * torch.tensor([31.0, 63.0])
    return Pose(xy, torch.rand((count, 18), generator=g) < seen)


def distance_loop(a: Pose, b: Pose) -> float:
    """The distance of two poses (18, 2), joint by joint."""
    both = (a.visible & b.visible).tolist()
    joints = [j for j in range(18) if both[j]]
    if len(joints) < 3:
        return math.inf
    shapes = []
    for xy in (a.xy.tolist(), b.xy.tolist()):
        points = [xy[j] for j in joints]
        x, y = (sum(p[axis] for p in points) / len(points) for axis in (0, 1))
        moved = [(px - x, py - y) for px, py in points]
        size = math.sqrt(sum(px**2 + py**2 for px, py in moved) / len(moved))
        shapes.append([(px / size, py / size) for px, py in moved])
    squares = [(p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 for p, q in zip(*shapes, strict=True)]
    return math.sqrt(sum(squares) / len(squares))


def order_loop(shown: Pose, targets: Pose, count: int) -> list[int]:
    """Farthest-point selection, every distance looked up again at every step."""
    order: list[int] = []
    every = torch.cat((shown.xy, targets.xy)), torch.cat((shown.visible, targets.visible))
    table = shape_distances(Pose(*every), targets).tolist()
    known = len(shown.xy)
    while len(order) < count:
        rows = [*range(known), *(known + k for k in order)]
        far = {
            t: min((table[row][t] for row in rows), default=math.inf)
            for t in range(len(targets.xy))
            if t not in order
        }
        order.append(max(far, key=lambda t: far[t]))
    return order


@settings(max_examples=30)
@given(seed=st.integers(0, 999), n=st.integers(0, 4), m=st.integers(0, 4))
def test_distance_is_the_loop_over_shared_joints(seed: int, n: int, m: int) -> None:
    poses, others = random_poses(seed, n), random_poses(seed + 1, m, seen=0.4)
    table = shape_distances(poses, others)
    assert table.shape == (n, m)
    for i in range(n):
        for k in range(m):
            expected = distance_loop(select(poses, i), select(others, k))
            assert float(table[i, k]) == pytest.approx(expected, abs=2e-6)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 999), scale=st.floats(0.1, 9), x=st.floats(-99, 99), y=st.floats(-99, 99)
)
def test_distance_ignores_place_and_size_and_is_symmetric(
    seed: int, scale: float, x: float, y: float
) -> None:
    poses = random_poses(seed, 4, seen=1.0)
    moved = Pose(poses.xy * scale + torch.tensor([x, y]), poses.visible)
    table = shape_distances(poses, moved)
    torch.testing.assert_close(table.diagonal(), torch.zeros(4).double(), atol=1e-3, rtol=0)
    own = shape_distances(poses, poses)
    torch.testing.assert_close(table, own, atol=1e-3, rtol=0)
    assert torch.equal(own, own.T) and not own.diagonal().any()
    assert ((own >= 0) & (own <= 2)).all()


def test_known_distances() -> None:
    """A cross, the same upside down, and the same with one arm twice as long."""
    xy = torch.zeros(3, 18, 2)
    xy[:, :4] = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    xy[1] *= -1
    xy[2, :2, 0] *= 2
    visible = torch.zeros(3, 18, dtype=torch.bool)
    visible[:, :4] = True
    table = shape_distances(Pose(xy, visible), Pose(xy, visible))
    assert float(table[0, 1]) == 2
    # Sizes 1 and sqrt(10 / 4); the cosine of both shapes is (2 * 2 + 2 * 1) / sqrt(4 * 10).
    assert float(table[0, 2]) == pytest.approx(math.sqrt(2 - 2 * 6 / math.sqrt(40)), abs=1e-6)
    # Joints that one of them does not show do not count, wherever they are.
    xy[0, 10] = torch.nan
    xy[1, 10:], visible[1, 10:] = 7.0, True
    assert torch.equal(shape_distances(Pose(xy, visible), Pose(xy, visible)), table)


def test_two_joints_and_one_point_have_no_shape() -> None:
    poses = random_poses(0, 3, seen=1.0)
    poses.visible[1, 2:] = False
    poses.xy[2] = 5.0
    table = shape_distances(poses, poses)
    assert table.isinf().sum() == 8 and float(table[0, 0]) == 0


def test_who_is_seen_from_the_front_gets_sides_and_backs() -> None:
    shipped = load_shipped()
    turned = np.abs((np.degrees(shipped.yaw) + 180) % 360 - 180)
    front = select(shipped.pose, np.flatnonzero(turned < 40).tolist())
    for images, each in ((1, 4), (2, 4), (11, 1)):
        dealt = rare_poses(front, images, shipped.pose, each)
        numbers = [k for some in dealt for k in some]
        assert len(set(numbers)) == images * each
        assert (turned[numbers] > 50).all()
        assert turned[numbers].max() > 140, "one of them is from behind"
    back = select(shipped.pose, np.flatnonzero(turned > 140).tolist())
    ((first,),) = rare_poses(back, 1, shipped.pose, 1)
    assert turned[first] < 90


@settings(max_examples=30)
@given(
    seed=st.integers(0, 999),
    shown=st.integers(0, 5),
    images=st.integers(1, 5),
    count=st.integers(1, 9),
    data=st.data(),
)
def test_every_image_gets_its_share_in_the_order_of_farthest_points(
    seed: int, shown: int, images: int, count: int, data: st.DataObject
) -> None:
    each = data.draw(st.integers(1, count))
    own, targets = random_poses(seed, shown, seen=0.6), random_poses(seed + 1, count, seen=0.6)
    dealt = rare_poses(own, images, targets, each)
    assert [len(set(some)) for some in dealt] == [each] * images
    assert all(some == tuple(sorted(some)) for some in dealt)
    times = [sum(t in some for some in dealt) for t in range(count)]
    assert max(times) - min(times) <= 1, "nothing twice before everything once"
    order = order_loop(own, targets, min(count, images * each))
    expected = [
        sorted(order[k % count] for k in range(i * each, (i + 1) * each)) for i in range(images)
    ]
    assert [list(some) for some in dealt] == expected


@settings(max_examples=20)
@given(seed=st.integers(0, 99), at_once=st.integers(1, 30))
def test_bounded_memory_changes_nothing(seed: int, at_once: int) -> None:
    own, targets = random_poses(seed, 6), random_poses(seed + 1, 10)
    free = rare_poses(own, 3, targets, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "NUMBERS_KEPT", at_once)
        assert rare_poses(own, 3, targets, 2) == free


def test_more_poses_than_there_are_cannot_be_given() -> None:
    targets = random_poses(0, 3)
    for each in (0, 4):
        with pytest.raises(ValueError, match="1 to 3 poses"):
            rare_poses(targets, 1, targets, each)


@pytest.fixture
def inputs(tmp_path: Path) -> AugmentInputs:
    root = stick_market(tmp_path / "market", people=3, images=4, size=SIZE)
    dataset = read_market1501(root, splits=(TRAIN,))
    return read_inputs(dataset, root / "market-annotation-train.csv", AugmentOptions(poses=9))


def of_person(inputs: AugmentInputs, pid: int) -> list[Source]:
    return [source for source in inputs.sources if source.person.pid == pid]


def test_poses_are_given_person_by_person(inputs: AugmentInputs) -> None:
    given = with_rare_poses(inputs, 2)
    assert [s._replace(into=None) for s in given.sources] == list(inputs.sources)
    for pid in (1, 2, 3):
        shown = stack([source.pose for source in of_person(inputs, pid)])
        expected = rare_poses(shown, 4, inputs.targets.pose, 2)
        assert [source.into for source in of_person(given, pid)] == expected
    # Other people's images change nothing for somebody.
    alone = inputs._replace(sources=tuple(of_person(inputs, 2)))
    assert list(with_rare_poses(alone, 2).sources) == of_person(given, 2)


def test_stand_ins_show_no_pose_and_are_given_some(inputs: AugmentInputs) -> None:
    first, *others = of_person(inputs, 1)
    nearest = first._replace(pose=others[0].pose, pose_from="nearest")
    given = with_rare_poses(inputs._replace(sources=(nearest, *others)), 1)
    shown = stack([source.pose for source in others])
    expected = rare_poses(shown, 4, inputs.targets.pose, 1)
    assert [source.into for source in given.sources] == expected
    # A person of whom no pose is known gets poses that differ from each other.
    nobody = [source._replace(pose_from="crop") for source in (first, *others)]
    unknown = with_rare_poses(inputs._replace(sources=tuple(nobody)), 1)
    assert len({source.into for source in unknown.sources}) == 4


def test_images_of_another_form_are_compared_on_the_canvas_of_warps(inputs: AugmentInputs) -> None:
    first = inputs.sources[0]
    wide = (SIZE[0], 5 * SIZE[1])
    with Image.open(first.person.path) as image:
        image.resize((wide[1], wide[0])).save(first.person.path)
    stretched = first._replace(pose=on_canvas(first.pose, SIZE, wide))
    changed = inputs._replace(sources=(stretched, *inputs.sources[1:]))
    into = [source.into for source in with_rare_poses(inputs, 1).sources]
    assert [source.into for source in with_rare_poses(changed, 1).sources] == into
