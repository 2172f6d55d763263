import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import conv2d

from reidaug.flow.gaussian_filter import downsample, gaussian_kernel, separable_filter


@given(st.integers(0, 1000), st.integers(0, 3))
def test_the_separable_filter_is_a_zero_padded_convolution(seed: int, padding: int) -> None:
    image = torch.rand(2, 3, 9, 8, generator=torch.Generator().manual_seed(seed))
    kernel = gaussian_kernel(1.2, 2, image)
    expected = conv2d(
        image, (kernel[:, None] * kernel).expand(3, 1, 5, 5), padding=padding, groups=3
    )
    found = separable_filter(image, kernel, padding=padding)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_scale_one_gives_the_image_back() -> None:
    image = torch.rand(1, 3, 8, 4)
    assert downsample(image, 1.0) is image
    assert downsample(image, 0.5).shape == (1, 3, 4, 2)
