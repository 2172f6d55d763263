import torch
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded

from reidaug.flow.unwarpme.affine_task import random_upright_affine
from reidaug.geometry import affine

SEEDS = st.integers(0, 2**31)


@given(SEEDS)
def test_a_map_and_its_inverse_give_the_identity(seed: int) -> None:
    matrix, offset = random_upright_affine(4, seeded(seed))
    points = torch.randn(4, 6, 2, generator=seeded(seed))
    there = affine.apply(matrix, offset, points)
    back = affine.apply(*affine.inverse(matrix, offset), there)
    torch.testing.assert_close(back, points, atol=1e-3, rtol=1e-3)


@given(SEEDS)
def test_apply_as_a_loop(seed: int) -> None:
    (matrix,), (offset,) = random_upright_affine(1, seeded(seed))
    for x, y in ((0.0, 0.0), (1.0, -0.5), (-0.3, 0.8)):
        i = float(matrix[0, 0]) * x + float(matrix[0, 1]) * y + float(offset[0])
        j = float(matrix[1, 0]) * x + float(matrix[1, 1]) * y + float(offset[1])
        moved = affine.apply(matrix[None], offset[None], torch.tensor([[[x, y]]]))[0, 0]
        torch.testing.assert_close(moved, torch.tensor([i, j]), atol=1e-6, rtol=1e-5)


@given(SEEDS, st.integers(3, 10))
def test_fit_recovers_an_affine_map(seed: int, count: int) -> None:
    matrix, offset = random_upright_affine(1, seeded(seed))
    target = (
        torch.randn(1, count, 2, generator=seeded(seed))
        + torch.tensor([[[0, 0], [1, 0], [0, 1.0]]]).repeat(1, -(-count // 3), 1)[:, :count] * 3
    )
    source = affine.apply(matrix, offset, target)
    fitted, shift = affine.fit(source, target, torch.ones(1, count), ridge=1e-9)
    torch.testing.assert_close(affine.apply(fitted, shift, target), source, atol=1e-2, rtol=1e-2)


@given(SEEDS, st.sampled_from([1e6, torch.nan]))
def test_fit_ignores_what_has_no_weight(seed: int, anything: float) -> None:
    points = torch.randn(2, 1, 6, 2, generator=seeded(seed))
    weight = torch.tensor([[1.0, 1, 0, 1, 1, 0]])
    other = points.clone()
    other[:, :, weight[0] == 0] = anything
    for a, b in zip(affine.fit(*points, weight), affine.fit(*other, weight), strict=True):
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
