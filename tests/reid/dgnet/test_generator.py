"""Structure encoder and decoder."""

import math

import pytest
import torch
from seeding import seeded
from small_dgnet import crops, one_domain
from torch.nn.functional import instance_norm, leaky_relu, pad

from reidaug.reid.dgnet.generator import (
    Decoder,
    SampleLayerNorm,
    StructureEncoder,
    adaptive_instance_norm,
)


@pytest.mark.parametrize(("height", "width"), [(64, 32), (64, 36), (36, 64), (66, 40), (64, 42)])
def test_sizes_the_structure_encoder_cannot_take_are_errors(height, width):
    encode = StructureEncoder(width=2)
    with pytest.raises(ValueError, match=f"at least 40 pixels, multiples of 4, got {height} x"):
        encode(torch.zeros(1, 3, height, width))


def test_structure_ignores_colour_brightness_and_contrast():
    encode = one_domain().generator(0).encode
    images = crops(0)
    swapped = images.flip(1)
    torch.testing.assert_close(encode(images), encode(swapped), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(encode(images), encode(2 * images + 1), atol=1e-2, rtol=1e-2)


def test_generation_does_not_depend_on_the_batch():
    generator = one_domain().generator(0)
    code = torch.randn(3, 4 * 32, generator=seeded())
    with torch.no_grad():
        together = generator(crops(0, 3), code)
        torch.testing.assert_close(together[1:2], generator(crops(0, 3)[1:2], code[1:2]))


def test_adaptive_instance_norm_sets_mean_and_deviation():
    x = torch.randn(2, 3, 5, 4, generator=seeded(), dtype=torch.float64)
    factor, shift = torch.randn(2, 2, 3, generator=seeded(1), dtype=torch.float64)
    found = adaptive_instance_norm(x, factor, shift)
    for i in range(2):
        for c in range(3):
            plane = x[i, c]
            spread = math.sqrt(float(plane.var(correction=0)) + 1e-5)
            expected = factor[i, c] * (plane - plane.mean()) / spread + shift[i, c]
            torch.testing.assert_close(found[i, c], expected)


def test_layer_norm_is_over_the_whole_sample_and_unbiased():
    norm = SampleLayerNorm(3).double()
    x = torch.randn(2, 3, 4, 5, generator=seeded(), dtype=torch.float64)
    numbers = x[1].flatten().tolist()
    mean = sum(numbers) / 60
    spread = math.sqrt(sum((n - mean) ** 2 for n in numbers) / 59) + 1e-5
    expected = (x[1] - mean) / spread * norm.gain
    torch.testing.assert_close(norm(x)[1], expected)


def test_each_slice_of_the_code_reaches_its_own_block():
    decode = Decoder(channels=8, code=8, blocks=4, hidden=4)
    reached = []
    for k, block in enumerate(decode.blocks):
        block.register_forward_pre_hook(lambda m, inputs, k=k: reached.append((k, inputs[1:])))
    code = torch.randn(1, 8, generator=seeded())
    decode(torch.randn(1, 8, 10, 10, generator=seeded()), code)
    for k, (factors, shifts) in reached:
        part = code[:, 2 * k : 2 * k + 2]
        torch.testing.assert_close(factors, decode.factors[k](part))
        torch.testing.assert_close(shifts, decode.shifts[k](part))


def test_an_adaptive_block_equals_its_formula():
    block = Decoder(channels=8, code=8, blocks=4, hidden=4).blocks[0]
    x = torch.randn(2, 8, 6, 5, generator=seeded())
    w, b = torch.randn(2, 2, 16, generator=seeded(1))

    def convolved(layer, y):
        y = pad(y, (1, 1, 1, 1), mode="reflect")
        return torch.nn.functional.conv2d(y, layer.weight, layer.bias)

    def normed(y, half):
        scale, shift = w[:, half, None, None], b[:, half, None, None]
        return instance_norm(y) * scale + shift

    inner = leaky_relu(normed(convolved(block.first, x), slice(0, 8)), 0.2)
    expected = x + normed(convolved(block.second, inner), slice(8, 16))
    torch.testing.assert_close(block(x, w, b), expected)


def test_a_code_without_equal_slices_is_an_error():
    with pytest.raises(ValueError, match="a code of 10 numbers has no 4 slices"):
        Decoder(channels=8, code=10)
