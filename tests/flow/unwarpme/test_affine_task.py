import torch
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded

from reidaug.flow.unwarpme.affine_task import (
    MIN_DETERMINANT,
    affine_preserving_loss,
    known_flow,
    move_pose,
    random_upright_affine,
)
from reidaug.geometry import flow
from reidaug.geometry.pose import Pose, pose_maps
from reidaug.geometry.warp import warp

SEEDS = st.integers(0, 2**31)


@given(SEEDS)
def test_random_maps_keep_people_upright_and_are_invertible(seed: int) -> None:
    matrix, _ = random_upright_affine(32, seeded(seed))
    assert (matrix.det().abs() >= MIN_DETERMINANT).all()
    assert (matrix[:, 1, 1] >= 0.75).all()
    unflipped, _ = random_upright_affine(32, seeded(seed), flip=False)
    assert (unflipped[:, 0, 0] > 0).all()


def test_half_of_the_maps_mirror() -> None:
    matrix, _ = random_upright_affine(2000, seeded(0))
    assert 0.45 < (matrix[:, 0, 0] < 0).float().mean() < 0.55


@given(SEEDS)
def test_the_flow_of_equation_5_warps_the_synthetic_source_into_the_target(seed: int) -> None:
    size = (64, 48)
    pose = Pose(torch.tensor([[[20.0, 25.0], [28.0, 40.0]]]), torch.ones(1, 2, dtype=torch.bool))
    matrix, offset = random_upright_affine(1, seeded(seed))
    maps = pose_maps(pose, size, canvas=size, sigma=4.0)
    synthetic = warp(maps, flow.from_affine(matrix, offset, size))
    grid = known_flow(matrix, offset, size)
    restored = warp(synthetic, grid)
    inside = (grid.abs() <= 1).all(1, keepdim=True).expand_as(maps)
    assert (restored - maps)[inside].abs().max() < 0.1


@given(SEEDS)
def test_moved_joints_are_the_maxima_of_the_sampled_maps(seed: int) -> None:
    size = (96, 96)
    pose = Pose(torch.tensor([[[45.0, 50.0]]]), torch.ones(1, 1, dtype=torch.bool))
    matrix, offset = random_upright_affine(1, seeded(seed))
    maps = warp(
        pose_maps(pose, size, canvas=size, sigma=6.0), flow.from_affine(matrix, offset, size)
    )
    place = int(maps[0, 0].argmax())
    peak = torch.tensor([place % size[1], place // size[1]]).float()
    moved = move_pose(pose, matrix, offset, size).xy[0, 0]
    assert (moved - peak).abs().max() <= 1.0


def test_the_affine_loss_leaves_cells_out_that_sample_outside_the_source() -> None:
    known = flow.identity(4, 3)[None] * 1.5
    wrong = torch.where((known.abs() > 1).any(1, keepdim=True), known + 9, known + 0.5)
    torch.testing.assert_close(affine_preserving_loss(wrong, known), torch.tensor(0.5))
    assert affine_preserving_loss(known, known) == 0
