"""Cross-identity generation."""

import pytest
import torch
from small_dgnet import domain_batch, two_domains, with_gradient

from reidaug.reid.dgnet.swapping import generate_cross_identity, recode_structure

A, B = 0, 1


def generated(domains=(A, A), **options):
    network = two_domains().train()
    a, b = (domain_batch(i, domain) for i, domain in enumerate(domains))
    return network, generate_cross_identity(network, a, b, **options)


def test_the_appearance_code_has_no_gradient():
    _, cross = generated()
    assert not any(codes.appearance.requires_grad for codes in cross.codes)


def test_only_features_of_adversarial_batches_get_a_gradient():
    _, cross = generated((A, B), adversarial=(1,))
    assert [codes.pooled.requires_grad for codes in cross.codes] == [False, True]


def test_the_generator_is_that_of_the_structures_domain():
    network, cross = generated((A, B))
    network.zero_grad()
    cross.generated[0].sum().backward(retain_graph=True)  # structure of b, the target
    assert {name.split(".")[1] for name in with_gradient(network)} == {"1"}
    network.zero_grad()
    cross.generated[1].sum().backward()
    assert {name.split(".")[1] for name in with_gradient(network)} == {"0"}


@pytest.mark.parametrize("train_encoder", [False, True])
def test_recoding_trains_either_the_structure_encoder_or_the_generation(train_encoder):
    network, cross = generated()
    recoded = recode_structure(network, cross, 0, train_encoder=train_encoder)
    network.zero_grad()
    recoded.square().sum().backward(retain_graph=True)
    trained = {part.split(".")[2] for part in with_gradient(network)}
    # Generation begins with a structure code, whose encoder is trained through the image.
    assert trained == ({"encode"} if train_encoder else {"encode", "decode"})


def test_appearance_and_structure_change_places(monkeypatch):
    network, calls = two_domains().train(), {}
    for domain in (A, B):
        decoder = network.generator(domain).decode

        def decode(structure, appearance, domain=domain, of=decoder.forward):
            calls[domain] = (structure, appearance)
            return of(structure, appearance)

        monkeypatch.setattr(decoder, "forward", decode)
    a, b = (domain_batch(i, domain) for i, domain in enumerate((A, B)))
    cross = generate_cross_identity(network, a, b)
    # x_ba: the appearance of a on the structure of b, drawn by b's generator; and the other way.
    assert calls[B][0] is cross.codes[1].structure
    assert calls[B][1] is cross.codes[0].appearance
    assert calls[A][0] is cross.codes[0].structure
    assert calls[A][1] is cross.codes[1].appearance
    for codes, batch in zip(cross.codes, (a, b), strict=True):
        own = network.generator(batch.domain).encode(batch.images)
        torch.testing.assert_close(codes.structure, own)


def test_a_structure_is_read_again_by_the_generator_that_drew_it():
    network, cross = generated((A, B))
    for i, domain in enumerate((A, B)):
        recoded = recode_structure(network, cross, i, train_encoder=True)
        expected = network.generator(domain).encode(cross.generated[1 - i].detach())
        torch.testing.assert_close(recoded, expected)
