"""Re-ranking written as its papers tell it: whole matrices, sets and loops."""

import numpy as np


def distances(features):
    """1 - cosine in double precision; copies are 0 apart."""
    rows = np.asarray(features, dtype=np.float64)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    apart = 1 - rows @ rows.T
    return np.where(apart > 2e-6, apart, 0)


def raw_distances(features):
    """Half the squared Euclidean distance in double precision, the longest feature of length 1."""
    rows = np.asarray(features, dtype=np.float64)
    rows = rows / np.linalg.norm(rows, axis=1).max()
    return ((rows[:, None] - rows[None]) ** 2).sum(2) / 2


def nearest_first(apart):
    count = len(apart)
    return [sorted(range(count), key=lambda j: (j != i, apart[i, j], j)) for i in range(count)]


def decided(apart, *bounds):
    """Whether rounding cannot move anybody over one of the bounds in the order."""
    ranked = np.sort(apart, axis=1)
    bounds = [bound for bound in bounds if 0 < bound < len(apart)]
    return all((ranked[:, b] - ranked[:, b - 1] > 1e-5).all() for b in bounds)


def reciprocal(order, i, k):
    return {j for j in order[i][: k + 1] if i in order[j][: k + 1]}


def expanded(order, i, k1):
    half = int(np.around(k1 / 2))
    found = set(own := reciprocal(order, i, k1))
    for j in own:
        others = reciprocal(order, j, half)
        if len(others & own) > 2 / 3 * len(others):
            found |= others
    return found


def original_distances(apart, power):
    squared = apart**power
    return squared / np.maximum(squared.max(axis=1, keepdims=True), 1e-300)


def k_reciprocal(features, *, k1, k2, original, power, apart_by=distances):
    """Zhong et al., CVPR 2017, within one set: distances (N, N)."""
    apart = apart_by(features)
    order, count = nearest_first(apart), len(apart)
    before = original_distances(apart, power)
    codes = np.zeros((count, count))
    for i in range(count):
        for j in expanded(order, i, k1):
            codes[i, j] = np.exp(-before[i, j])
        codes[i] /= codes[i].sum()
    codes = np.array([codes[order[i][:k2]].mean(0) for i in range(count)])
    after = np.empty((count, count))
    for i in range(count):
        for j in range(count):
            jaccard = (
                1 - np.minimum(codes[i], codes[j]).sum() / np.maximum(codes[i], codes[j]).sum()
            )
            after[i, j] = (1 - original) * jaccard + original * before[i, j]
    return np.maximum(after, 0)


def gnn(features, *, k1, k2, rounds, sharpness, original, power, apart_by=distances):
    """Messages over the graph of neighbours, within one set: distances (N, N)."""
    apart = apart_by(features)
    order, count = nearest_first(apart), len(apart)
    state = np.zeros((count, count))
    for i in range(count):
        for j in order[i][:k1]:
            state[i, j] += 0.5
            state[j, i] += 0.5
    for _ in range(rounds):
        heard = np.zeros_like(state)
        for i in range(count):
            for j in order[i][:k2]:
                heard[i] += max(1 - apart[i, j], 0) ** sharpness * state[j]
        state = heard / np.linalg.norm(heard, axis=1, keepdims=True)
    return (1 - original) * (1 - state @ state.T) + original * original_distances(apart, power)
