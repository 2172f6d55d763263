"""Whom each loss of DG-Net teaches, and whom not."""

import pytest
import torch
from small_dgnet import crops, side, teacher, touched, two_domains

from reidaug.reid.dgnet.loss_weights import Ramp, Weights, roles
from reidaug.reid.dgnet.objective import (
    drawing_losses,
    erased,
    lesson_losses,
    naming_losses,
    recoding_losses,
    seen_in_drawn,
)
from reidaug.reid.dgnet.swapping import cross, recoded_structure

FULL = Weights(ramp=Ramp(start=-10_000))
A, B = 0, 1


def crossed(domains=(A, A), **options):
    network = two_domains().train()
    return network, cross(network, side(0, domains[0]), side(1, domains[1]), **options)


def gradients(losses, network, name):
    network.zero_grad()
    losses[name].backward(retain_graph=True)
    return {part.split(".")[0] for part in touched(network)}


def test_the_appearance_code_has_no_gradient_and_drawing_teaches_the_generators_alone():
    network, crossing = crossed()
    assert not any(look.code.requires_grad for look in crossing.looks)
    who = roles("source", (A, A))
    losses = drawing_losses(network, crossing, who, FULL)
    assert losses.keys() == {
        "self_reconstruction",
        "positive_reconstruction",
        "adversarial",
        "generated_identity",
    }
    for name in losses:
        assert gradients(losses, network, name) == {"generators"}


def test_drawn_crops_get_a_gradient_from_the_identity_and_the_judge():
    network, crossing = crossed()
    for name in ("adversarial", "generated_identity"):
        losses = drawing_losses(network, crossing, roles("source", (A, A)), FULL)
        found = torch.autograd.grad(losses[name], crossing.drawn, retain_graph=True)
        assert all(float(one.abs().max()) > 0 for one in found)


def test_the_teacher_and_the_fine_grained_loss_teach_the_encoder_alone():
    network, crossing = crossed()
    who = roles("source", (A, A))
    seen = seen_in_drawn(network, crossing, who, FULL)
    losses = lesson_losses(crossing, who, FULL, seen, teacher())
    assert losses.keys() == {"teacher", "fine_grained"}
    for name in losses:
        assert gradients(losses, network, name) == {"encoder"}
    head = {name for name in touched(network) if "classifier" in name}
    assert head == {"encoder.heads.1.classifier.weight", "encoder.heads.1.classifier.bias"}


@pytest.mark.parametrize("teach_encoder", [False, True])
def test_recoding_teaches_either_the_structure_encoder_or_the_drawing(teach_encoder):
    network, crossing = crossed()
    recoded = recoded_structure(network, crossing, 0, teach_encoder=teach_encoder)
    network.zero_grad()
    recoded.square().sum().backward(retain_graph=True)
    reached = {part.split(".")[2] for part in touched(network)}
    # The drawing itself began with a structure code, whose encoder learns through the crop.
    assert reached == ({"encode"} if teach_encoder else {"encode", "decode"})
    seen = seen_in_drawn(network, crossing, roles("adapt", (A, B)), FULL)
    losses = recoding_losses(network, crossing, FULL, seen, teach_encoder=teach_encoder)
    assert not losses.pop("appearance_code").requires_grad  # a known fault of the original
    for name in losses:
        assert gradients(losses, network, name) == {"generators"}


def test_naming_and_hiding_teach_the_encoder_alone():
    network, crossing = crossed((A, B), pushed=(1,))
    losses = naming_losses(
        network,
        crossing,
        roles("warmup", (A, B)),
        FULL,
        erase=0.5,
        chance=torch.Generator().manual_seed(0),
    )
    assert losses.keys() == {"identity", "fine_identity", "positive_identity", "domain"}
    for name in losses:
        assert gradients(losses, network, name) == {"encoder"}


def test_source_features_are_not_pushed():
    _, crossing = crossed((A, B), pushed=(1,))
    assert [look.pooled.requires_grad for look in crossing.looks] == [False, True]


def test_the_structures_domain_draws():
    network, crossing = crossed((A, B))
    network.zero_grad()
    crossing.drawn[0].sum().backward(retain_graph=True)  # body of b, the target
    assert {name.split(".")[1] for name in touched(network)} == {"1"}
    network.zero_grad()
    crossing.drawn[1].sum().backward()
    assert {name.split(".")[1] for name in touched(network)} == {"0"}


def test_erasing_copies():
    images = crops(0, 8) + 3
    before = images.clone()
    found = erased(images, 1.0, torch.Generator().manual_seed(0))
    assert torch.equal(images, before)
    gone = (found == 0).all(1)
    assert bool(gone.flatten(1).any(1).all())
    assert torch.equal(
        found[~gone[:, None].expand_as(found)], images[~gone[:, None].expand_as(found)]
    )
