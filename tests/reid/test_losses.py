"""Losses against their formulas as plain loops."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.reid.backbones import Embedding
from reidaug.reid.losses import (
    Knowledge,
    ReIDLosses,
    batch_hard_triplet,
    consistency_loss,
    identity_loss,
    soft_identity_loss,
)


def draw(seed, people=3, count=9):
    chance = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, people, (count,), generator=chance)
    return torch.randn(count, 4, generator=chance, dtype=torch.float64), labels


def slow_triplet(features, labels, margin):
    terms = []
    for i in range(len(labels)):
        own = [
            math.dist(features[i], features[j])
            for j in range(len(labels))
            if j != i and labels[j] == labels[i]
        ]
        other = [
            math.dist(features[i], features[j])
            for j in range(len(labels))
            if labels[j] != labels[i]
        ]
        if own and other:
            gap = max(own) - min(other)
            terms.append(math.log1p(math.exp(gap)) if margin is None else max(0.0, gap + margin))
    return sum(terms) / len(terms) if terms else 0.0


@given(st.integers(0, 10_000), st.sampled_from([None, 0.0, 0.3, 2.0]))
def test_triplet_equals_its_loop(seed, margin):
    features, labels = draw(seed)
    loss = batch_hard_triplet(features, labels, margin=margin)
    expected = slow_triplet(features.tolist(), labels.tolist(), margin)
    assert float(loss) == pytest.approx(expected, abs=1e-4)


def test_triplet_of_one_person_alone_is_nothing_but_differentiable():
    features = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = batch_hard_triplet(features, torch.zeros(4, dtype=torch.long))
    loss.backward()
    assert float(loss.detach()) == 0
    assert features.grad is not None


def test_triplet_of_equal_crops_has_a_finite_gradient():
    features = torch.ones(4, 3, requires_grad=True)
    batch_hard_triplet(features, torch.tensor([0, 0, 1, 1])).backward()
    assert features.grad is not None
    assert bool(features.grad.isfinite().all())


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.1, 0.5]))
def test_identity_loss_equals_its_loop(seed, smoothing):
    scores, labels = draw(seed, people=4)
    expected = 0.0
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        total = math.log(sum(math.exp(s) for s in row))
        for c, score in enumerate(row):
            target = smoothing / 4 + (1 - smoothing) * (c == label)
            expected += target * (total - score) / len(labels)
    assert float(identity_loss([scores], labels, smoothing=smoothing)) == pytest.approx(
        expected, abs=1e-5
    )


def test_further_heads_count_less():
    scores, labels = draw(0, people=4)
    one = identity_loss([scores], labels)
    torch.testing.assert_close(identity_loss([scores, scores], labels), one * 1.4)


@given(st.integers(0, 10_000))
def test_weights_are_factors_of_each_crops_loss(seed):
    scores, labels = draw(seed, people=4)
    weights = torch.rand(9, generator=torch.Generator().manual_seed(seed))
    each = [float(identity_loss([scores[k : k + 1]], labels[k : k + 1])) for k in range(9)]
    expected = sum(float(w) * loss for w, loss in zip(weights, each, strict=True)) / 9
    assert float(identity_loss([scores], labels, weights=weights)) == pytest.approx(expected)
    soft = [float(soft_identity_loss([scores[k : k + 1]], scores[k : k + 1])) for k in range(9)]
    expected = sum(float(w) * loss for w, loss in zip(weights, soft, strict=True)) / 9
    found = soft_identity_loss([scores], scores, weights=weights)
    assert float(found) == pytest.approx(expected)


def test_consistency_is_the_cosine_distance():
    views = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    crops = torch.tensor([[3.0, 0.0], [1.0, 0.0], [-1.0, -1.0]])
    assert float(consistency_loss(views, crops)) == pytest.approx((0 + 1 + 2) / 3)
    weights = torch.tensor([1.0, 0.5, 0.0])
    assert float(consistency_loss(views, crops, weights=weights)) == pytest.approx(0.5 / 3)


def output_of(seed, count):
    chance = torch.Generator().manual_seed(seed)
    pooled, heads, logits = (torch.randn(count, 4, generator=chance) for _ in range(3))
    return Embedding(pooled, (heads,), (logits,))


LABELS, EXTRA_LABELS = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1])


def extra_losses(known, **options):
    return ReIDLosses(**options).losses(
        output_of(0, 4), LABELS, output_of(1, 3), EXTRA_LABELS, known
    )


def test_what_the_teacher_does_not_recognise_does_not_count():
    scores = torch.tensor([[5.0, 0, 0, 0], [5.0, 0, 0, 0], [0, 5.0, 0, 0]])  # the second is wrong
    parts = extra_losses(Knowledge(scores=scores), extra_recognised=True)
    extra = output_of(1, 3)
    weights = torch.tensor([1.0, 0.0, 1.0])
    expected = identity_loss(extra.logits, EXTRA_LABELS, weights=weights)
    torch.testing.assert_close(parts["extra_identity"], expected)
    kept = [0, 2]
    features = torch.cat((output_of(0, 4).pooled, extra.pooled[kept]))
    triplet = batch_hard_triplet(features, torch.cat((LABELS, EXTRA_LABELS[kept])))
    torch.testing.assert_close(parts["triplet"], triplet)


def test_quality_weighs_to_a_power():
    quality = torch.tensor([1.0, 0.5, 0.25])
    parts = extra_losses(Knowledge(quality=quality), extra_quality=2.0)
    expected = identity_loss(output_of(1, 3).logits, EXTRA_LABELS, weights=quality**2)
    torch.testing.assert_close(parts["extra_identity"], expected)
    same = extra_losses(Knowledge(quality=quality))
    torch.testing.assert_close(same["loss"], extra_losses(Knowledge())["loss"])


def test_consistency_counts_beside_the_rest():
    known = Knowledge(originals=output_of(2, 3).heads[0])
    parts = extra_losses(known, extra_consistency=3.0, extra_weight=0.0, extra_in_triplet=False)
    assert set(parts) == {"loss", "identity", "consistency", "triplet"}
    expected = consistency_loss(output_of(1, 3).heads[0], output_of(2, 3).heads[0])
    torch.testing.assert_close(parts["consistency"], expected)
    total = parts["identity"] + 3 * parts["consistency"] + parts["triplet"]
    torch.testing.assert_close(parts["loss"], total)


@pytest.mark.parametrize("in_triplet", [True, False])
def test_every_part_of_the_loss_has_its_own_options(in_triplet):
    real, extra = (
        output._replace(logits=(output.logits[0], -output.logits[0]))  # heads that disagree
        for output in (output_of(0, 4), output_of(1, 3))
    )
    scores = output_of(2, 3).pooled
    parts = ReIDLosses(
        smoothing=0.1,
        fine_weight=0.7,
        triplet_weight=2.0,
        margin=1.5,
        extra_weight=0.25,
        extra_smoothing=0.4,
        extra_teacher=0.3,
        extra_in_triplet=in_triplet,
    ).losses(real, LABELS, extra, EXTRA_LABELS, Knowledge(scores=scores))
    labelled = identity_loss(extra.logits, EXTRA_LABELS, smoothing=0.4, fine_weight=0.7)
    distilled = soft_identity_loss(extra.logits, scores, fine_weight=0.7)
    together = torch.cat((real.pooled, extra.pooled)), torch.cat((LABELS, EXTRA_LABELS))
    expected = {
        "identity": identity_loss(real.logits, LABELS, smoothing=0.1, fine_weight=0.7),
        "extra_identity": 0.7 * labelled + 0.3 * distilled,
        "triplet": batch_hard_triplet(
            *(together if in_triplet else (real.pooled, LABELS)), margin=1.5
        ),
    }
    expected["loss"] = (
        expected["identity"] + 0.25 * expected["extra_identity"] + 2 * expected["triplet"]
    )
    torch.testing.assert_close(parts, expected)
