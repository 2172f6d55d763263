"""Losses of one step, and which networks each trains."""

from dataclasses import replace

import pytest
import torch
from seeding import seeded
from small_dgnet import crops, domain_batch, teacher, two_domains, with_gradient

from reidaug.reid.batches import Batch
from reidaug.reid.dgnet.losses import positive_triplet_loss
from reidaug.reid.dgnet.objective import DGNetObjective, erase_rectangles
from reidaug.reid.dgnet.phases import DGNetLossWeights, WeightSchedule, active_losses
from reidaug.reid.dgnet.swapping import generate_cross_identity
from reidaug.reid.network_modes import frozen_statistics

FULL = DGNetLossWeights(schedule=WeightSchedule(start=-10_000))
A, B = 0, 1


def objective(phase="source", domains=(A, A), weights=FULL):
    network = two_domains().train()
    active = active_losses(phase, domains)
    batches = (domain_batch(i, domain) for i, domain in enumerate(domains))
    cross = generate_cross_identity(network, *batches, adversarial=active.domain)
    return DGNetObjective(network, cross, active, weights)


def trained(losses, network, name):
    network.zero_grad()
    losses[name].backward(retain_graph=True)
    return {part.split(".")[0] for part in with_gradient(network)}


def test_generation_trains_the_generators_alone():
    step = objective()
    losses = step.generation()
    assert losses.keys() == {
        "self_reconstruction",
        "positive_reconstruction",
        "adversarial",
        "generated_identity",
    }
    for name in losses:
        assert trained(losses, step.network, name) == {"generators"}


def test_generated_images_get_a_gradient_from_identity_and_discriminator():
    step = objective()
    losses = step.generation()
    for name in ("adversarial", "generated_identity"):
        found = torch.autograd.grad(losses[name], step.cross.generated, retain_graph=True)
        assert all(float(one.abs().max()) > 0 for one in found)


def test_primary_and_fine_grained_features_train_the_encoder_alone():
    step = objective()
    losses = step.generated_features(teacher())
    assert losses.keys() == {"teacher", "fine_grained"}
    for name in losses:
        assert trained(losses, step.network, name) == {"encoder"}
    head = {name for name in with_gradient(step.network) if "classifier" in name}
    assert head == {"encoder.heads.1.classifier.weight", "encoder.heads.1.classifier.bias"}


@pytest.mark.parametrize("train_encoder", [False, True])
def test_code_reconstruction_trains_the_generators_alone(train_encoder):
    step = objective()
    losses = step.code_reconstruction(train_encoder=train_encoder)
    assert not losses.pop("appearance_code").requires_grad  # a known fault of the original
    for name in losses:
        assert trained(losses, step.network, name) == {"generators"}


def test_identities_and_domain_confusion_train_the_encoder_alone():
    step = objective("warmup", (A, B))
    losses = {**step.identities(0.5, seeded()), **step.domain_confusion()}
    assert losses.keys() == {"identity", "fine_identity", "positive_identity", "domain"}
    for name in losses:
        assert trained(losses, step.network, name) == {"encoder"}


def test_the_triplet_of_extra_crops_trains_the_encoder_with_target_crops_alone():
    weights = replace(FULL, extra=0.0, positive_triplet=1.0)
    for domains in ((A, B), (B, A), (B, B)):
        step = objective("adapt", domains, weights)
        step.identities(0.0, seeded())
        targets = [i for i, domain in enumerate(domains) if domain == B]
        labels = torch.cat([step.cross.batches[i].labels for i in targets])
        extra = Batch(crops(7), labels[:2])
        losses = step.extra_crops(extra, 0.0, 0.1, seeded(), margin=None)
        assert losses.keys() == {"positive_triplet"}
        with frozen_statistics(step.network.encoder):
            views = step.network.encoder(extra.images).pooled
        own = torch.cat([step.real[i].pooled for i in targets])
        expected = positive_triplet_loss(own, labels, views, extra.labels, margin=None)
        assert float(losses["positive_triplet"]) == pytest.approx(float(expected), rel=1e-4)
        assert trained(losses, step.network, "positive_triplet") == {"encoder"}
        assert not any("heads" in name for name in with_gradient(step.network))


def test_extra_crops_have_no_triplet_where_no_target_crop_is():
    step = objective(weights=replace(FULL, extra=0.0, positive_triplet=1.0))
    step.identities(0.0, seeded())
    assert not step.extra_crops(Batch(crops(7), torch.tensor([0, 1])), 0.0, 0.1, seeded())


def test_erasing_copies():
    images = crops(0, 8) + 3
    before = images.clone()
    found = erase_rectangles(images, 1.0, seeded())
    assert torch.equal(images, before)
    erased = (found == 0).all(1)
    assert bool(erased.flatten(1).any(1).all())
    kept = ~erased[:, None].expand_as(found)
    assert torch.equal(found[kept], images[kept])
