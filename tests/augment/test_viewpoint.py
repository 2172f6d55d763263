import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stick_market import STANDING

from reidaug.augment.viewpoint import (
    exchange_left_right,
    facing,
    group_by_view,
    half_turns,
    view_agreement,
    view_names,
)
from reidaug.geometry.pose import Pose, mirror, stack


def standing(turn: float, *, hidden: tuple[int, ...] = ()) -> Pose:
    """A person of known width; 1 faces the camera, -1 shows the back, 0 the side."""
    joints = STANDING.copy()
    joints[[2, 5], 0], joints[[8, 11], 0] = (-0.14, 0.14), (-0.08, 0.08)
    xy = torch.tensor(joints * [turn * 64, 64] + [16, 0], dtype=torch.float32)
    visible = torch.ones(18, dtype=torch.bool)
    visible[list(hidden)] = False
    xy[list(hidden)] = float("nan")
    return Pose(xy, visible)


def one(pose: Pose) -> Pose:
    return stack([pose])


def test_the_order_of_shoulders_and_hips_shows_the_side() -> None:
    poses = stack([standing(turn) for turn in (1, 0.3, 0, -0.3, -1)])
    found = facing(poses)
    assert (found.sign() == torch.tensor([1, 1, 0, -1, -1])).all()
    assert float(found[0]) > 0.85
    assert torch.allclose(found, -found.flip(0))


@given(turn=st.floats(-1, 1), width=st.integers(20, 60))
def test_a_mirrored_person_faces_the_same_way(turn: float, width: int) -> None:
    pose = one(standing(turn))
    assert float(facing(mirror(pose, width))) == pytest.approx(float(facing(pose)), abs=1e-4)


def test_missing_joints_give_no_view() -> None:
    assert float(facing(one(standing(1, hidden=(2, 5))))) == 0  # no shoulder, no torso
    assert float(facing(one(standing(1, hidden=(2,))))) > 0.8  # the hips still do
    assert float(facing(one(standing(1, hidden=(2, 8))))) == 0
    assert float(facing(one(standing(1, hidden=tuple(range(18)))))) == 0


def test_half_turns_are_between_front_and_back_alone() -> None:
    poses = stack([standing(turn) for turn in (1, 0.1, -1)])
    expected = [[False, False, True], [False, False, False], [True, False, False]]
    assert half_turns(poses, poses).tolist() == expected
    share = view_agreement(poses, poses)
    assert share.diagonal().tolist() == [1, 1, 1]
    assert float(share[0, 2]) < 0.15
    assert 0.4 < float(share[0, 1]) < 0.6


def test_exchanging_left_and_right_keeps_the_outline() -> None:
    poses = stack([standing(1, hidden=(3,)), standing(-1)])
    exchanged = exchange_left_right(poses, torch.tensor([True, False]))
    assert facing(exchanged).sign().tolist() == [-1, -1]
    assert not exchanged.visible[0, 6]
    assert exchanged.visible[0, 3]
    places = {tuple(p) for p in poses.xy[0][poses.visible[0]].tolist()}
    assert {tuple(p) for p in exchanged.xy[0][exchanged.visible[0]].tolist()} == places
    assert torch.equal(exchanged.xy[1], poses.xy[1])


@given(seed=st.integers(0, 99), turns=st.sampled_from(["allow", "mirror", "drop"]))
def test_every_source_is_in_one_group_and_mirroring_leaves_no_half_turn(
    seed: int, turns: str
) -> None:
    rng = np.random.default_rng(seed)
    sources = stack([standing(float(t)) for t in rng.uniform(-1, 1, 5)])
    targets = stack([standing(float(t)) for t in rng.uniform(-1, 1, 4)])
    groups = group_by_view(sources, targets, turns)
    assert sorted(k for group, _ in groups for k in group) == list(range(5))
    for group, target in groups:
        mine = Pose(sources.xy[group], sources.visible[group])
        if turns == "mirror":
            assert not half_turns(mine, target).any()
        else:
            assert torch.equal(target.xy, targets.xy)


def test_only_poses_of_the_other_side_are_exchanged() -> None:
    sources = stack([standing(turn) for turn in (1, 0, -1)])
    targets = stack([standing(turn) for turn in (0.9, 0, -0.9)])
    other = exchange_left_right(targets, torch.ones(3, dtype=torch.bool)).xy
    found = {group[0]: target.xy for group, target in group_by_view(sources, targets, "mirror")}
    assert torch.equal(found[1], targets.xy)  # seen from the side: all poses as they are
    for source, exchanged in ((0, (False, False, True)), (2, (True, False, False))):
        expected = [other[k] if flag else targets.xy[k] for k, flag in enumerate(exchanged)]
        assert torch.equal(found[source], torch.stack(expected))


def test_views_have_names() -> None:
    poses = stack([standing(turn) for turn in (1, 0.1, -1)])
    assert view_names(poses) == ["front", "side", "back"]
