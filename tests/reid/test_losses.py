"""Losses against their formulas as plain loops."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.reid.losses import batch_hard_triplet, identity_loss


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
