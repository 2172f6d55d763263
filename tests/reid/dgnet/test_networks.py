"""DG-Net's networks: published sizes, shapes, and what too small crops are told."""

import math

import pytest
import torch
from small_dgnet import PEOPLE, TINY, chance, crops, one_domain, same, state, two_domains
from torch.nn.functional import instance_norm, leaky_relu, pad

from reidaug.errors import UsageError
from reidaug.reid.backbones import PersonResNet
from reidaug.reid.dgnet.discriminators import DomainDiscriminator, ImageDiscriminator
from reidaug.reid.dgnet.generator import (
    Decoder,
    SampleNorm,
    StructureEncoder,
    adaptive_instance_norm,
)
from reidaug.reid.dgnet.networks import DGNet, build_dgnet, preset, renew_classifiers


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.fixture(scope="module")
def published():
    with torch.device("meta"):
        return build_dgnet(preset("paper"), 751)


def test_the_generator_has_its_published_size(published):
    generator = published.generator(0)
    decode = generator.decode
    assert count(generator.encode) == 380_544
    assert count(decode.blocks, decode.draw) == 1_455_555
    assert count(decode.factors, decode.shifts) == 11_544_576
    assert count(generator) == 13_380_675


def test_the_judges_have_their_published_sizes(published):
    judge = published.image_discriminator
    assert [count(network) for network in judge.networks] == [341_857] * 3
    with torch.device("meta"):
        assert count(DomainDiscriminator()) == 2_758_145


def test_the_appearance_encoder_has_its_published_size(published):
    assert count(published.encoder) == 23_508_032 + 2 * 1_435_375


def test_published_shapes(published):
    images = torch.empty(2, 3, 256, 128, device="meta")
    seen = published.encoder(images)
    structure = published.generator(0).encode(images)
    assert seen.pooled.shape == (2, 2048)
    assert published.code(seen).shape == (2, 8192)
    assert structure.shape == (2, 128, 64, 32)
    assert published.generator(0).decode(structure, published.code(seen)).shape == images.shape
    scores = published.image_discriminator(images)
    assert [tuple(one.shape[1:]) for one in scores] == [(1, 64, 32), (1, 32, 16), (1, 16, 8)]


def test_the_small_preset_is_whole():
    network = build_dgnet(preset("small"), PEOPLE, generator=chance())
    images = crops(0)
    seen = network.encoder(images)
    assert preset("small").size == tuple(images.shape[2:])
    assert network.generator(0)(images, network.code(seen)).shape == images.shape


def test_an_unknown_preset_is_told():
    with pytest.raises(UsageError, match=r"no preset 'large' \(known: paper, small\)"):
        preset("large")


def test_the_appearance_code_is_the_maximum_of_each_part_channel_by_channel():
    network = one_domain().eval()
    seen = network.encoder(crops(0))
    code = network.code(seen)
    assert not code.requires_grad
    assert seen.maps.shape[2:] == (4, 3)
    for part in range(4):
        rows = seen.maps[:, :, part]
        torch.testing.assert_close(code[:, part::4], rows.amax(2))
    torch.testing.assert_close(seen.pooled.detach(), code.unflatten(1, (-1, 4)).amax(2))


@pytest.mark.parametrize(("height", "width"), [(64, 32), (64, 36), (36, 64), (66, 40), (64, 42)])
def test_crops_the_structure_encoder_cannot_see_are_told(height, width):
    encode = StructureEncoder(width=2)
    with pytest.raises(ValueError, match=f"at least 40 pixels, multiples of 4, got {height} x"):
        encode(torch.zeros(1, 3, height, width))


def test_low_crops_have_no_four_parts():
    network = one_domain().eval()
    with pytest.raises(ValueError, match="3 rows, too few for 4 parts"):
        network.code(network.encoder(torch.zeros(1, 3, 48, 40)))


def test_structure_is_grey_and_knows_no_brightness():
    encode = one_domain().generator(0).encode
    images = crops(0)
    swapped = images.flip(1)
    torch.testing.assert_close(encode(images), encode(swapped), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(encode(images), encode(2 * images + 1), atol=1e-2, rtol=1e-2)


def test_one_crop_alone_is_drawn_as_inside_a_batch():
    generator = one_domain().generator(0)
    code = torch.randn(3, 4 * 32, generator=chance())
    with torch.no_grad():
        together = generator(crops(0, 3), code)
        torch.testing.assert_close(together[1:2], generator(crops(0, 3)[1:2], code[1:2]))


def test_adaptive_norm_sets_mean_and_deviation():
    x = torch.randn(2, 3, 5, 4, generator=chance(), dtype=torch.float64)
    factor, shift = torch.randn(2, 2, 3, generator=chance(1), dtype=torch.float64)
    found = adaptive_instance_norm(x, factor, shift)
    for i in range(2):
        for c in range(3):
            plane = x[i, c]
            spread = math.sqrt(float(plane.var(correction=0)) + 1e-5)
            expected = factor[i, c] * (plane - plane.mean()) / spread + shift[i, c]
            torch.testing.assert_close(found[i, c], expected)


def test_sample_norm_is_over_the_whole_sample_and_unbiased():
    norm = SampleNorm(3).double()
    x = torch.randn(2, 3, 4, 5, generator=chance(), dtype=torch.float64)
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
    code = torch.randn(1, 8, generator=chance())
    decode(torch.randn(1, 8, 10, 10, generator=chance()), code)
    for k, (factors, shifts) in reached:
        part = code[:, 2 * k : 2 * k + 2]
        torch.testing.assert_close(factors, decode.factors[k](part))
        torch.testing.assert_close(shifts, decode.shifts[k](part))


def test_an_adaptive_block_is_its_formula():
    block = Decoder(channels=8, code=8, blocks=4, hidden=4).blocks[0]
    x = torch.randn(2, 8, 6, 5, generator=chance())
    w, b = torch.randn(2, 2, 16, generator=chance(1))

    def convolved(layer, y):
        y = pad(y, (1, 1, 1, 1), mode="reflect")
        return torch.nn.functional.conv2d(y, layer.weight, layer.bias)

    def normed(y, half):
        scale, shift = w[:, half, None, None], b[:, half, None, None]
        return instance_norm(y) * scale + shift

    inner = leaky_relu(normed(convolved(block.first, x), slice(0, 8)), 0.2)
    expected = x + normed(convolved(block.second, inner), slice(8, 16))
    torch.testing.assert_close(block(x, w, b), expected)


def test_a_code_that_cannot_be_cut_is_told():
    with pytest.raises(ValueError, match="a code of 10 numbers has no 4 slices"):
        Decoder(channels=8, code=10)


def test_coarser_scales_see_the_mean_of_pixels_inside_the_image():
    judge = ImageDiscriminator(scales=2, width=4, blocks=1, generator=chance())
    images = crops(0)
    halved = torch.zeros(2, 3, 32, 20)
    for y in range(32):
        for x in range(20):
            rows, columns = slice(max(0, 2 * y - 1), 2 * y + 2), slice(max(0, 2 * x - 1), 2 * x + 2)
            halved[:, :, y, x] = images[:, :, rows, columns].mean((2, 3))
    torch.testing.assert_close(judge(images)[1], judge.networks[1](halved))


def test_the_same_seed_gives_the_same_weights():
    assert same(state(two_domains()), state(two_domains()))
    assert not same(state(two_domains()), state(two_domains(5)))


def test_first_weights_are_those_of_the_paper():
    network = build_dgnet(preset("small"), 3, generator=chance()).requires_grad_(False)
    gains = torch.cat([m.gain.flatten() for m in network.modules() if isinstance(m, SampleNorm)])
    assert 0 <= float(gains.min()) < 0.3
    assert 0.7 < float(gains.max()) <= 1
    judge = torch.cat([p.flatten() for p in network.image_discriminator.parameters() if p.ndim > 1])
    assert float(judge.std()) == pytest.approx(0.04, rel=0.05)  # the preset's, at a quarter of 32
    layer = network.generator(0).decode.blocks[0].first.weight
    assert float(layer.std()) == pytest.approx(math.sqrt(2 / layer[0].numel()), rel=0.05)


def test_adapting_copies_and_leaves_alone():
    trained = one_domain()
    before = state(trained)
    network = two_domains()
    for domain in (0, 1):
        assert same(state(network.generator(domain)), state(trained.generator(0)))
    assert same(state(network.encoder), state(trained.encoder))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert same(state(trained), before)
    assert not same(state(network.generator(0)), before)


def test_new_classifiers_are_all_that_is_new():
    encoder = one_domain().encoder
    before = state(encoder)
    renew_classifiers(encoder, 9, generator=chance(3))
    after = state(encoder)
    changed = {name for name in before if before[name].shape != after[name].shape}
    assert changed == {
        f"heads.{h}.classifier.{kind}" for h in (0, 1) for kind in ("weight", "bias")
    }
    kept = before.keys() - changed
    assert all(torch.equal(before[name], after[name]) for name in kept)
    weight = after["heads.0.classifier.weight"]
    assert weight.shape == (9, 8)
    assert 0 < float(weight.abs().max()) < 6e-3
    assert not weight[:PEOPLE].equal(before["heads.0.classifier.weight"])


def test_what_is_no_dg_net_is_told():
    whole = one_domain()
    one_head = PersonResNet(3, dropouts=(0.5,), **TINY.encoder)
    with pytest.raises(ValueError, match="two heads, got 1"):
        DGNet(one_head, (whole.generator(0),), whole.image_discriminator)
    with pytest.raises(ValueError, match="one or two, got 0"):
        DGNet(whole.encoder, (), whole.image_discriminator)
    with pytest.raises(ValueError, match="no generator of domain 1: there are 1"):
        whole.generator(1)
