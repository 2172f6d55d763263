"""The evaluator against the vectors of the protocol, a loop, and torchreid's own."""

import importlib
import importlib.util
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reidaug.reid.evaluation.metrics import Identities, hit_ranks, score_queries, summarise


def crowd(pids, camids):
    return Identities(np.array(pids, dtype=np.int64), np.array(camids, dtype=np.int64))


def draw(seed, *, queries=7, gallery=40, people=5, cameras=3, levels=None):
    rng = np.random.default_rng(seed)
    distances = rng.random((queries, gallery))
    if levels:
        distances = np.floor(distances * levels)
    query = crowd(rng.integers(1, people + 1, queries), rng.integers(1, cameras + 1, queries))
    # -1 is junk, 0 a distractor
    crops = crowd(rng.integers(-1, people + 1, gallery), rng.integers(1, cameras + 1, gallery))
    return distances, query, crops


def slow_ranks(row, pid, camid, gallery):
    """Walk down the sorted list, as the protocol is usually described."""
    ranks, place = [], 0
    for g in sorted(range(len(row)), key=lambda g: (row[g], gallery.pids[g] == pid)):
        if gallery.pids[g] == -1 or (gallery.pids[g] == pid and gallery.camids[g] == camid):
            continue
        if gallery.pids[g] == pid:
            ranks.append(place)
        place += 1
    return ranks


@pytest.mark.parametrize(
    ("ranks", "standard", "trapezoid"),
    [
        ([0], 1, 1),
        ([1], 0.5, 0.25),
        ([0, 2], 0.833333, 0.791667),
        ([0, 1, 3, 6], 0.830357, 0.811012),
    ],
)
def test_average_precision_of_the_known_vectors(ranks, standard, trapezoid):
    scores = score_queries([np.array(ranks)])
    assert scores.ap[0] == pytest.approx(standard, abs=1e-6)
    assert scores.ap_trapezoid[0] == pytest.approx(trapezoid, abs=1e-6)
    assert scores.inp[0] == pytest.approx(len(ranks) / (ranks[-1] + 1))
    assert scores.first[0] == ranks[0]


@given(st.sets(st.integers(0, 40), min_size=1))
def test_precisions_are_the_areas_under_both_curves(ranks):
    ranks = np.array(sorted(ranks))
    steps, trapezoids, old_precision, hits = 0.0, 0.0, 1.0, 0
    for place in range(ranks[-1] + 1):
        hits += place in ranks
        precision, gained = hits / (place + 1), (place in ranks) / len(ranks)
        steps += gained * precision
        trapezoids += gained * (old_precision + precision) / 2
        old_precision = precision
    scores = score_queries([ranks])
    assert scores.ap[0] == pytest.approx(steps, abs=1e-12)
    assert scores.ap_trapezoid[0] == pytest.approx(trapezoids, abs=1e-12)


@given(st.integers(0, 10_000), st.sampled_from([None, 3, 10]))
def test_ranks_equal_a_walk_down_the_sorted_list(seed, levels):
    distances, query, gallery = draw(seed, levels=levels)
    found = hit_ranks(distances, query, gallery)
    for row, pid, camid, ranks in zip(distances, *query, found, strict=True):
        assert ranks.tolist() == slow_ranks(row, pid, camid, gallery)


@given(st.integers(0, 10_000), st.sampled_from([None, 1, 3]))
def test_shuffling_the_gallery_changes_no_score_equal_distances_or_not(seed, levels):
    distances, query, gallery = draw(seed, levels=levels)
    order = np.random.default_rng(seed).permutation(len(gallery.pids))
    shuffled = hit_ranks(
        distances[:, order], query, Identities(gallery.pids[order], gallery.camids[order])
    )
    for one, other in zip(hit_ranks(distances, query, gallery), shuffled, strict=True):
        assert one.tolist() == other.tolist()


@given(st.integers(0, 10_000))
def test_cmc_never_falls_and_trapezoid_is_never_above(seed):
    scores = score_queries(hit_ranks(*draw(seed)))
    total = summarise(scores)
    assert (np.diff(total.cmc) >= 0).all()
    assert total.mAP_trapezoid <= total.mAP + 1e-12


def test_junk_goes_distractors_stay_and_the_own_camera_does_not_count():
    distances = np.array([[0.1, 0.2, 0.3, 0.4, 0.5]])
    gallery = crowd([7, -1, 0, 7, 8], [1, 2, 2, 2, 2])
    ranks = hit_ranks(distances, crowd([7], [1]), gallery)
    # own camera and junk gone: distractor, match, somebody else
    assert ranks[0].tolist() == [1]


def test_queries_without_a_match_are_counted_apart():
    gallery = crowd([1, 2, 2], [1, 1, 2])
    query = crowd([1, 2, 3], [1, 1, 1])
    total = summarise(score_queries(hit_ranks(np.zeros((3, 3)), query, gallery)))
    assert (total.queries, total.unmatched) == (1, 2)
    assert total.mAP == pytest.approx(0.5)  # the wrong one first


def test_scores_of_queries_that_nobody_matches_are_not_defined():
    total = summarise(score_queries(hit_ranks(np.zeros((1, 0)), crowd([1], [1]), crowd([], []))))
    assert np.isnan(total.mAP) and np.isnan(total.cmc).all()
    assert (total.queries, total.unmatched) == (0, 1)


def test_at_equal_distances_wrong_crops_come_first():
    for pids in ([2, 1, 2, 1], [1, 1, 2, 2], [2, 2, 1, 1]):
        gallery = crowd(pids, [2, 2, 2, 2])
        assert hit_ranks(np.ones((1, 4)), crowd([1], [1]), gallery)[0].tolist() == [2, 3]


@pytest.fixture(scope="module")
def evaluate_rank():
    """Import the pure-Python evaluator of the real package."""
    if importlib.util.find_spec("torchreid") is None:
        pytest.skip("torchreid is missing")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its compiled evaluator is not in the wheel
        return importlib.import_module("torchreid.reid.metrics").evaluate_rank


def compare(evaluate_rank, distances, seen_by_it, query, gallery):
    """Compare the scores; junk it does not know, so it sees a gallery without."""
    kept = gallery.pids != -1
    pids, camids = gallery.pids[kept], gallery.camids[kept]
    own = (query.pids[:, None] == pids) & (query.camids[:, None] == camids)
    length = int((len(pids) - own.sum(1)).min())  # a longer curve makes it stumble
    total = summarise(score_queries(hit_ranks(distances, query, gallery)), ranks=length)
    assume(length and total.queries)  # without it stops
    cmc, mean_ap = evaluate_rank(
        seen_by_it[:, kept],
        query.pids,
        pids,
        query.camids,
        camids,
        max_rank=length,
        use_cython=False,
    )
    assert total.mAP == pytest.approx(mean_ap, abs=1e-9, rel=0)
    # It divides in single precision; what it divides are numbers of queries.
    found = np.rint(cmc.astype(np.float64) * total.queries) / total.queries
    np.testing.assert_allclose(cmc, found, atol=1e-7, rtol=0)
    np.testing.assert_allclose(total.cmc, found, atol=1e-9, rtol=0)


@given(
    seed=st.integers(0, 10_000),
    gallery=st.integers(2, 120),
    people=st.integers(1, 12),
    cameras=st.integers(1, 4),
)
def test_torchreid_agrees(evaluate_rank, seed, gallery, people, cameras):
    distances, query, crops = draw(seed, gallery=gallery, people=people, cameras=cameras)
    compare(evaluate_rank, distances, distances, query, crops)


@given(st.integers(0, 10_000), st.integers(40, 120))
def test_torchreid_agrees_where_the_order_of_equals_cannot_matter(evaluate_rank, seed, gallery):
    # Its sort is not stable, so only crops of one person by one camera are equally far.
    distances, query, crops = draw(seed, gallery=gallery, levels=3)
    distances += 0.01 * crops.pids + 0.001 * crops.camids
    assert all(len(set(row)) < gallery for row in distances.tolist())
    compare(evaluate_rank, distances, distances, query, crops)


@given(st.integers(0, 10_000), st.integers(2, 120), st.sampled_from([1, 3, 10]))
def test_torchreid_agrees_given_the_order_of_equals(evaluate_rank, seed, gallery, levels):
    distances, query, crops = draw(seed, gallery=gallery, levels=levels)
    right = query.pids[:, None] == crops.pids
    places = np.argsort(np.lexsort((right, distances), axis=1), axis=1).astype(float)
    compare(evaluate_rank, distances, places, query, crops)
