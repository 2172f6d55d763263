"""Who is asked for what, and how much it counts."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.reid.dgnet.loss_weights import Ramp, Weights, roles

A, B = 0, 1
BOTH = (0, 1)

# By hand from the published switches. A batch pair is (a, b); of the drawn crops x_ba wears a's
# clothes on b's body and is at place 0, x_ab at place 1. Columns: positive reconstruction,
# identity, positive identity, identity of drawn crops, teacher, fine-grained, pushed features.
TABLE = {
    ("source", A, A): (BOTH, BOTH, BOTH, BOTH, BOTH, BOTH, ()),
    ("warmup", A, A): (BOTH, BOTH, BOTH, BOTH, BOTH, BOTH, ()),
    ("warmup", A, B): ((0,), (0,), (0,), (0,), (0,), (1,), (1,)),
    ("warmup", B, A): ((1,), (1,), (1,), (1,), (1,), (0,), (0,)),
    ("warmup", B, B): ((), (), (), (), (), (), BOTH),
    ("adapt", A, B): ((0,), BOTH, (0,), BOTH, (), (), ()),
    ("adapt", B, A): ((1,), BOTH, (1,), BOTH, (), (), ()),
    ("adapt", B, B): ((), BOTH, (), BOTH, (), (), ()),
}


@pytest.mark.parametrize(("case", "expected"), TABLE.items())
def test_everybody_is_asked_for_what_the_table_says(case, expected):
    phase, *domains = case
    assert tuple(roles(phase, tuple(domains))) == expected


@pytest.mark.parametrize(
    ("phase", "domains", "message"),
    [
        ("source", (A, B), "the source alone"),
        ("adapt", (A, A), "pairs of the source alone are left out"),
    ],
)
def test_pairs_a_phase_has_not_are_told(phase, domains, message):
    with pytest.raises(ValueError, match=message):
        roles(phase, domains)


def slow_weight(step, final, full_after):
    """0 until 30,000, then a slope that reaches the final weight."""
    weight = 0.0
    for _ in range(30_000, min(step, 30_000 + full_after)):
        weight += final / full_after
    return weight


@pytest.mark.parametrize(
    "step", [0, 29_999, 30_000, 30_001, 31_500, 32_000, 33_999, 34_000, 90_000]
)
def test_weights_rise_as_published(step):
    now = Weights().at(step)
    assert now.cycle == pytest.approx(slow_weight(step, 2.0, 4_000))
    assert now.structure_code == pytest.approx(slow_weight(step, 1.0, 2_000))
    assert now.teacher == pytest.approx(slow_weight(step, 2.0, 4_000))
    assert now.fine_grained == now.fine_identity == pytest.approx(0.2 * now.teacher)
    rest = ("self_reconstruction", "positive_reconstruction", "identity", "adversarial", "warps")
    assert all(getattr(now, name) == getattr(Weights(), name) for name in rest)


def test_the_slope_is_the_published_one():
    first = Weights().at(30_001)
    assert first.cycle == first.structure_code == first.teacher == pytest.approx(0.0005)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_shares_never_fall(start, length, step):
    ramp = Ramp(start=start)
    assert 0 <= ramp.share(step, length) <= ramp.share(step + 1, length) <= 1
    assert ramp.share(start + length + 1, length) == 1


def test_the_total_weighs_by_name():
    losses = {"cycle": 3.0, "warp_fine_identity": 5.0, "appearance_code": 7.0, "teacher": 11.0}
    total = Weights(warps=0.25).total({name: torch.tensor(v) for name, v in losses.items()})
    assert float(total) == pytest.approx(2 * 3 + 0.25 * 0.4 * 5 + 2 * 11)
