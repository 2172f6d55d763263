import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.geometry.flow import from_affine, identity
from reidaug.geometry.strain import log_stretch, strain

SIZE = (33, 17)


@given(seed=st.integers(0, 999), grid=st.sampled_from([(33, 17), (9, 5), (5, 9)]))
def test_an_affine_flow_has_the_singular_values_of_its_matrix(
    seed: int, grid: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn((1, 2, 2), generator=generator)
    # In pixels of a picture that is not square.
    scale = torch.tensor([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2])
    pixels = scale[:, None] * matrix[0] / scale
    found = strain(from_affine(matrix, torch.zeros(1, 2), grid), SIZE)
    largest, smallest = torch.linalg.svdvals(pixels).tolist()
    assert found.largest.shape == (1, grid[0] - 1, grid[1] - 1)
    assert found.largest.flatten().tolist() == pytest.approx(
        [largest] * found.largest.numel(), rel=1e-3, abs=1e-3
    )
    assert found.smallest.flatten().tolist() == pytest.approx(
        [smallest] * found.smallest.numel(), rel=1e-2, abs=1e-2
    )
    if smallest > 1e-3:
        assert (found.reversed == bool(torch.linalg.det(pixels) < 0)).all()


def test_the_identity_strains_nothing() -> None:
    found = strain(identity(*SIZE)[None], SIZE)
    assert float(log_stretch(found.largest).abs().max()) < 1e-4
    assert float(log_stretch(found.smallest).abs().max()) < 1e-4
    assert not found.reversed.any()


def test_one_point_everywhere_is_squeezed_to_nothing() -> None:
    found = strain(torch.zeros(1, 2, *SIZE), SIZE)
    assert float(found.largest.max()) == 0
    assert float(found.smallest.max()) == 0
