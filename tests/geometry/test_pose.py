import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.geometry import pose as p
from reidaug.geometry.pose import Pose

SEEDS = st.integers(0, 2**31)


def some_pose(seed: int, joints: int = 18, batch: int = 2) -> Pose:
    generator = torch.Generator().manual_seed(seed)
    xy = torch.rand(batch, joints, 2, generator=generator) * torch.tensor([63.0, 127.0])
    return Pose(xy, torch.rand(batch, joints, generator=generator) < 0.7)


@given(SEEDS)
def test_mirroring_twice_changes_nothing(seed: int) -> None:
    pose = some_pose(seed)
    twice = p.mirror(p.mirror(pose, 64), 64)
    torch.testing.assert_close(twice.xy, pose.xy, atol=1e-4, rtol=0)
    assert torch.equal(twice.visible, pose.visible)


def test_mirroring_exchanges_left_and_right() -> None:
    for joint, twin in enumerate(p.FLIP_18):
        name = p.OPENPOSE_18[joint]
        other = name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")
        assert p.OPENPOSE_18[twin] == other


def test_coco_finds_every_joint_and_makes_the_neck() -> None:
    xy = torch.stack((torch.arange(17.0), torch.arange(17.0)), dim=1)[None]
    visible = torch.ones(1, 17, dtype=torch.bool)
    visible[0, p.COCO_17.index("left_shoulder")] = False
    pose = p.to_openpose18(Pose(xy, visible), p.COCO_17)
    for k, name in enumerate(p.OPENPOSE_18):
        if name != "neck":
            assert pose.visible[0, k] == visible[0, p.COCO_17.index(name)]
            if pose.visible[0, k]:
                assert pose.xy[0, k, 0] == p.COCO_17.index(name)
    assert not pose.visible[0, 1]
    whole = p.to_openpose18(Pose(xy, torch.ones_like(visible)), p.COCO_17)
    assert whole.xy[0, 1, 0] == (5 + 6) / 2


def test_blazepose_follows_the_published_indices() -> None:
    xy = torch.stack((torch.arange(33.0), torch.zeros(33)), dim=1)
    pose = p.to_openpose18(Pose(xy, torch.ones(33, dtype=torch.bool)), p.BLAZEPOSE_33)
    expected = [0, 11.5, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7]
    assert pose.xy[:, 0].tolist() == expected


def test_market_has_no_face() -> None:
    pose = p.to_openpose18(Pose(torch.rand(14, 2), torch.ones(14, dtype=torch.bool)), p.MARKET_14)
    assert pose.visible.tolist() == [False] + [True] * 13 + [False] * 4
    assert (pose.xy[~pose.visible] == -1).all()


def test_another_number_of_joints_is_refused() -> None:
    with pytest.raises(ValueError, match="17 joints expected, got 18"):
        p.to_openpose18(some_pose(0), p.COCO_17)


@given(SEEDS)
def test_maps_peak_at_visible_joints_and_are_zero_elsewhere(seed: int) -> None:
    pose = some_pose(seed)
    pose = Pose(pose.xy.round(), pose.visible)
    maps = p.pose_maps(pose, (128, 64), canvas=(128, 64), sigma=3.0)
    for b in range(2):
        for j in range(18):
            if not pose.visible[b, j]:
                assert not maps[b, j].any()
                continue
            place = int(maps[b, j].argmax())
            assert [place % 64, place // 64] == pose.xy[b, j].long().tolist()
            assert maps[b, j].max() == 1


@given(SEEDS)
def test_maps_equal_the_formula(seed: int) -> None:
    pose = some_pose(seed, joints=3, batch=1)
    maps = p.pose_maps(pose, (128, 64), canvas=(16, 8), sigma=1.5)
    for j in range(3):
        x, y = (pose.xy[0, j] * torch.tensor([7 / 63, 15 / 127])).tolist()
        for v in range(0, 16, 5):
            for u in range(8):
                distance = torch.tensor(-((u - x) ** 2 + (v - y) ** 2) / (2 * 1.5**2))
                expected = torch.exp(distance) * pose.visible[0, j]
                torch.testing.assert_close(maps[0, j, v, u], expected, atol=1e-5, rtol=1e-4)


@given(SEEDS)
def test_a_missing_joint_never_reaches_a_map(seed: int) -> None:
    pose = some_pose(seed)
    wild = pose.xy.clone()
    wild[~pose.visible] = float("nan")
    kwargs = {"canvas": (32, 16), "sigma": 2.0}
    maps = p.pose_maps(Pose(wild, pose.visible), (128, 64), **kwargs)
    assert torch.equal(maps, p.pose_maps(pose, (128, 64), **kwargs))


@given(SEEDS)
def test_another_canvas_keeps_normalised_coordinates(seed: int) -> None:
    pose = some_pose(seed)
    moved = p.on_canvas(pose, (128, 64), (256, 256))
    torch.testing.assert_close(
        p.normalised(moved, (256, 256)), p.normalised(pose, (128, 64)), atol=1e-5, rtol=1e-5
    )


@given(SEEDS)
def test_select_undoes_stack(seed: int) -> None:
    poses = [p.select(some_pose(seed + k), 0) for k in range(3)]
    stacked = p.stack(poses)
    assert torch.equal(p.select(stacked, 1).xy, poses[1].xy)
    assert torch.equal(
        p.select(stacked, [2, 0]).visible, torch.stack([poses[2].visible, poses[0].visible])
    )
