"""Cross-identity generation."""

import pytest
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
