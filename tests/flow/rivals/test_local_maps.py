import torch
from flow_figures import near_identity, turn
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded

from reidaug.flow.rivals.local_maps import (
    as_flows,
    in_square_units,
    local_maps,
    ratio,
    similarity,
    square_grid,
)
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import Pose

seeds = st.integers(0, 10_000)


def test_square_units_have_the_shape_of_the_image() -> None:
    pose = Pose(torch.tensor([[[0.0, 0.0], [63.0, 127.0], [1e9, torch.nan]]]), torch.ones(1, 3) > 0)
    pose.visible[0, 2] = False
    points = in_square_units(pose, (128, 64))[0]
    across = 63 / 127
    expected = torch.tensor([[-across, -1.0], [across, 1.0], [0.0, 0.0]])
    torch.testing.assert_close(points, expected)
    cells = square_grid((8, 4), (128, 64), points)
    back = as_flows(cells.expand(1, 1, -1, -1), (8, 4), (128, 64))
    torch.testing.assert_close(back[0, 0], identity(8, 4))


@given(seeds)
def test_the_ratio_is_the_identity_for_equal_matrices_even_singular_ones(seed: int) -> None:
    matrix = torch.randn(5, 2, 2, generator=seeded(seed))
    matrix[0] = 0.0
    matrix[1, 1] = matrix[1, 0]
    gram = matrix @ matrix.mT
    torch.testing.assert_close(
        ratio(gram, gram, 0.0025), torch.eye(2).expand(5, 2, 2), atol=1e-3, rtol=0
    )


def test_the_ratio_divides_where_it_can_and_stays_finite_where_it_cannot() -> None:
    s, t = near_identity(1), near_identity(2)
    torch.testing.assert_close(
        ratio(s @ t.mT, t @ t.mT, 1e-6), s @ torch.linalg.inv(t), atol=1e-3, rtol=1e-3
    )
    flat = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).requires_grad_()
    answer = ratio(s @ flat.mT, flat @ flat.mT, 0.0025)
    answer.sum().backward()
    assert answer.isfinite().all()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


@given(seeds, st.floats(-3, 3), st.floats(0.3, 3.5))
def test_a_similarity_is_found_from_two_vectors(seed: int, angle: float, scale: float) -> None:
    target = torch.rand(2, 2, generator=seeded(seed)) + 0.2
    found = similarity(target @ turn(angle, scale).mT, target, torch.ones(2))
    torch.testing.assert_close(found, turn(angle, scale), atol=1e-3, rtol=1e-3)
    assert torch.equal(similarity(target, target, torch.zeros(2)), torch.eye(2))


def test_local_maps_as_a_loop() -> None:
    generator = seeded(0)
    points = torch.rand(4, 2, generator=generator)
    matrix = torch.rand(1, 3, 2, 2, generator=generator)
    source, target = torch.rand(2, 1, 3, 2, generator=generator)
    known = torch.tensor([[True, False, True]])
    moved = local_maps(points, matrix, source, target, known)
    for k in range(3):
        for n in range(4):
            expected = matrix[0, k] @ (points[n] - target[0, k]) + source[0, k]
            expected = expected if known[0, k] else points[n]
            torch.testing.assert_close(moved[0, k, n], expected)
