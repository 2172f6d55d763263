"""Exact neighbours by both engines, in blocks, and the rule for ties."""

import importlib.util

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


FAISS = pytest.mark.skipif(
    importlib.util.find_spec("faiss") is None, reason="needs the extra [faiss] or [gpu]"
)
ENGINES = pytest.mark.parametrize("engine", ["torch", pytest.param("faiss", marks=FAISS)])


@ENGINES
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 12))
def test_neighbours_are_the_first_of_the_sorted_rows(engine, seed, count, k):
    features = draw(seed, count)
    apart = distances(features)
    found = neighbours(features, k, engine=engine)
    assert found.indices.shape == (count, min(k, count))
    if decided(apart, *range(2, k + 1)):
        assert found.indices.tolist() == [row[:k] for row in nearest_first(apart)]
    chosen = np.take_along_axis(apart, found.indices, axis=1)
    np.testing.assert_allclose(1 - found.cosine, chosen, atol=1e-5)
    if count > 1:
        np.testing.assert_allclose(found.farthest, apart.max(1), atol=1e-5)


@ENGINES
@given(st.integers(0, 10_000), st.integers(1, 9))
def test_equally_near_items_go_by_index_and_every_item_is_its_own_first(engine, seed, k):
    # Six directions for 30 items: every distance is shared, every choice is between equals.
    pick = np.random.default_rng(seed).integers(0, 6, 30)
    features = draw(seed, 6)[torch.from_numpy(pick)]
    apart = np.round(distances(draw(seed, 6))[pick][:, pick], 9)
    found = neighbours(features, k, engine=engine)
    if decided(distances(draw(seed, 6)), 2, 3, 4, 5):
        assert found.indices.tolist() == [row[:k] for row in nearest_first(apart)]
    assert (found.indices[:, 0] == np.arange(30)).all()
    assert (found.cosine[:, 0] == 1).all()


@ENGINES
def test_blocks_give_what_the_whole_gives(engine):
    features = draw(0, 700, 16)
    whole = neighbours(features, 9, engine=engine)
    parts = neighbours(features, 9, memory_mb=1, engine=engine)
    assert (whole.indices == parts.indices).all()
    np.testing.assert_allclose(whole.farthest, parts.farthest, atol=1e-6)


@ENGINES
def test_one_item_and_equal_items_have_a_farthest_to_divide_by(engine):
    for count in (1, 5):
        found = neighbours(draw(0, 1).expand(count, -1), 3, engine=engine)
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


@ENGINES
@pytest.mark.parametrize("k", [1, 40])
def test_no_more_neighbours_than_items(engine, k):
    assert neighbours(draw(0, 0), k, engine=engine).indices.shape == (0, 0)
    assert neighbours(draw(0, 7), k, engine=engine).indices.shape == (7, min(k, 7))


@FAISS
def test_both_engines_find_the_same_neighbours_among_copies():
    # 600 items of 200 directions: copies everywhere, more of some than neighbours are wanted.
    pick = (np.random.default_rng(0).random(600) ** 3 * 200).astype(int)
    features = draw(1, 200, 64)[torch.from_numpy(pick)]
    one, other = (neighbours(features, 12, engine=engine) for engine in ("torch", "faiss"))
    assert (one.indices == other.indices).all()
    np.testing.assert_allclose(one.cosine, other.cosine, atol=1e-6)
    np.testing.assert_allclose(one.farthest, other.farthest, atol=1e-6)


@pytest.mark.gpu
def test_gpus_of_faiss_find_the_neighbours_that_torch_finds():
    faiss = pytest.importorskip("faiss")
    if not faiss.get_num_gpus():
        pytest.skip("this faiss has no GPU: pip install 'reidaug[gpu]'")
    features = draw(2, 3000, 64)
    one, other = (neighbours(features, 30, engine=engine) for engine in ("torch", "auto"))
    assert (one.indices == other.indices).mean() > 0.999
    np.testing.assert_allclose(one.cosine, other.cosine, atol=1e-6)
