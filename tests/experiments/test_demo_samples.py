from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reidaug.experiments.demo_samples import spread


@given(st.integers(0, 200), st.integers(1, 50))
def test_what_is_shown_is_spread_evenly(items: int, count: int) -> None:
    chosen = spread(items, count)
    assert len(chosen) == min(items, count)
    assert all(0 <= k < items for k in chosen)
    gaps = {b - a for a, b in pairwise(chosen)}
    assert len(gaps) <= 2
    assert 0 not in gaps
