"""Eqs. 2, 3 and 10: correlation, normalisation and mutual filter, number by number."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from reidaug.flow.unwarpme.correlation import EPSILON, correlate, mutual_attention, unit_matches

H, W, M = 3, 4, 5


def drawn(seed: int, *shape: int) -> Float[Tensor, "..."]:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 1000))
def test_equation_2_as_a_loop(seed: int) -> None:
    source, target = drawn(seed, 2, M, H, W), drawn(seed + 1, 2, M, H, W)
    correlation = correlate(source, target)
    for b in range(2):
        for i in range(H):
            for j in range(W):
                for v in range(H):
                    for u in range(W):
                        dot = sum(
                            float(source[b, p, i, j]) * float(target[b, p, v, u]) for p in range(M)
                        )
                        assert abs(float(correlation[b, i * W + j, v, u]) - dot) < 1e-4


@given(st.integers(0, 1000))
def test_equation_10_as_a_loop(seed: int) -> None:
    correlation = drawn(seed, 1, H * W, H, W).relu()
    attention = mutual_attention(correlation)
    c = correlation[0].double().tolist()
    for s in range(H * W):
        for v in range(H):
            for u in range(W):
                best_source = max(c[a][v][u] for a in range(H * W)) + EPSILON
                best_target = max(c[s][a][b] for a in range(H) for b in range(W)) + EPSILON
                expected = (c[s][v][u] / best_source) * (c[s][v][u] / best_target)
                assert abs(float(attention[0, s, v, u]) - expected) < 1e-5


@given(st.integers(0, 1000))
def test_equation_3_as_a_loop(seed: int) -> None:
    matches = drawn(seed, 1, H * W, H, W)
    unit = unit_matches(matches)
    for v in range(H):
        for u in range(W):
            length = sum(float(matches[0, s, v, u]) ** 2 for s in range(H * W)) ** 0.5
            for s in range(H * W):
                expected = float(matches[0, s, v, u]) / (length + EPSILON)
                assert abs(float(unit[0, s, v, u]) - expected) < 1e-5
            assert abs(float(unit[0, :, v, u].norm()) - 1) < 1e-4


def test_equation_10_is_one_at_mutual_best_matches_and_never_above() -> None:
    correlation = drawn(3, 1, H * W, H, W).relu()
    attention = mutual_attention(correlation)
    assert attention.min() >= 0
    assert attention.max() <= 1
    best = correlation[0].flatten().argmax()
    assert abs(float(attention[0].flatten()[best]) - 1) < 1e-4


def test_equations_3_and_10_stay_finite_where_nothing_matches() -> None:
    nothing = torch.zeros(1, H * W, H, W)
    assert unit_matches(mutual_attention(nothing) * nothing).eq(0).all()
