"""Pairs of batches from two domains."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.reid.dgnet.batches import Mixer, Positives, SourcePairs, deal

LABELS = st.lists(st.integers(0, 5), min_size=6, max_size=60)


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def kinds(epoch):
    return Counter("".join("AB"[one.domain] for one in pair) for pair in epoch)


def test_the_shares_are_those_of_the_paper():
    mixer = Mixer([0] * 800, [0] * 1000, batch=8, generator=chance())
    epoch = list(mixer)
    assert len(epoch) == len(mixer) == 2 * 800 // 8
    assert kinds(epoch) == {"AA": 90, "BB": 90, "AB": 10, "BA": 10}


def test_later_rounds_leave_pairs_of_the_source_out():
    mixer = Mixer([0] * 800, [0] * 1000, batch=8, generator=chance(), source_pairs=False)
    assert kinds(mixer) == {"BB": 90, "AB": 10, "BA": 10}
    assert len(mixer) == 110


@given(LABELS, LABELS, st.integers(2, 6), st.sampled_from([0.0, 0.5, 0.9, 1.0]), st.integers(0, 99))
def test_every_crop_of_the_smaller_domain_is_once_at_each_place(source, target, batch, pure, seed):
    mixer = Mixer(source, target, batch=batch, pure=pure, generator=chance(seed))
    epoch = list(mixer)
    size = min(len(source), len(target))
    for place in (0, 1):
        for domain, labels in enumerate((source, target)):
            crops = [c for pair in epoch if pair[place].domain == domain for c in pair[place].crops]
            assert len(crops) == len(set(crops)) == size // batch * batch
            assert set(crops) <= set(range(len(labels)))
    assert all(len(one.crops) == len(one.positives) == batch for pair in epoch for one in pair)


def test_the_same_subsample_is_at_both_places_and_another_one_in_the_next_epoch():
    mixer = Mixer([0] * 8, [0] * 100, batch=4, generator=chance())

    def target(epoch, place):
        return {c for pair in epoch if pair[place].domain == 1 for c in pair[place].crops}

    first, second = list(mixer), list(mixer)
    assert target(first, 0) == target(first, 1)
    assert target(first, 0) != target(second, 0)


def test_the_order_of_kinds_is_random_but_the_generators():
    def drawn(seed):
        return list(Mixer([0] * 80, [1] * 90, batch=4, generator=chance(seed)))

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    order = [tuple(one.domain for one in pair) for pair in drawn(1)]
    assert order != sorted(order)
    assert order != [tuple(one.domain for one in pair) for pair in drawn(2)]


def test_outliers_are_never_drawn():
    target = [-1, 0, 0, -1, 1, 1, 1, -1]
    mixer = Mixer([0] * 50, target, batch=2, pure=0.5, generator=chance())
    assert mixer.each == 2
    for _ in range(5):
        drawn = [i for pair in mixer for one in pair if one.domain == 1 for i in one.crops]
        assert all(target[i] >= 0 for i in drawn)


@given(LABELS, st.integers(0, 99))
def test_positives_are_others_of_the_label(labels, seed):
    crops = list(range(len(labels)))
    positives = Positives(labels).of(crops, chance(seed))
    for crop, positive in zip(crops, positives, strict=True):
        assert labels[crop] == labels[positive]
        assert (crop == positive) == (labels.count(labels[crop]) == 1)


def test_all_others_are_positives_alike():
    drawn = Counter(Positives([0, 0, 1, 0, 0]).of([1] * 3000, chance()))
    assert set(drawn) == {0, 3, 4}
    assert all(900 < times < 1100 for times in drawn.values())


@given(LABELS, st.integers(2, 6), st.integers(0, 99))
def test_an_epoch_of_the_source_alone(labels, batch, seed):
    pairs = SourcePairs(labels, batch=batch, generator=chance(seed))
    epoch = list(pairs)
    assert len(epoch) == len(pairs) == len(labels) // batch
    assert kinds(epoch) == {"AA": len(epoch)}
    for place in (0, 1):
        crops = [crop for pair in epoch for crop in pair[place].crops]
        assert len(crops) == len(set(crops)) == len(labels) // batch * batch


def test_remainders_are_left_out():
    assert deal([5, 3, 4, 1, 2], 2) == [[5, 3], [4, 1]]


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ([0] * 9, [-1] * 7 + [0], {"batch": 2}, "9 source and 1 target crops are too few"),
        ([0] * 9, [0] * 9, {"batch": 1}, "batches of less than 2"),
        ([0] * 9, [0] * 9, {"batch": 2, "pure": 1.5}, r"in \[0, 1\], got 1.5"),
    ],
)
def test_what_cannot_be_mixed_is_told(source, target, options, message):
    with pytest.raises(ValueError, match=message):
        Mixer(source, target, generator=chance(), **options)


def test_too_few_crops_of_the_source_are_told():
    with pytest.raises(ValueError, match="3 crops are too few for batches of 4"):
        SourcePairs([0, 0, 1], batch=4, generator=chance())
