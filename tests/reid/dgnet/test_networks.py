"""DG-Net's networks: published sizes and shapes, presets, initial weights."""

import math

import pytest
import torch
from seeding import seeded
from small_dgnet import PEOPLE, TINY, crops, one_domain, same, state, two_domains

from reidaug.errors import UsageError
from reidaug.reid.backbones import PersonResNet
from reidaug.reid.dgnet.discriminators import DomainDiscriminator
from reidaug.reid.dgnet.generator import SampleLayerNorm
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


def test_the_discriminators_have_their_published_sizes(published):
    discriminator = published.image_discriminator
    assert [count(network) for network in discriminator.networks] == [341_857] * 3
    with torch.device("meta"):
        assert count(DomainDiscriminator()) == 2_758_145


def test_the_appearance_encoder_has_its_published_size(published):
    assert count(published.encoder) == 23_508_032 + 2 * 1_435_375


def test_published_shapes(published):
    images = torch.empty(2, 3, 256, 128, device="meta")
    embedding = published.encoder(images)
    structure = published.generator(0).encode(images)
    assert embedding.pooled.shape == (2, 2048)
    assert published.appearance_code(embedding).shape == (2, 8192)
    assert structure.shape == (2, 128, 64, 32)
    assert (
        published.generator(0).decode(structure, published.appearance_code(embedding)).shape
        == images.shape
    )
    scores = published.image_discriminator(images)
    assert [tuple(one.shape[1:]) for one in scores] == [(1, 64, 32), (1, 32, 16), (1, 16, 8)]


def test_the_small_preset_generates_images_of_its_size():
    network = build_dgnet(preset("small"), PEOPLE, generator=seeded())
    images = crops(0)
    embedding = network.encoder(images)
    assert preset("small").size == tuple(images.shape[2:])
    assert network.generator(0)(images, network.appearance_code(embedding)).shape == images.shape


def test_an_unknown_preset_is_an_error():
    with pytest.raises(UsageError, match=r"no preset 'large' \(known: paper, small\)"):
        preset("large")


def test_the_appearance_code_is_the_maximum_of_each_part_channel_by_channel():
    network = one_domain().eval()
    embedding = network.encoder(crops(0))
    code = network.appearance_code(embedding)
    assert not code.requires_grad
    assert embedding.maps.shape[2:] == (4, 3)
    for part in range(4):
        rows = embedding.maps[:, :, part]
        torch.testing.assert_close(code[:, part::4], rows.amax(2))
    torch.testing.assert_close(embedding.pooled.detach(), code.unflatten(1, (-1, 4)).amax(2))


def test_low_crops_have_too_few_rows_for_four_parts():
    network = one_domain().eval()
    with pytest.raises(ValueError, match="3 rows, too few for 4 parts"):
        network.appearance_code(network.encoder(torch.zeros(1, 3, 48, 40)))


def test_the_same_seed_gives_the_same_weights():
    assert same(state(two_domains()), state(two_domains()))
    assert not same(state(two_domains()), state(two_domains(5)))


def test_initial_weights_are_those_of_the_paper():
    network = build_dgnet(preset("small"), 3, generator=seeded()).requires_grad_(False)
    gains = torch.cat(
        [m.gain.flatten() for m in network.modules() if isinstance(m, SampleLayerNorm)]
    )
    assert 0 <= float(gains.min()) < 0.3
    assert 0.7 < float(gains.max()) <= 1
    discriminator = torch.cat(
        [p.flatten() for p in network.image_discriminator.parameters() if p.ndim > 1]
    )
    assert float(discriminator.std()) == pytest.approx(
        0.04, rel=0.05
    )  # the preset's, at a quarter of 32
    layer = network.generator(0).decode.blocks[0].first.weight
    assert float(layer.std()) == pytest.approx(math.sqrt(2 / layer[0].numel()), rel=0.05)


def test_dgnetpp_begins_with_copies_of_dgnet():
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


def test_new_classifiers_leave_everything_else_as_it_was():
    encoder = one_domain().encoder
    before = state(encoder)
    renew_classifiers(encoder, 9, generator=seeded(3))
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


def test_wrong_numbers_of_heads_and_generators_are_errors():
    whole = one_domain()
    one_head = PersonResNet(3, dropouts=(0.5,), **TINY.encoder)
    with pytest.raises(ValueError, match="two heads, got 1"):
        DGNet(one_head, (whole.generator(0),), whole.image_discriminator)
    with pytest.raises(ValueError, match="one or two, got 0"):
        DGNet(whole.encoder, (), whole.image_discriminator)
    with pytest.raises(ValueError, match="no generator of domain 1: there are 1"):
        whole.generator(1)
