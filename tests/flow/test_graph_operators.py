import pytest
import torch

from reidaug.flow.graph_operators import GraphOperators, choose, eliminate, inverse
from tests.seeding import seeded


def systems(count: int, *, batch: tuple[int, ...] = (3,)) -> torch.Tensor:
    """Regular matrices whose diagonal is zero: nothing is solved without pivots."""
    matrix = torch.randn(*batch, count, count, generator=seeded(count), dtype=torch.float64)
    return matrix * (1 - torch.eye(count, dtype=torch.float64))


@pytest.mark.parametrize("count", [2, 5, 48])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_elimination_is_torchs_solution(count: int, batch: tuple[int, ...]) -> None:
    matrix = systems(count, batch=batch)
    right = torch.randn(*batch, count, 4, generator=seeded(1), dtype=torch.float64)
    torch.testing.assert_close(eliminate(matrix, right), torch.linalg.solve(matrix, right))
    torch.testing.assert_close(inverse(matrix), torch.linalg.inv(matrix))


def test_truth_values_are_chosen_as_by_where() -> None:
    condition, one, other = (torch.rand(50, generator=seeded(k)) > 0.5 for k in range(3))
    assert choose(condition, one, other).equal(torch.where(condition, one, other))


def test_inside_the_context_other_operators_give_the_same() -> None:
    matrix, flags = systems(4), torch.tensor([True, False])
    with GraphOperators():
        found = torch.linalg.inv(matrix), torch.linalg.solve(matrix, matrix)
        numbers = torch.where(flags, torch.ones(2), 0.0)
        values = torch.where(flags, flags, ~flags)
    torch.testing.assert_close(found[0], torch.linalg.inv(matrix))
    torch.testing.assert_close(found[1], torch.eye(4, dtype=torch.float64).expand(3, 4, 4))
    assert numbers.tolist() == [1, 0] and values.tolist() == [True, True]
