"""Pseudo-labels: blobs are found again, and the graph gives what whole matrices give."""

import numpy as np
import pytest
import slow_reranking as slow
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN
from sklearn.metrics import normalized_mutual_info_score

from reidaug.errors import ReidaugError
from reidaug.reid.evaluation.cluster import pseudo_labels, silhouette


def blobs(seed, people, images, *, size=64, noise=0.3, outliers=0):
    """Draw people's features in mixed order, and outliers (-1), each along an axis of its own."""
    rng = np.random.default_rng(seed)
    pids = np.concatenate((np.repeat(np.arange(people), images), np.full(outliers, -1)))
    pids = rng.permutation(pids)
    features = noise * rng.standard_normal((len(pids), size + outliers))
    features[:, :size] += np.append(rng.standard_normal((people, size)), np.zeros((1, size)), 0)[
        pids
    ]
    features[pids < 0, size:] += size**0.5 * np.eye(outliers)
    return torch.from_numpy(features.astype(np.float32)), pids


def dense_labels(features, *, eps, min_samples, k1, k2, original=0.3):
    distances = slow.k_reciprocal(features, k1=k1, k2=k2, original=original, power=2)
    assume((abs(distances - eps) > 1e-5).all())
    return DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit_predict(distances)


def test_blobs_are_found_again():
    features, pids = blobs(0, 58, 20)
    found = pseudo_labels(features)
    assert (found.clusters, found.outliers) == (58, 0)
    assert normalized_mutual_info_score(pids, found.labels) == pytest.approx(1)
    assert found.quality > 0.8


def test_people_with_one_image_are_outliers():
    features, pids = blobs(1, 20, 20, outliers=15)
    found = pseudo_labels(features)
    assert found.clusters == 20
    assert np.array_equal(found.labels < 0, pids < 0)
    assert found.outliers == 15


@given(
    seed=st.integers(0, 10_000),
    noise=st.floats(0.3, 2.0),
    eps=st.floats(0.2, 0.65),
    min_samples=st.integers(1, 8),
    k1=st.integers(2, 12),
    k2=st.integers(1, 6),
)
def test_labels_are_those_of_the_whole_matrix(seed, noise, eps, min_samples, k1, k2):
    features, _ = blobs(seed, 6, 9, size=12, noise=noise, outliers=4)
    assume(slow.decided(slow.distances(features), k1 + 1, round(k1 / 2) + 1, k2))
    keywords = {"eps": eps, "min_samples": min_samples, "k1": k1, "k2": k2}
    found = pseudo_labels(features, **keywords)
    assert found.labels.tolist() == dense_labels(features, **keywords).tolist()
    assert found.clusters == len(set(found.labels.tolist()) - {-1})
    assert found.outliers == (found.labels == -1).sum()


def test_fewer_items_than_neighbours():
    features, _ = blobs(0, 1, 12)
    found = pseudo_labels(features)
    assert found.labels.tolist() == [0] * 12
    assert (found.clusters, found.outliers, found.quality) == (1, 0, 0.0)
    assert pseudo_labels(features[:6]).labels.tolist() == [-1] * 6  # below min_samples
    assert pseudo_labels(features[:1], min_samples=1).labels.tolist() == [0]
    assert pseudo_labels(features[:0]).clusters == 0


def test_copies_are_one_cluster():
    features, pids = blobs(0, 4, 40)
    features[pids == 2] = features[pids == 2][0]
    found = pseudo_labels(features)
    assert (found.clusters, found.outliers) == (4, 0)
    assert normalized_mutual_info_score(pids, found.labels) == pytest.approx(1)
    alike = pseudo_labels(features[:1].expand(50, -1))
    assert (alike.clusters, alike.outliers) == (1, 0)


def test_heads_weigh_as_the_paper_says():
    rng = np.random.default_rng(0)
    heads = [torch.from_numpy(rng.standard_normal((30, 8)).astype(np.float32)) for _ in "12"]
    heads = [head / head.norm(dim=1, keepdim=True) for head in heads]
    together = torch.cat((heads[0], 0.5**0.5 * heads[1]), dim=1)  # as `embed` does
    similarity = (heads[0] @ heads[0].T + 0.5 * heads[1] @ heads[1].T) / 1.5
    square = (2 - 2 * similarity).double().clamp(min=0) ** 2
    expected = square / square.max(1, keepdim=True).values
    found = slow.original_distances(slow.distances(together), 2)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_bad_features_and_parameters_are_errors():
    features, _ = blobs(0, 2, 10)
    with pytest.raises(ValueError, match="eps"):
        pseudo_labels(features, eps=0.0)
    with pytest.raises(ValueError, match="min_samples"):
        pseudo_labels(features, min_samples=0)
    with pytest.raises(ValueError, match="within"):
        pseudo_labels(features, eps=0.7)
    features[3, 0] = torch.nan
    with pytest.raises(ReidaugError, match="a training feature is not finite"):
        pseudo_labels(features)


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_silhouette_equals_the_loop(seed, clusters):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.concatenate((np.arange(clusters), rng.integers(-1, clusters, 20))))
    features = rng.standard_normal((len(labels), 6)) + 2 * np.eye(6)[labels]
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)

    def apart(one, many):
        centre = many.sum(0)
        return 1 - one @ centre / np.linalg.norm(centre)

    values = []
    for i, label in enumerate(labels):
        if label < 0:
            continue
        own = [j for j in range(len(labels)) if labels[j] == label and j != i]
        others = [apart(unit[i], unit[labels == c]) for c in range(clusters) if c != label]
        if own and others:
            a, b = apart(unit[i], unit[own]), min(others)
            values.append((b - a) / max(a, b))
        else:
            values.append(0)
    found = silhouette(torch.from_numpy(features.astype(np.float32)), labels)
    assert found == pytest.approx(np.mean(values), abs=1e-5)


def test_silhouette_falls_as_people_grow_alike_and_in_parts_is_the_same():
    values = []
    for noise in (0.2, 0.6, 1.5):
        features, pids = blobs(0, 30, 20, noise=noise)
        values.append(silhouette(features, pids))
        assert silhouette(features, pids, memory_mb=0) == pytest.approx(values[-1], abs=1e-6)
    assert values == sorted(values, reverse=True)
    shuffled = np.random.default_rng(0).permutation(pids)
    assert silhouette(features, shuffled) < 0.05 < values[-1]
