"""Pairs of batches from two domains."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded

from reidaug.reid.dgnet.sampling import (
    DomainPairSampler,
    PositiveSampler,
    SourcePairSampler,
    split_batches,
)

LABELS = st.lists(st.integers(0, 5), min_size=6, max_size=60)


def kinds(epoch):
    return Counter("".join("AB"[one.domain] for one in pair) for pair in epoch)


def test_the_shares_are_those_of_the_paper():
    sampler = DomainPairSampler([0] * 800, [0] * 1000, batch=8, generator=seeded())
    epoch = list(sampler)
    assert len(epoch) == len(sampler) == 2 * 800 // 8
    assert kinds(epoch) == {"AA": 90, "BB": 90, "AB": 10, "BA": 10}


def test_later_rounds_leave_pairs_of_the_source_out():
    sampler = DomainPairSampler(
        [0] * 800, [0] * 1000, batch=8, generator=seeded(), source_pairs=False
    )
    assert kinds(sampler) == {"BB": 90, "AB": 10, "BA": 10}
    assert len(sampler) == 110


@given(LABELS, LABELS, st.integers(2, 6), st.sampled_from([0.0, 0.5, 0.9, 1.0]), st.integers(0, 99))
def test_every_crop_of_the_smaller_domain_is_once_in_each_batch_of_a_pair(
    source, target, batch, pure, seed
):
    sampler = DomainPairSampler(source, target, batch=batch, pure=pure, generator=seeded(seed))
    epoch = list(sampler)
    size = min(len(source), len(target))
    for index in (0, 1):
        for domain, labels in enumerate((source, target)):
            crops = [c for pair in epoch if pair[index].domain == domain for c in pair[index].crops]
            assert len(crops) == len(set(crops)) == size // batch * batch
            assert set(crops) <= set(range(len(labels)))
    assert all(len(one.crops) == len(one.positives) == batch for pair in epoch for one in pair)


def test_both_batches_share_a_subsample_which_changes_every_epoch():
    sampler = DomainPairSampler([0] * 8, [0] * 100, batch=4, generator=seeded())

    def target(epoch, index):
        return {c for pair in epoch if pair[index].domain == 1 for c in pair[index].crops}

    first, second = list(sampler), list(sampler)
    assert target(first, 0) == target(first, 1)
    assert target(first, 0) != target(second, 0)


def test_the_order_of_pairs_is_random_and_repeats_with_the_seed():
    def drawn(seed):
        return list(DomainPairSampler([0] * 80, [1] * 90, batch=4, generator=seeded(seed)))

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    order = [tuple(one.domain for one in pair) for pair in drawn(1)]
    assert order != sorted(order)
    assert order != [tuple(one.domain for one in pair) for pair in drawn(2)]


def test_outliers_are_never_drawn():
    target = [-1, 0, 0, -1, 1, 1, 1, -1]
    sampler = DomainPairSampler([0] * 50, target, batch=2, pure=0.5, generator=seeded())
    assert sampler.each == 2
    for _ in range(5):
        drawn = [i for pair in sampler for one in pair if one.domain == 1 for i in one.crops]
        assert all(target[i] >= 0 for i in drawn)


@given(LABELS, st.integers(0, 99))
def test_positives_are_others_of_the_label(labels, seed):
    crops = list(range(len(labels)))
    positives = PositiveSampler(labels).draw(crops, seeded(seed))
    for crop, positive in zip(crops, positives, strict=True):
        assert labels[crop] == labels[positive]
        assert (crop == positive) == (labels.count(labels[crop]) == 1)


def test_positives_are_drawn_uniformly():
    drawn = Counter(PositiveSampler([0, 0, 1, 0, 0]).draw([1] * 3000, seeded()))
    assert set(drawn) == {0, 3, 4}
    assert all(900 < times < 1100 for times in drawn.values())


@given(LABELS, st.integers(2, 6), st.integers(0, 99))
def test_an_epoch_of_the_source_alone(labels, batch, seed):
    pairs = SourcePairSampler(labels, batch=batch, generator=seeded(seed))
    epoch = list(pairs)
    assert len(epoch) == len(pairs) == len(labels) // batch
    assert kinds(epoch) == {"AA": len(epoch)}
    for index in (0, 1):
        crops = [crop for pair in epoch for crop in pair[index].crops]
        assert len(crops) == len(set(crops)) == len(labels) // batch * batch


def test_remainders_are_left_out():
    assert split_batches([5, 3, 4, 1, 2], 2) == [[5, 3], [4, 1]]


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ([0] * 9, [-1] * 7 + [0], {"batch": 2}, "9 and 1 crops"),
        ([0] * 9, [0] * 9, {"batch": 1}, "batches of 1: need 2"),
        ([0] * 9, [0] * 9, {"batch": 2, "pure": 1.5}, r"in \[0, 1\], got 1.5"),
    ],
)
def test_too_few_crops_and_wrong_shares_are_errors(source, target, options, message):
    with pytest.raises(ValueError, match=message):
        DomainPairSampler(source, target, generator=seeded(), **options)


def test_too_few_crops_of_the_source_are_an_error():
    with pytest.raises(ValueError, match=r"batches of 4: .* 3 crops"):
        SourcePairSampler([0, 0, 1], batch=4, generator=seeded())
