import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.flow.unwarpme.correlation import (
    correlate,
    expected_source,
    filter_matches,
    mutual_attention,
    unit_features,
    unit_matches,
)
from reidaug.geometry.flow import identity

SEEDS = st.integers(0, 10_000)


def features(seed: int, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 6, 4, 3, generator=torch.Generator().manual_seed(seed))


@given(SEEDS)
def test_unit_features_have_unit_length_over_position_or_channel(seed: int) -> None:
    z = features(seed)
    torch.testing.assert_close(unit_features(z).norm(dim=1), torch.ones(2, 4, 3))
    channels = unit_features(z, over="channel")
    torch.testing.assert_close(channels.flatten(2).norm(dim=2), torch.ones(2, 6))


def test_unit_features_of_zeros_are_finite_and_other_words_are_errors() -> None:
    assert unit_features(torch.zeros(1, 2, 3, 3)).eq(0).all()
    with pytest.raises(ValueError, match=r"position.*channel.*'image'"):
        unit_features(torch.zeros(1, 2, 3, 3), over="image")


@given(SEEDS)
def test_a_permutation_of_the_cells_is_found(seed: int) -> None:
    z = unit_features(features(seed))
    order = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    moved = z.flatten(2)[..., order].unflatten(2, (4, 3))
    matches = filter_matches(correlate(z, moved))
    assert torch.equal(matches.argmax(1).flatten(1), order.expand(2, -1))


@given(SEEDS)
def test_the_fused_matches_equal_the_printed_equations(seed: int) -> None:
    correlation = correlate(unit_features(features(seed)), unit_features(features(seed + 1)))
    rectified = correlation.relu()
    expected = unit_matches(mutual_attention(rectified) * rectified)
    kept = correlation.clone().requires_grad_()
    torch.testing.assert_close(filter_matches(kept), expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(
        filter_matches(correlation.clone()), filter_matches(kept).detach(), atol=1e-6, rtol=1e-5
    )


def test_the_filter_passes_exact_gradients() -> None:
    correlation = correlate(features(3, 1), features(4, 1)).double() / 10
    assert torch.autograd.gradcheck(filter_matches, (correlation.requires_grad_(),), atol=1e-4)


def test_the_filter_is_finite_where_nothing_matches() -> None:
    assert filter_matches(-torch.ones(1, 12, 4, 3)).eq(0).all()
    hopeless = (-torch.ones(1, 12, 4, 3)).requires_grad_()
    filter_matches(hopeless).sum().backward()
    assert hopeless.grad is not None
    assert hopeless.grad.isfinite().all()


@given(SEEDS)
def test_expected_source_is_the_softmax_mean_of_positions(seed: int) -> None:
    matches = torch.rand(1, 12, 4, 3, generator=torch.Generator().manual_seed(seed))
    flow = expected_source(matches, torch.tensor(7.0))
    places = identity(4, 3).flatten(1)
    for v in range(4):
        for u in range(3):
            weights = (7.0 * matches[0, :, v, u]).exp()
            mean = (places * weights).sum(1) / weights.sum()
            torch.testing.assert_close(flow[0, :, v, u], mean)


def test_sharp_matches_are_read_exactly_and_none_as_the_middle() -> None:
    matches = torch.eye(12).reshape(1, 12, 4, 3)
    sharp = expected_source(matches, torch.tensor(200.0))
    torch.testing.assert_close(sharp[0], identity(4, 3))
    lost = expected_source(torch.zeros(1, 12, 4, 3), torch.tensor(20.0))
    torch.testing.assert_close(lost, torch.zeros(1, 2, 4, 3), atol=1e-6, rtol=0)
