"""Losses of one step, and which networks each trains."""

from dataclasses import replace

import pytest
import torch
from seeding import seeded
from small_dgnet import crops, domain_batch, teacher, two_domains, with_gradient

from reidaug.reid.batches import Batch
from reidaug.reid.dgnet import objective as objective_module
from reidaug.reid.dgnet.losses import generated_identity_loss, positive_triplet_loss
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
        assert losses["positive_triplet"].item() == pytest.approx(expected.item(), rel=1e-4)
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


# Who sees what, from recorded calls: a is of the source and b of the target.


def watch(monkeypatch, module, name):
    """Note the arguments and results of a module's or a network's function."""
    function, calls = getattr(module, name), []

    def noted(*arguments, **keywords):
        calls.append((arguments, keywords, function(*arguments, **keywords)))
        return calls[-1][2]

    monkeypatch.setattr(module, name, noted)
    return calls


@pytest.fixture
def decoded(monkeypatch):
    """An objective on (source, target), and what each domain's generator is asked to decode."""
    step = objective("warmup", (A, B))
    calls = [
        watch(monkeypatch, step.network.generator(domain).decode, "forward") for domain in (A, B)
    ]
    return step, calls


def test_a_cycle_is_decoded_by_the_generator_of_its_own_domain(decoded, monkeypatch):
    step, calls = decoded
    compared = watch(monkeypatch, objective_module, "reconstruction_loss")
    step.code_reconstruction(train_encoder=True)
    for i, domain in enumerate((A, B)):
        (((structure, appearance), _, image),) = calls[domain]
        batch = step.cross.batches[i]
        # The structure of the image that took it over, and the appearance of the one that has its.
        again = step.network.generator(domain).encode(step.cross.generated[1 - i].detach())
        torch.testing.assert_close(structure, again)
        torch.testing.assert_close(appearance, step.network.appearance_code(step.embeddings[i]))
        assert compared[i][0][0] is structure
        assert compared[i][0][1] is step.cross.codes[i].structure
        assert compared[2 + i][0][0] is image
        assert compared[2 + i][0][1] is batch.images


def test_crops_are_redrawn_from_their_own_codes_by_their_own_generator(decoded, monkeypatch):
    step, calls = decoded
    compared = watch(monkeypatch, objective_module, "reconstruction_loss")
    coded = watch(monkeypatch, step.network, "appearance_code")
    losses = step.generation()
    assert [len(found) for found in calls] == [2, 1]  # positives are of the source alone
    for i, domain in enumerate((A, B)):
        (structure, appearance), _, image = calls[domain][0]
        assert structure is step.cross.codes[i].structure
        assert appearance is step.cross.codes[i].appearance
        assert compared[i][0][0] is image
        assert compared[i][0][1] is step.cross.batches[i].images
    (structure, appearance), _, image = calls[A][1]
    assert structure is step.cross.codes[0].structure
    assert appearance is coded[0][2]
    assert compared[2][0][0] is image
    assert compared[2][0][1] is step.cross.batches[0].images
    network, batch = step.network, step.cross.batches[0]
    expected = generated_identity_loss(network.encoder, step.cross.generated[0], batch.labels)
    torch.testing.assert_close(losses["generated_identity"], expected)


def test_the_appearance_of_positives_is_theirs(decoded):
    step, calls = decoded
    step.generation()
    appearance = calls[A][1][0][1]
    with torch.no_grad():
        positives = step.network.encoder(step.cross.batches[0].positives)
        images = step.network.encoder(step.cross.batches[0].images)
    torch.testing.assert_close(appearance, step.network.appearance_code(positives))
    assert not torch.allclose(appearance, step.network.appearance_code(images))


def test_generated_images_are_labelled_by_who_gave_what(monkeypatch):
    """Index 0 has the appearance of a, which the teacher judges, and the structure of b."""
    step = objective("source", (A, A))
    taught = watch(monkeypatch, objective_module, "teacher_loss")
    fine = watch(monkeypatch, objective_module, "fine_grained_loss")
    judge = teacher()
    asked = watch(monkeypatch, judge, "forward")
    step.generated_features(judge)
    batches = step.cross.batches
    assert not torch.equal(batches[0].labels, batches[1].labels)
    for i in (0, 1):
        (images,), known, labels = asked[i]
        assert torch.equal(images, step.cross.generated[i])
        assert known["appearance"] is batches[i].labels
        assert known["structure"] is batches[1 - i].labels
        assert taught[i][0][0] is step.embeddings[i].logits[0]
        assert taught[i][0][1] is labels
        assert fine[i][0][0] is step.embeddings[i].logits[1]
        assert fine[i][0][1] is batches[1 - i].labels


def test_identities_are_those_of_the_crops_and_their_positives(monkeypatch):
    step = objective("source", (A, A))
    seen = watch(monkeypatch, step.network.encoder, "forward")
    judged = watch(monkeypatch, objective_module, "cross_entropy")
    step.identities(0.0, seeded())
    batches = step.cross.batches
    shown = [call[0][0] for call in seen]
    for image, expected in zip(
        shown, [b.images for b in batches] + [b.positives for b in batches], strict=True
    ):
        assert torch.equal(image, expected)
    # First heads of both batches, their second heads, first heads of the positives.
    rows = [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (3, 0)]
    for (call, head), (arguments, _, _) in zip(rows, judged, strict=True):
        assert torch.equal(arguments[0], seen[call][2].logits[head].float())
        assert arguments[1] is batches[call % 2].labels


def test_the_encoder_moves_target_features_towards_the_source():
    step = objective("warmup", (A, B))
    assert step.active.domain == (1,)
    found = step.domain_confusion()["domain"]
    scores = step.network.domain_discriminator(step.cross.codes[1].pooled)
    torch.testing.assert_close(found, objective_module.domain_adversarial_loss(scores))
