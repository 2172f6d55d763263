"""Re-ranking against loops over sets, torchreid's own, and what it is for."""

import importlib
import importlib.util
import tracemalloc
import warnings
from functools import partial

import numpy as np
import pytest
import slow_reranking as slow
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse

from reidaug.errors import ReidaugError
from reidaug.reid.evaluation import rerank
from reidaug.reid.evaluation.metrics import Identities, score_queries, summarise
from reidaug.reid.evaluation.ranking import rank_by_distances, rank_matches
from reidaug.reid.evaluation.rerank import POWERS, gnn_rerank, jaccard_graph, k_reciprocal

SETS = {
    "seed": st.integers(0, 10_000),
    "queries": st.integers(1, 10),
    "gallery": st.integers(1, 40),
}
HALF = {k: round(k / 2) for k in range(1, 30)}


def draw(seed, count, *, people=6, size=8, noise=0.6):
    """Draw features around one centre per person, and their identities."""
    chance = torch.Generator().manual_seed(seed)
    pids = torch.randint(0, people, (count,), generator=chance)
    centres = torch.randn(people, size, generator=chance)
    return centres[pids] + noise * torch.randn(count, size, generator=chance), pids.numpy()


def whole(blocks):
    return np.concatenate(list(blocks))


@pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="needs the extra [faiss]")
@pytest.mark.parametrize("form", [k_reciprocal, gnn_rerank])
def test_distances_are_the_same_whatever_finds_the_neighbours(form, monkeypatch):
    features, _ = draw(0, 700, people=60, size=64)
    features = torch.cat((features, features[:40]))  # copies too
    expected = whole(form(features[:100], features[100:]))
    monkeypatch.setattr(rerank, "neighbours", partial(rerank.neighbours, engine="faiss"))
    found = whole(form(features[:100], features[100:]))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@given(
    **SETS,
    k1=st.integers(1, 12),
    k2=st.integers(1, 15),
    original=st.floats(0, 1),
    metric=st.sampled_from(["cosine", "euclidean"]),
)
def test_k_reciprocal_equals_the_loops(seed, queries, gallery, k1, k2, original, metric):
    features, _ = draw(seed, queries + gallery)
    assume(slow.decided(slow.distances(features), k1 + 1, HALF[k1] + 1, k2))
    expected = slow.k_reciprocal(features, k1=k1, k2=k2, original=original, power=POWERS[metric])
    keywords = {"k1": k1, "k2": k2, "original": original, "metric": metric}
    found = whole(k_reciprocal(features[:queries], features[queries:], **keywords))
    np.testing.assert_allclose(found, expected[:queries, queries:], atol=1e-5)
    found = whole(k_reciprocal(features, **keywords))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@given(
    **SETS,
    k1=st.integers(1, 12),
    k2=st.integers(1, 6),
    rounds=st.integers(1, 3),
    sharpness=st.sampled_from([1.0, 2.0, 3.5]),
)
def test_messages_equal_the_loops(seed, queries, gallery, k1, k2, rounds, sharpness):
    features, _ = draw(seed, queries + gallery)
    assume(slow.decided(slow.distances(features), k1, k2))
    keywords = {"k1": k1, "k2": k2, "rounds": rounds, "sharpness": sharpness, "original": 0.2}
    expected = slow.gnn(features, **keywords, power=2)
    found = whole(gnn_rerank(features[:queries], features[queries:], **keywords))
    np.testing.assert_allclose(found, expected[:queries, queries:], atol=1e-5)
    found = whole(gnn_rerank(features, **keywords))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@given(**SETS, k1=st.integers(1, 12), k2=st.integers(1, 6), scale=st.sampled_from([1, 1e-9, 1e12]))
def test_raw_distances_equal_the_loops(seed, queries, gallery, k1, k2, scale):
    features, _ = draw(seed, queries + gallery)
    apart = slow.raw_distances(features)
    assume(slow.decided(apart, k1 + 1, HALF[k1] + 1, k2, k1))
    chosen = {"k1": k1, "k2": k2, "original": 0.3}
    shown = (features[:queries] * scale, features[queries:] * scale)
    for form, twin, keywords in (
        (k_reciprocal, slow.k_reciprocal, chosen),
        (gnn_rerank, slow.gnn, {**chosen, "rounds": 2, "sharpness": 2.0}),
    ):
        expected = twin(features, **keywords, power=1, apart_by=slow.raw_distances)
        found = whole(form(*shown, **keywords, metric="raw_euclidean"))
        np.testing.assert_allclose(found, expected[:queries, queries:], atol=2e-5)
        found = whole(form(features * scale, **keywords, metric="raw_euclidean"))
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_features_of_unit_length_are_re_ranked_alike_by_both_euclidean_metrics():
    features, _ = draw(3, 120)
    unit = torch.nn.functional.normalize(features, dim=1)
    one, other = (whole(k_reciprocal(unit, metric=m)) for m in ("euclidean", "raw_euclidean"))
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert np.abs(whole(k_reciprocal(features, metric="raw_euclidean")) - one).max() > 0.1


@pytest.mark.skipif(importlib.util.find_spec("torchreid") is None, reason="torchreid is missing")
@pytest.mark.parametrize("metric", ["cosine", "euclidean", "raw_euclidean"])
@pytest.mark.parametrize(("seed", "noise"), [(0, 0.5), (1, 1.0), (2, 3.0)])
@pytest.mark.parametrize(("k1", "k2", "original"), [(20, 6, 0.3), (7, 1, 0.0), (30, 12, 0.6)])
def test_torchreid_agrees(metric, seed, noise, k1, k2, original):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its compiled evaluator is not in the wheel
        reference = importlib.import_module("torchreid.reid.utils.rerank").re_ranking
    features, _ = draw(seed, 320, people=20, size=32, noise=noise)
    apart = slow.distances(features)
    given_to_it = apart if metric == "cosine" else np.sqrt(2 * apart)
    if metric == "raw_euclidean":
        given_to_it = np.sqrt(slow.raw_distances(features))
    expected = reference(
        given_to_it[:60, 60:], given_to_it[:60, :60], given_to_it[60:, 60:], k1, k2, original
    )
    keywords = {"k1": k1, "k2": k2, "original": original, "metric": metric}
    found = whole(k_reciprocal(features[:60], features[60:], **keywords))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("form", [k_reciprocal, gnn_rerank])
def test_parts_give_what_the_whole_gives(form):
    features, _ = draw(0, 1300, people=60, size=16)
    parts = list(form(features[:400], features[400:], memory_mb=1))
    assert len(parts) > 2
    one = whole(form(features[:400], features[400:], memory_mb=64))
    np.testing.assert_allclose(np.concatenate(parts), one, atol=1e-5)
    assert one.shape == (400, 900)
    assert one.min() >= 0
    assert one.max() <= 1 + 1e-6


@pytest.mark.parametrize("form", [k_reciprocal, gnn_rerank])
def test_the_order_of_the_gallery_does_not_matter(form):
    features, _ = draw(0, 200)
    order = torch.randperm(170, generator=torch.Generator().manual_seed(0))
    one = whole(form(features[:30], features[30:]))
    other = whole(form(features[:30], features[30:][order]))
    np.testing.assert_allclose(one[:, order], other, atol=1e-5)


def test_products_are_the_same_with_any_number_of_threads():
    rng = np.random.default_rng(0)
    left, right = (
        sparse.csr_array(rng.random((70, 70)) * (rng.random((70, 70)) < 0.1)) for _ in "12"
    )
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3, 90):
            torch.set_num_threads(threads)
            for rows in (0, 1, 70):
                found = rerank._product(left[:rows], right)
                assert np.array_equal(found.toarray(), (left[:rows] @ right).toarray())
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("form", [k_reciprocal, gnn_rerank])
def test_no_matrix_of_all_pairs_is_filled(form):
    features, _ = draw(0, 4000, people=160, size=32)
    tracemalloc.start()
    for block in form(features[:50], features[50:], memory_mb=2):
        assert len(block) < 50
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4000 * 4000 * 4 / 3


@pytest.mark.parametrize("form", [k_reciprocal, gnn_rerank])
def test_re_ranking_finds_more(form):
    rng = np.random.default_rng(0)
    features, pids = draw(0, 600, people=25, size=32, noise=1.6)
    query, gallery = (
        Identities(pids[part] + 1, rng.integers(1, 4, len(pids[part])))
        for part in (slice(0, 100), slice(100, None))
    )
    plain = rank_matches(features[:100], query, features[100:], gallery)
    after = rank_by_distances(form(features[:100], features[100:]), query, gallery)
    scores = [summarise(score_queries(ranks)).mAP for ranks in (plain, after)]
    assert 0.3 < scores[0] < 0.9
    assert scores[1] > scores[0] + 0.05


@pytest.mark.parametrize("form", [k_reciprocal, gnn_rerank])
@pytest.mark.parametrize(("queries", "gallery"), [(1, 0), (0, 3), (1, 1), (2, 3)])
def test_sets_smaller_than_a_neighbourhood(form, queries, gallery):
    features, _ = draw(0, queries + gallery)
    blocks = list(form(features[:queries], features[queries:]))
    assert sum(len(block) for block in blocks) == queries
    assert all(block.shape[1] == gallery and np.isfinite(block).all() for block in blocks)


@pytest.mark.parametrize("form", [k_reciprocal, gnn_rerank])
def test_more_copies_than_neighbours_stay_near_each_other(form):
    features, _ = draw(0, 150)
    features[60:120] = features[60] * torch.linspace(1, 2, 60)[:, None]
    after = whole(form(features))
    assert np.isfinite(after).all()
    # Early copies are everybody's neighbours, late ones their own: still nobody else is as near.
    others = np.concatenate([after[60:120, :60], after[60:120, 120:]], axis=1)
    assert after[60:120, 60:120].max() < others.min()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@given(seed=st.integers(0, 10_000), count=st.integers(1, 50), k1=st.integers(1, 12))
def test_the_graph_holds_the_near_pairs_and_no_others(seed, count, k1, metric):
    features, _ = draw(seed, count)
    assume(slow.decided(slow.distances(features), k1 + 1, HALF[k1] + 1, 4))
    power = POWERS[metric]
    expected = slow.k_reciprocal(features, k1=k1, k2=4, original=0.3, power=power)
    assume((abs(expected - 0.45) > 1e-5).all())
    graph = jaccard_graph(features, within=0.45, k1=k1, k2=4, metric=metric)
    rows, columns = np.nonzero(expected <= 0.45)
    assert graph.indices.tolist() == columns.tolist()
    assert np.diff(graph.indptr).tolist() == np.bincount(rows, minlength=count).tolist()
    np.testing.assert_allclose(graph.data, expected[rows, columns], atol=1e-5)


def test_features_that_are_not_finite_are_an_error():
    good, bad = torch.ones(3, 2), torch.tensor([[1.0, torch.inf]])
    for form in (k_reciprocal, gnn_rerank):
        with pytest.raises(ReidaugError, match="a query feature is not finite"):
            form(bad, good)
        with pytest.raises(ReidaugError, match="a gallery feature is not finite"):
            form(good, bad)
    with pytest.raises(ReidaugError, match="a training feature is not finite"):
        jaccard_graph(bad, within=0.4)


def test_parameters_out_of_range_are_errors():
    features, _ = draw(0, 5)
    for form in (k_reciprocal, gnn_rerank):
        for wrong in ({"k1": 0}, {"k2": 0}, {"original": 1.5}, {"original": -0.1}):
            with pytest.raises(ValueError, match=next(iter(wrong))):
                form(features, features, **wrong)
    with pytest.raises(ValueError, match="rounds"):
        gnn_rerank(features, rounds=0)
    for within in (-0.1, 0.7):
        with pytest.raises(ValueError, match="within"):
            jaccard_graph(features, within=within)
