"""DG-Net's losses against their formulas as plain loops, and what each trains."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded
from small_dgnet import crops, one_domain, with_gradient
from torch.nn.functional import cross_entropy

from reidaug.reid.dgnet.discriminators import ImageDiscriminator
from reidaug.reid.dgnet.losses import (
    domain_adversarial_loss,
    domain_discriminator_loss,
    fine_grained_loss,
    generated_identity_loss,
    image_discriminator_loss,
    image_generator_loss,
    positive_triplet_loss,
    real_gradient_penalty,
    reconstruction_loss,
    teacher_loss,
)
from reidaug.reid.network_modes import without_dropout

SEEDS = st.integers(0, 10_000)


def draw(seed, *shape):
    return torch.randn(*shape, generator=seeded(seed))


def scales(seed):
    return [draw(seed, 2, 1, 4, 3), draw(seed + 1, 2, 1, 2, 2)]


@given(SEEDS)
def test_reconstruction_is_the_mean_absolute_difference(seed):
    one, other = draw(seed, 2, 3, 4, 2), draw(seed + 1, 2, 3, 4, 2)
    pairs = zip(one.flatten().tolist(), other.flatten().tolist(), strict=True)
    expected = sum(abs(a - b) for a, b in pairs) / one.numel()
    assert float(reconstruction_loss(one, other)) == pytest.approx(expected, rel=1e-4)


def test_targets_get_no_gradient():
    generated, target = (draw(seed, 1, 3, 4, 4).requires_grad_() for seed in (0, 1))
    reconstruction_loss(generated, target).backward()
    assert generated.grad is not None
    assert target.grad is None


@given(SEEDS)
def test_the_discriminators_loss_equals_its_loop(seed):
    real, fake = scales(seed), scales(seed + 2)
    expected = 0.0
    for ours, theirs in zip(real, fake, strict=True):
        expected += sum((s - 1) ** 2 for s in ours.flatten().tolist()) / ours.numel()
        expected += sum(s**2 for s in theirs.flatten().tolist()) / theirs.numel()
    assert float(image_discriminator_loss(real, fake)) == pytest.approx(expected, rel=1e-4)


@given(SEEDS)
def test_the_generators_loss_equals_its_loop(seed):
    fake = scales(seed)
    expected = sum(
        2 * sum((s - 1) ** 2 for s in one.flatten().tolist()) / one.numel() for one in fake
    )
    assert float(image_generator_loss(fake)) == pytest.approx(expected, rel=1e-4)


def test_different_numbers_of_scales_are_an_error():
    with pytest.raises(ValueError, match="zip"):
        image_discriminator_loss(scales(0), scales(0)[:1])


def test_the_penalty_of_a_known_discriminator_is_known():
    """Scores sum(w x) and sum(v x^2) have the gradients w and 2 v x."""
    images = crops(0).requires_grad_()
    w, v = draw(1, 3, 64, 40), draw(2, 3, 64, 40)
    scores = ((w * images).sum((1, 2, 3), keepdim=True), (v * images**2).sum(1, keepdim=True))
    expected = float(w.square().sum()) + float((2 * v * images.detach()).square().sum()) / 2
    assert float(real_gradient_penalty(scores, images).detach()) == pytest.approx(
        expected, rel=1e-4
    )


def test_the_gradient_penalty_trains_the_discriminator():
    discriminator = ImageDiscriminator(
        width=4, blocks=1, deviation=0.2, generator=seeded()
    ).double()
    images = crops(0).double().requires_grad_()
    scores = discriminator(images)
    real_gradient_penalty(scores, images).backward(retain_graph=True)
    assert len(with_gradient(discriminator)) > 0
    # Every scale has a gradient of its own: finite differences along one direction.
    direction, small = draw(3, *images.shape).double(), 1e-6
    with torch.no_grad():
        ahead, behind = (
            discriminator(images + small * direction),
            discriminator(images - small * direction),
        )
    for k, one in enumerate(scores):
        (gradient,) = torch.autograd.grad(one.sum(), images, retain_graph=True)
        expected = float((ahead[k] - behind[k]).sum()) / (2 * small)
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=1e-3)
        assert abs(expected) > 1e-2


@given(SEEDS)
def test_the_teachers_loss_equals_its_loop(seed):
    scores, soft = draw(seed, 3, 4), draw(seed + 1, 3, 4).softmax(1)
    soft[0] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    expected = 0.0
    for row, target in zip(scores.tolist(), soft.tolist(), strict=True):
        total = math.log(sum(math.exp(s) for s in row))
        expected += sum(p * (math.log(p) - s + total) for s, p in zip(row, target) if p > 0)  # noqa: B905
    assert float(teacher_loss(scores, soft)) == pytest.approx(expected / 3, rel=1e-3, abs=1e-5)


def test_agreement_with_the_teacher_has_no_loss():
    scores = draw(0, 3, 4)
    assert float(teacher_loss(scores, scores.softmax(1))) == pytest.approx(0, abs=1e-6)


@given(SEEDS)
def test_the_fine_grained_loss_equals_its_loop(seed):
    scores, labels = draw(seed, 3, 4), torch.randint(4, (3,), generator=seeded(seed))
    expected = sum(
        math.log(sum(math.exp(s) for s in row)) - row[label]
        for row, label in zip(scores.tolist(), labels.tolist(), strict=True)
    )
    assert float(fine_grained_loss(scores, labels)) == pytest.approx(expected / 3, rel=1e-4)


@given(SEEDS, st.sampled_from([0, 1]))
def test_domain_losses_equal_their_loops(seed, domain):
    scores = draw(seed, 5, 1)
    expected = sum((s - domain) ** 2 for s in scores.flatten().tolist()) / 5
    adversarial = 2 * sum(s**2 for s in scores.flatten().tolist()) / 5
    assert float(domain_discriminator_loss(scores, domain)) == pytest.approx(expected, rel=1e-4)
    assert float(domain_adversarial_loss(scores)) == pytest.approx(adversarial, rel=1e-4)


def test_the_identity_loss_of_generated_images_uses_the_first_head_without_dropout():
    encoder = one_domain().encoder.train()
    images, labels = crops(0).requires_grad_(), torch.tensor([1, 4])
    loss = generated_identity_loss(encoder, images, labels)
    with without_dropout(encoder):
        expected = cross_entropy(encoder(images).logits[0], labels)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert images.grad is not None
    assert not with_gradient(encoder)


def slow_positive_triplet(features, labels, positives, positive_labels, margin):
    losses = []
    for one, label in zip(features, labels, strict=True):
        pairs = zip(positives, positive_labels, strict=True)
        own = [math.dist(one, other) for other, theirs in pairs if theirs == label]
        pairs = zip(features, labels, strict=True)
        others = [math.dist(one, other) for other, theirs in pairs if theirs != label]
        if own and others:
            gap = max(own) - min(others)
            losses.append(math.log1p(math.exp(gap)) if margin is None else max(0.0, gap + margin))
    return sum(losses) / len(losses) if losses else 0.0


@given(SEEDS, st.sampled_from([None, 0.0, 0.3]))
def test_the_triplet_of_positives_equals_its_loop(seed, margin):
    features, positives = draw(seed, 6, 3), draw(seed + 1, 5, 3)
    labels, theirs = (torch.randint(4, (n,), generator=seeded(seed + n)) for n in (6, 5))
    found = positive_triplet_loss(features, labels, positives, theirs, margin=margin)
    parts = (one.tolist() for one in (features, labels, positives, theirs))
    assert float(found) == pytest.approx(slow_positive_triplet(*parts, margin), abs=1e-5)


def test_positives_are_no_negatives_and_no_anchors():
    features = torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    labels, margin = torch.tensor([0, 1]), 10.0
    own = positive_triplet_loss(
        features, labels, torch.tensor([[0.0, 4.0]]), torch.tensor([0]), margin=margin
    )
    assert float(own) == pytest.approx(4 - 3 + 10)  # the second crop has no positive
    more = torch.tensor([[0.0, 4.0], [0.1, 0.0]])  # a view of somebody else, near the first
    labels_of_views = torch.tensor([0, 7])
    found = positive_triplet_loss(features, labels, more, labels_of_views, margin=margin)
    assert float(found) == float(own)


def test_the_triplet_without_positives_is_nothing_but_differentiable():
    features = torch.zeros(2, 3, requires_grad=True)
    positives = torch.zeros(1, 3, requires_grad=True)
    loss = positive_triplet_loss(features, torch.tensor([0, 1]), positives, torch.tensor([2]))
    loss.backward()
    assert float(loss.detach()) == 0
    for one in (features, positives):
        assert one.grad is not None and one.grad.abs().sum() == 0


def test_the_triplet_of_equal_crops_has_a_finite_gradient():
    features = torch.zeros(2, 3, requires_grad=True)
    positives = torch.zeros(2, 3, requires_grad=True)
    labels = torch.tensor([0, 1])
    positive_triplet_loss(features, labels, positives, labels).backward()
    assert features.grad is not None and features.grad.isfinite().all()
