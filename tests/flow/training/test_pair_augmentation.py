import math

import torch
from flow_figures import SIZE, pairs, poses
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded

from reidaug.flow.training.pair_augmentation import (
    FACE,
    PairAugmentation,
    mirror_pairs,
    still_pairs,
)
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import FLIP_18
from reidaug.geometry.warp import warp

YES = torch.tensor([True, True, True])


@given(st.integers(0, 1000))
def test_a_mirrored_pair_still_fits_together(seed: int) -> None:
    batch = pairs(3, seed)
    mirrored = mirror_pairs(batch, YES)
    assert mirrored.flow is not None
    assert mirrored.visible is not None
    difference = (warp(mirrored.source, mirrored.flow) - mirrored.target).abs().sum(1)
    assert difference[mirrored.visible].max() < 1e-3
    order = list(FLIP_18)
    x = mirrored.target_pose.xy[..., 0]
    torch.testing.assert_close(x, SIZE[1] - 1 - batch.target_pose.xy[:, order, 0])
    assert torch.equal(mirrored.source_pose.visible, batch.source_pose.visible[:, order])


def test_mirroring_twice_is_nothing_and_touches_only_the_chosen() -> None:
    batch = pairs(3, 1)
    again = mirror_pairs(mirror_pairs(batch, YES), YES)
    torch.testing.assert_close(again, batch)
    chosen = torch.tensor([False, True, False])
    some = mirror_pairs(batch, chosen)
    assert torch.equal(some.source[0], batch.source[0])
    assert torch.equal(some.source[1], batch.source[1].flip(-1))
    torch.testing.assert_close(some.target_pose.xy[2], batch.target_pose.xy[2])


def test_joints_are_dropped_at_the_given_rates() -> None:
    pose = poses(2000, 0, visible=0.8)
    dropped = PairAugmentation(face=0.25, joint=0.1).drop(pose, seeded(0))
    assert not (dropped.visible & ~pose.visible).any()
    body = [j for j in range(18) if j not in FACE]
    kept = dropped.visible.sum(0) / pose.visible.sum(0)
    assert (kept[body] - 0.9).abs().max() < 0.04
    assert (kept[list(FACE)] - 0.9 * 0.75).abs().max() < 0.04


def test_zero_probabilities_change_nothing_and_equal_generators_augment_alike() -> None:
    batch = pairs(3, 2)
    torch.testing.assert_close(PairAugmentation(0.0, 0.0, 0.0).apply(batch, seeded(0)), batch)
    wild = PairAugmentation(0.5, 0.5, 0.5)
    torch.testing.assert_close(wild.apply(batch, seeded(7)), wild.apply(batch, seeded(7)))


def test_joint_noise_has_the_given_scale_in_pixels() -> None:
    pose = poses(2000, 0, visible=0.8)
    moved = PairAugmentation(jitter=0.02).move(pose, 100, seeded(0))
    assert torch.equal(moved.visible, pose.visible)
    away = moved.xy - pose.xy
    assert abs(away.abs().mean() - 2.0) < 0.05  # the scale of a Laplace distribution
    assert abs(away.mean()) < 0.05
    assert abs((away.abs() > 2 * math.log(100)).float().mean() - 0.01) < 0.003
    batch = pairs(3, 2)
    still = PairAugmentation(mirror=0.0, face=0.0, joint=0.0, jitter=0.0)
    torch.testing.assert_close(still.apply(batch, seeded(0)), batch)
    noisy = PairAugmentation(mirror=0.0, face=0.0, joint=0.0, jitter=0.1).apply(batch, seeded(0))
    assert (noisy.source_pose.xy != batch.source_pose.xy).any()
    assert torch.equal(noisy.source, batch.source)


def test_a_still_pair_is_its_target_twice_and_nothing_moves() -> None:
    batch = pairs(3, 4)
    assert batch.flow is not None
    batch.flow[1, :, :4] = torch.nan
    chosen = torch.tensor([False, True, False])
    still = still_pairs(batch, chosen)
    assert still.flow is not None
    assert still.visible is not None
    assert torch.equal(still.source[1], batch.target[1])
    torch.testing.assert_close(still.source_pose.xy[1], batch.target_pose.xy[1])
    assert still.flow[1, :, :4].isnan().all()
    assert not still.visible[1, :4].any()
    assert torch.equal(still.flow[1, :, 4:], identity(*SIZE)[:, 4:])
    assert still.visible[1, 4:].all()
    torch.testing.assert_close(still.source[::2], batch.source[::2])
    torch.testing.assert_close(still.flow[::2], batch.flow[::2])
    always = PairAugmentation(mirror=0.0, face=0.0, joint=0.0, still=1.0).apply(batch, seeded(0))
    assert torch.equal(always.source, batch.target)
