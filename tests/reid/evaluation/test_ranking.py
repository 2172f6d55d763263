"""Searching a gallery in parts, and the features it is searched by."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from reidaug.data.images import encode_jpeg
from reidaug.errors import ReidaugError
from reidaug.reid.crops import Crops, normalise
from reidaug.reid.evaluation.metrics import Identities, hit_ranks
from reidaug.reid.evaluation.ranking import (
    nearest,
    nearest_by_distances,
    rank_by_distances,
    rank_matches,
)
from reidaug.reid.features import embed
from reidaug.reid.model_factory import build


def ids(rng, count):
    return Identities(rng.integers(1, 9, count), rng.integers(1, 4, count))


def test_parts_give_what_the_whole_matrix_gives():
    rng, chance = np.random.default_rng(0), torch.Generator().manual_seed(0)
    query, gallery = (
        torch.randn(700, 16, generator=chance),
        torch.randn(900, 16, generator=chance),
    )
    queries, candidates = ids(rng, 700), ids(rng, 900)
    cosine = normalize(query, dim=1).double() @ normalize(gallery, dim=1).double().T
    whole = hit_ranks(-cosine.numpy(), queries, candidates)
    for memory in (1, 64):  # one megabyte holds 291 rows
        parts = rank_matches(query, queries, gallery, candidates, memory_mb=memory)
        # single precision may swap neighbours
        assert all((abs(a - b) <= 1).all() for a, b in zip(whole, parts, strict=True))


def test_the_length_of_a_feature_does_not_matter():
    rng, chance = np.random.default_rng(0), torch.Generator().manual_seed(0)
    query, gallery = torch.randn(5, 8, generator=chance), torch.randn(60, 8, generator=chance)
    queries, candidates = ids(rng, 5), ids(rng, 60)
    plain = rank_matches(query, queries, gallery, candidates)
    scaled = rank_matches(
        query * 7, queries, gallery * torch.rand(60, 1, generator=chance), candidates
    )
    assert all((a == b).all() for a, b in zip(plain, scaled, strict=True))


def split(distances, sizes):
    """Cut rows into blocks."""
    return np.split(distances, np.cumsum(sizes)[np.cumsum(sizes) < len(distances)])


@given(st.integers(0, 10_000), st.sampled_from([0, 3, 20]), st.lists(st.integers(0, 4)))
def test_given_distances_rank_alike_in_any_blocks(seed, levels, sizes):
    rng = np.random.default_rng(seed)
    distances = rng.random((9, 50))
    distances = np.floor(distances * levels) if levels else distances
    queries, candidates = ids(rng, 9), ids(rng, 50)
    found = rank_by_distances(split(distances, sizes), queries, candidates)
    for one, other in zip(found, hit_ranks(distances, queries, candidates), strict=True):
        assert one.tolist() == other.tolist()


@given(
    st.integers(0, 10_000),
    st.sampled_from([0, 3, 20]),
    st.integers(0, 30),
    st.integers(1, 35),
    st.lists(st.integers(0, 4)),
)
def test_the_nearest_are_the_first_of_the_cleaned_list(seed, levels, gallery, k, sizes):
    rng = np.random.default_rng(seed)
    distances = rng.random((9, gallery)).astype(np.float32)
    distances = np.floor(distances * levels) if levels else distances
    before = distances.copy()
    queries = ids(rng, 9)
    # With junk (-1) and distractors (0).
    candidates = Identities(rng.integers(-1, 9, gallery), rng.integers(1, 4, gallery))
    found = nearest_by_distances(split(distances, sizes), queries, candidates, k)
    ranks = rank_by_distances([distances], queries, candidates)
    for i, (pid, camid) in enumerate(zip(*queries, strict=True)):
        left = [
            g
            for g in sorted(
                range(gallery), key=lambda g: (distances[i, g], candidates.pids[g] == pid, g)
            )
            if candidates.pids[g] != -1
            and (candidates.pids[g], candidates.camids[g]) != (pid, camid)
        ][:k]
        none = [-1] * (k - len(left))
        assert found.indices[i].tolist() == left + none
        assert found.right[i].tolist() == [candidates.pids[g] == pid for g in left] + [False] * len(
            none
        )
        assert found.distance[i].tolist() == [distances[i, g] for g in left] + [np.inf] * len(none)
        # and they are in the order that the scores count in
        assert np.flatnonzero(found.right[i]).tolist() == [r for r in ranks[i] if r < k]
    assert np.array_equal(distances, before)


def test_the_nearest_by_features_have_the_cosines_returned():
    rng, chance = np.random.default_rng(0), torch.Generator().manual_seed(0)
    query, gallery = torch.randn(700, 16, generator=chance), torch.randn(900, 16, generator=chance)
    queries, candidates = ids(rng, 700), ids(rng, 900)
    found = nearest(query, queries, gallery, candidates, 10, memory_mb=1)
    cosines = (normalize(query, dim=1) @ normalize(gallery, dim=1).T).numpy()
    np.testing.assert_allclose(
        found.distance, 1 - np.take_along_axis(cosines, found.indices, axis=1), atol=1e-6
    )
    whole = nearest_by_distances([1 - cosines], queries, candidates, 10)
    assert (found.indices == whole.indices).mean() > 0.999  # single precision may swap neighbours
    one, elsewhere = Identities(*np.array([[7], [1]])), Identities(*np.array([[7], [2]]))
    same = nearest(query[:1], one, query[:1] * 3, elsewhere, 2)
    assert same.right.tolist() == [[True, False]]
    assert same.distance[0, 0] == pytest.approx(0, abs=1e-6)


@given(st.integers(0, 10_000), st.sampled_from([1.0, 1e-25, 1e25]))
def test_by_euclidean_distance_lengths_count(seed, scale):
    rng, chance = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    lengths = 0.2 + torch.rand(60, 1, generator=chance)
    query = torch.randn(9, 6, generator=chance)
    gallery = torch.randn(60, 6, generator=chance) * lengths
    queries, candidates = ids(rng, 9), ids(rng, 60)
    apart = (query.double()[:, None] - gallery.double()[None]).norm(dim=2).numpy()
    assume((np.diff(np.sort(apart, axis=1)) > 1e-4).all())
    sets = (query * scale, queries, gallery * scale, candidates)
    found = rank_matches(*sets, metric="euclidean")
    for one, other in zip(found, hit_ranks(apart, queries, candidates), strict=True):
        assert one.tolist() == other.tolist()
    near = nearest(*sets, 60, metric="euclidean")
    whole = nearest_by_distances([apart], queries, candidates, 60)
    assert np.array_equal(near.indices, whole.indices)
    np.testing.assert_allclose(near.distance / np.float32(scale), whole.distance, rtol=1e-5)


def test_known_answers_by_both_metrics():
    query, gallery = torch.tensor([[3.0, 0.0]]), torch.tensor([[30.0, 0.0], [3.0, 4.0], [3.0, 0.0]])
    who, among = Identities(*np.array([[7], [1]])), Identities(*np.array([[7, 8, 7], [2, 2, 2]]))
    near = nearest(query, who, gallery, among, 3, metric="euclidean")
    assert near.indices.tolist() == [[2, 1, 0]]
    assert near.distance.tolist() == [[0.0, 4.0, 27.0]]
    assert rank_matches(query, who, gallery, among, metric="euclidean")[0].tolist() == [0, 2]
    near = nearest(query, who, gallery, among, 3)
    assert near.indices.tolist() == [[0, 2, 1]]
    np.testing.assert_allclose(near.distance, [[0, 0, 0.4]], atol=1e-6)
    assert rank_matches(query, who, gallery, among)[0].tolist() == [0, 1]
    with pytest.raises(ReidaugError, match="gallery feature is not finite"):
        rank_matches(query, who, gallery / 0, among, metric="euclidean")


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(("common", "spread"), [(100.0, 0.1), (1000.0, 0.1), (-3e30, 1e27)])
def test_what_all_features_have_in_common_hides_no_differences(common, spread, metric):
    chance, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    features = common + spread * torch.randn(300, 32, generator=chance)
    people = ids(rng, 300)
    exact = features.double()
    if metric == "cosine":
        exact = normalize(exact, dim=1)
    whole = hit_ranks(torch.cdist(exact, exact).numpy(), people, people)
    found = rank_matches(features, people, features, people, metric=metric)
    # single precision may swap neighbours
    assert all((abs(a - b) <= 2).all() for a, b in zip(whole, found, strict=True))


def test_the_cosine_of_a_feature_that_is_zero_is_nought():
    crops = torch.tensor([[0.0, 0.0], [1.0, 0.1], [1.0, 0.2], [-1.0, 0.1], [3.0, 3.0]])
    people = Identities(np.arange(1, 6), np.ones(5, dtype=np.int64))
    query = Identities(np.array([7, 8]), np.array([2, 2]))
    found = nearest(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), query, crops, people, 5)
    assert found.indices[0].tolist() == [1, 2, 4, 0, 3]
    assert found.distance[0, 3] == pytest.approx(1, abs=1e-6)
    assert found.distance[1].tolist() == [1] * 5


def test_features_that_are_zero_are_all_as_near():
    zeros, who = torch.zeros(3, 2), Identities(np.array([1, 2, 1]), np.array([1, 1, 2]))
    assert rank_matches(zeros, who, zeros, who, metric="euclidean")[0].tolist() == [1]


def test_distances_of_more_or_fewer_queries_are_errors():
    queries = Identities(np.array([1, 2]), np.array([1, 1]))
    for rows in (1, 3):
        with pytest.raises(ValueError, match=f"distances of {rows} queries for 2"):
            rank_by_distances([np.zeros((rows, 2))], queries, queries)
        with pytest.raises(ValueError, match=f"distances of {rows} queries for 2"):
            nearest_by_distances([np.zeros((rows, 2))], queries, queries, 1)
    with pytest.raises(ValueError, match="k must be at least 1"):
        nearest_by_distances([np.zeros((2, 2))], queries, queries, 0)


def test_features_that_are_not_finite_are_errors():
    queries = Identities(np.array([1]), np.array([1]))
    with pytest.raises(ReidaugError, match="gallery feature is not finite"):
        rank_matches(torch.ones(1, 2), queries, torch.tensor([[1.0, torch.nan]]), queries)
    with pytest.raises(ReidaugError, match="query feature is not finite"):
        nearest(torch.tensor([[1.0, torch.inf]]), queries, torch.ones(1, 2), queries, 1)


def small_model_and_crops(folder: Path):
    chance = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3, 3, 32, 16), generator=chance, dtype=torch.uint8)
    paths = [folder / f"{i}.jpg" for i in range(3)]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(encode_jpeg(image))
    crops = Crops(paths, size=(32, 16))
    model = build("resnet18", 4, width=4, blocks=[1, 1, 1, 1], embedding=8, generator=chance)
    return model, crops


def test_embedding_is_the_weighted_cosine_of_the_heads_over_both_views(tmp_path: Path):
    model, crops = small_model_and_crops(tmp_path)
    features = normalize(embed(model, crops, batch=2, fine_weight=0.5), dim=1)
    shown = normalise(crops.batch([0, 1, 2]))
    with torch.no_grad():
        views = [model(shown).heads, model(shown.flip(-1)).heads]
    unit = [
        normalize(normalize(views[0][k], dim=1) + normalize(views[1][k], dim=1), dim=1)
        for k in range(2)
    ]
    expected = (unit[0] @ unit[0].T + 0.5 * unit[1] @ unit[1].T) / 1.5
    torch.testing.assert_close(features @ features.T, expected)


def test_features_for_euclidean_distances_keep_their_lengths(tmp_path: Path):
    model, crops = small_model_and_crops(tmp_path)
    features = embed(model, crops, batch=2, metric="euclidean")
    shown = normalise(crops.batch([0, 1, 2]))
    with torch.no_grad():
        views = [model(shown).heads, model(shown.flip(-1)).heads]
    heads = [(views[0][k] + views[1][k]) / 2 for k in range(2)]
    apart = [(head[:, None] - head[None]).square().sum(2) for head in heads]
    found = (features[:, None] - features[None]).square().sum(2)
    torch.testing.assert_close(found, apart[0] + 0.5 * apart[1])
    alone = embed(model, crops, metric="euclidean", mirror=False)
    torch.testing.assert_close(alone[:, :8], views[0][0])


def test_tf32_is_off_while_features_are_computed_and_back_afterwards(tmp_path: Path):
    seen, before = [], torch.backends.cudnn.allow_tf32
    path = tmp_path / "0.jpg"
    path.write_bytes(encode_jpeg(torch.zeros(3, 32, 16, dtype=torch.uint8)))
    model = build("resnet18", 4, width=4, blocks=[1, 1, 1, 1], embedding=8)
    model.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.allow_tf32))
    embed(model, Crops([path], size=(32, 16)))
    assert seen == [False, False]
    assert torch.backends.cudnn.allow_tf32 == before


def test_without_the_mirror_image_features_are_the_heads_own(tmp_path: Path):
    chance = torch.Generator().manual_seed(0)
    path = tmp_path / "0.jpg"
    image = torch.randint(0, 256, (3, 32, 16), generator=chance, dtype=torch.uint8)
    path.write_bytes(encode_jpeg(image))
    crops = Crops([path], size=(32, 16))
    model = build("resnet18", 4, width=4, blocks=[1, 1, 1, 1], embedding=8, generator=chance)
    features = embed(model, crops, fine_weight=1.0, mirror=False)
    with torch.no_grad():
        heads = model(normalise(crops.batch([0]))).heads
    torch.testing.assert_close(features, torch.cat([normalize(h, dim=1) for h in heads], 1))


@pytest.mark.parametrize("place", [(0, 0), (0, 2), (1, 3)])
def test_a_distance_that_is_no_number_ranks_nothing(place):
    query, gallery = (
        Identities(*np.array([[1, 2], [1, 1]])),
        Identities(*np.array([[1, 2, 3, 1]] * 2)),
    )
    distances = np.ones((2, 4), dtype=np.float32)
    distances[place] = np.nan
    for search in (rank_by_distances, lambda *given: nearest_by_distances(*given, k=2)):
        with pytest.raises(ReidaugError, match="is not a number"):
            search([distances], query, gallery)


@pytest.mark.parametrize("width", [3, 5])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_every_feature_has_a_person(width, metric):
    query, gallery = (
        Identities(*np.array([[1, 2], [1, 1]])),
        Identities(*np.array([[1, 2, 3, 1]] * 2)),
    )
    with pytest.raises(ValueError, match="2 queries and 4 gallery crops"):
        rank_matches(torch.ones(2, 8), query, torch.ones(width, 8), gallery, metric=metric)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_features_of_16_bits_or_of_a_model_in_training_rank_as_their_numbers(metric):
    rng, chance = np.random.default_rng(0), torch.Generator().manual_seed(0)
    query, gallery = (torch.randn(n, 8, generator=chance).half() for n in (5, 60))
    people, crops = ids(rng, 5), ids(rng, 60)
    plain = rank_matches(query.float(), people, gallery.float(), crops, metric=metric)
    for features in (query, query.float().requires_grad_()):
        found = rank_matches(features, people, gallery, crops, metric=metric)
        assert all((a == b).all() for a, b in zip(plain, found, strict=True))
