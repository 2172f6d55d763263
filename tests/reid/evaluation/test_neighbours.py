"""Exact neighbours in parts, and what happens where items are equally near."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from slow_reranking import decided, distances, nearest_first
from torch.nn.functional import normalize

from reidaug.reid.evaluation.neighbours import neighbours, pair_cosines


def draw(seed, count, size=8):
    chance = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(count, size, generator=chance), dim=1)


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 12))
def test_neighbours_are_the_first_of_the_sorted_rows(seed, count, k):
    features = draw(seed, count)
    apart = distances(features)
    found = neighbours(features, k)
    assert found.indices.shape == (count, min(k, count))
    if decided(apart, *range(2, k + 1)):
        assert found.indices.tolist() == [row[:k] for row in nearest_first(apart)]
    chosen = np.take_along_axis(apart, found.indices, axis=1)
    np.testing.assert_allclose(1 - found.cosine, chosen, atol=1e-5)
    if count > 1:
        np.testing.assert_allclose(found.farthest, apart.max(1), atol=1e-5)


@given(st.integers(0, 10_000), st.integers(1, 9))
def test_equally_near_ones_go_by_index_and_everyone_is_first_of_his_own(seed, k):
    # Six directions for 30 items: every distance is shared, every choice is between equals.
    pick = np.random.default_rng(seed).integers(0, 6, 30)
    features = draw(seed, 6)[torch.from_numpy(pick)]
    apart = np.round(distances(draw(seed, 6))[pick][:, pick], 9)
    found = neighbours(features, k)
    if decided(distances(draw(seed, 6)), 2, 3, 4, 5):
        assert found.indices.tolist() == [row[:k] for row in nearest_first(apart)]
    assert (found.indices[:, 0] == np.arange(30)).all()
    assert (found.cosine[:, 0] == 1).all()


def test_parts_give_what_the_whole_gives():
    features = draw(0, 700, 16)
    whole, parts = neighbours(features, 9), neighbours(features, 9, memory_mb=1)
    assert (whole.indices == parts.indices).all()
    np.testing.assert_allclose(whole.farthest, parts.farthest, atol=1e-6)


def test_one_item_and_items_all_alike_have_a_farthest_to_divide_by():
    for count in (1, 5):
        found = neighbours(draw(0, 1).expand(count, -1), 3)
        assert (found.farthest > 0).all()
        assert found.indices[:, 0].tolist() == list(range(count))


def test_cosines_of_pairs_are_those_of_the_matrix():
    features = draw(0, 60)
    rows, columns = np.random.default_rng(0).integers(0, 60, (2, 3000))
    np.testing.assert_allclose(
        pair_cosines(features, rows, columns),
        (features @ features.T).numpy()[rows, columns],
        atol=1e-6,
    )
    assert pair_cosines(features, rows[:0], columns[:0]).shape == (0,)


@pytest.mark.parametrize("k", [1, 40])
def test_no_more_neighbours_than_items(k):
    assert neighbours(draw(0, 7), k).indices.shape == (7, min(k, 7))
