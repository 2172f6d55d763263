import pytest
import torch

from reidaug.geometry.flow import identity
from reidaug.geometry.warp import warp


def test_the_identity_changes_nothing() -> None:
    image = torch.rand(1, 3, 6, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(warp(image, identity(6, 4)[None]), image, atol=1e-6)


def test_a_shifted_flow_samples_shifted_pixels_and_repeats_the_border() -> None:
    image = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 3, 5)
    flow = identity(3, 5)[None].clone()
    flow[:, 0] += 2 * 2 / 4  # two pixels to the right
    assert warp(image, flow)[0, 0, 0].tolist() == [2, 3, 4, 4, 4]


def test_size_and_dtype_of_the_result() -> None:
    image = torch.zeros(2, 3, 6, 4, dtype=torch.float16)
    warped = warp(image, identity(3, 2).expand(2, -1, -1, -1), size=(12, 8))
    assert warped.shape == (2, 3, 12, 8) and warped.dtype == torch.float16
    with pytest.raises(ValueError, match="2 images but 1 flows"):
        warp(image, identity(3, 2)[None])
