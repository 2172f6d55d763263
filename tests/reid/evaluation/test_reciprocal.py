"""Sets of neighbours both ways against sets, and the Jaccard distance against its formula."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from slow_reranking import expanded

from reidaug.reid.evaluation.reciprocal import adjacency, jaccard_rows, reciprocal_sets


def members(matrix):
    return [set(row.tolist()) for row in np.split(matrix.indices, matrix.indptr[1:-1])]


def orders(rng, count, near):
    """Draw orders in which those of near numbers tend to come first, everyone first of his own."""
    place = np.arange(count)
    noise = rng.random((count, count)) * near
    return np.argsort(np.abs(place[:, None] - place) + noise - 99 * np.eye(count), axis=1)


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 12), st.floats(0, 30))
def test_sets_are_those_of_the_definition(seed, count, k1, near):
    order = orders(np.random.default_rng(seed), count, near)
    found = members(reciprocal_sets(order[:, : k1 + 1], k1=k1))
    assert found == [expanded(order.tolist(), i, k1) for i in range(count)]


def test_the_expansion_adds_somebody():
    order = orders(np.random.default_rng(0), 40, 6.0)
    plain = adjacency(order[:, :11])
    plain = members(plain.multiply(plain.T).tocsr())
    found = members(reciprocal_sets(order[:, :11], k1=10))
    assert all(one <= other for one, other in zip(plain, found, strict=True))
    assert any(one < other for one, other in zip(plain, found, strict=True))


def test_exactly_two_thirds_is_not_enough():
    # k1 = 4: 0 has {0, 1, 2, 3, 4}; half of it, 2: 1 has {1, 2, 5}, two of three in 0's.
    order = np.array(
        [
            [0, 1, 2, 3, 4, 5],
            [1, 2, 5, 0, 3, 4],
            [2, 1, 0, 3, 4, 5],
            [3, 4, 0, 1, 2, 5],
            [4, 3, 0, 1, 2, 5],
            [5, 1, 2, 3, 4, 0],
        ]
    )
    assert members(reciprocal_sets(order[:, :5], k1=4))[0] == {0, 1, 2, 3, 4}


@given(st.integers(0, 10_000), st.floats(0.05, 1))
def test_jaccard_is_one_less_minima_over_maxima(seed, density):
    rng = np.random.default_rng(seed)
    codes = rng.random((9, 14)) * (rng.random((9, 14)) < density)
    codes[:, 0] += 0.01  # none is empty
    codes /= codes.sum(1, keepdims=True)
    found = list(jaccard_rows(sparse.csr_array(codes[:3]), sparse.csr_array(codes)))
    for i, row in enumerate(found):
        least, most = np.minimum(codes[i], codes).sum(1), np.maximum(codes[i], codes).sum(1)
        np.testing.assert_allclose(row, 1 - least / most, atol=1e-12)


def test_codes_that_share_nothing_are_exactly_one_apart():
    codes = sparse.csr_array(np.eye(4))
    assert np.array_equal(np.array(list(jaccard_rows(codes, codes))), 1 - np.eye(4))
