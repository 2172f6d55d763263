import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.geometry import affine, flow
from reidaug.geometry.pose import Pose, pose_maps
from reidaug.geometry.warp import warp

SEEDS = st.integers(0, 2**31)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(SEEDS)
def test_equation_4_then_5_is_the_identity(seed: int) -> None:
    matrix, offset = affine.random_upright_affine(4, generator(seed))
    points = torch.randn(4, 6, 2, generator=generator(seed))
    there = affine.apply(matrix, offset, points)
    back = affine.apply(*affine.inverse(matrix, offset), there)
    torch.testing.assert_close(back, points, atol=1e-3, rtol=1e-3)


@given(SEEDS)
def test_equation_4_as_a_loop(seed: int) -> None:
    (matrix,), (offset,) = affine.random_upright_affine(1, generator(seed))
    for x, y in ((0.0, 0.0), (1.0, -0.5), (-0.3, 0.8)):
        i = float(matrix[0, 0]) * x + float(matrix[0, 1]) * y + float(offset[0])
        j = float(matrix[1, 0]) * x + float(matrix[1, 1]) * y + float(offset[1])
        moved = affine.apply(matrix[None], offset[None], torch.tensor([[[x, y]]]))[0, 0]
        torch.testing.assert_close(moved, torch.tensor([i, j]), atol=1e-6, rtol=1e-5)


@given(SEEDS)
def test_people_stay_upright_and_whole(seed: int) -> None:
    matrix, _ = affine.random_upright_affine(32, generator(seed))
    assert (matrix.det().abs() >= affine.SMALLEST_DETERMINANT).all()
    assert (matrix[:, 1, 1] >= 0.75).all()
    unflipped, _ = affine.random_upright_affine(32, generator(seed), flip=False)
    assert (unflipped[:, 0, 0] > 0).all()


def test_half_of_the_maps_mirror() -> None:
    matrix, _ = affine.random_upright_affine(2000, generator(0))
    assert 0.45 < (matrix[:, 0, 0] < 0).float().mean() < 0.55


@given(SEEDS)
def test_the_flow_of_equation_5_warps_the_synthetic_source_into_the_target(seed: int) -> None:
    size = (64, 48)
    pose = Pose(torch.tensor([[[20.0, 25.0], [28.0, 40.0]]]), torch.ones(1, 2, dtype=torch.bool))
    matrix, offset = affine.random_upright_affine(1, generator(seed))
    maps = pose_maps(pose, size, canvas=size, sigma=4.0)
    synthetic = warp(maps, flow.from_affine(matrix, offset, size))
    restored = warp(synthetic, flow.from_affine(*affine.inverse(matrix, offset), size))
    grid = flow.from_affine(*affine.inverse(matrix, offset), size)
    inside = (grid.abs() <= 1).all(1, keepdim=True).expand_as(maps)
    assert (restored - maps)[inside].abs().max() < 0.1


@given(SEEDS)
def test_moved_joints_are_the_maxima_of_the_sampled_maps(seed: int) -> None:
    size = (96, 96)
    pose = Pose(torch.tensor([[[45.0, 50.0]]]), torch.ones(1, 1, dtype=torch.bool))
    matrix, offset = affine.random_upright_affine(1, generator(seed))
    maps = warp(
        pose_maps(pose, size, canvas=size, sigma=6.0), flow.from_affine(matrix, offset, size)
    )
    place = int(maps[0, 0].argmax())
    peak = torch.tensor([place % size[1], place // size[1]]).float()
    moved = affine.move_pose(pose, matrix, offset, size).xy[0, 0]
    assert (moved - peak).abs().max() <= 1.0


@given(SEEDS, st.integers(3, 10))
def test_fit_recovers_an_affine_map(seed: int, count: int) -> None:
    matrix, offset = affine.random_upright_affine(1, generator(seed))
    target = (
        torch.randn(1, count, 2, generator=generator(seed))
        + torch.tensor([[[0, 0], [1, 0], [0, 1.0]]]).repeat(1, -(-count // 3), 1)[:, :count] * 3
    )
    source = affine.apply(matrix, offset, target)
    fitted, shift = affine.fit(source, target, torch.ones(1, count), ridge=1e-9)
    torch.testing.assert_close(affine.apply(fitted, shift, target), source, atol=1e-2, rtol=1e-2)


@given(SEEDS)
def test_fit_ignores_what_has_no_weight(seed: int) -> None:
    source, target = torch.randn(2, 1, 6, 2, generator=generator(seed))
    weight = torch.tensor([[1.0, 1, 0, 1, 1, 0]])
    other = source.clone()
    other[:, weight[0] == 0] = 1e6
    for a, b in zip(
        affine.fit(source, target, weight), affine.fit(other, target, weight), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_fit_to_nothing_is_the_identity_and_to_one_point_a_shift() -> None:
    source = torch.tensor([[[0.5, 0.1], [0.0, 0.0]]])
    target = torch.tensor([[[0.2, 0.2], [0.0, 0.0]]])
    matrix, offset = affine.fit(source, target, torch.zeros(1, 2))
    torch.testing.assert_close(matrix[0], torch.eye(2))
    torch.testing.assert_close(offset, torch.zeros(1, 2))
    matrix, offset = affine.fit(source, target, torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(matrix[0], torch.eye(2))
    torch.testing.assert_close(offset, torch.tensor([[0.3, -0.1]]))
