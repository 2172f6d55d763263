"""Active losses, weights and learning rates of each phase."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.reid.dgnet.phases import (
    DGNetLossWeights,
    LearningRates,
    PhaseRates,
    WeightSchedule,
    active_losses,
)

A, B = 0, 1
BOTH = (0, 1)

# By hand from the published switches. A pair of batches is (a, b); of the generated images x_ba,
# with the appearance of a and the structure of b, has index 0 and x_ab index 1. Columns: positive
# reconstruction, identity, positive identity, identity of generated images, teacher, fine-grained,
# domain.
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
def test_active_losses_are_those_of_the_table(case, expected):
    phase, *domains = case
    assert tuple(active_losses(phase, tuple(domains))) == expected


@pytest.mark.parametrize(
    ("phase", "domains", "message"),
    [
        ("source", (A, B), "source alone"),
        ("adapt", (A, A), "source alone"),
    ],
)
def test_pairs_that_a_phase_does_not_have_are_errors(phase, domains, message):
    with pytest.raises(ValueError, match=message):
        active_losses(phase, domains)


def slow_weight(step, final, full_after):
    """0 until 30,000, then a linear increase to the final weight."""
    weight = 0.0
    for _ in range(30_000, min(step, 30_000 + full_after)):
        weight += final / full_after
    return weight


@pytest.mark.parametrize(
    "step", [0, 29_999, 30_000, 30_001, 31_500, 32_000, 33_999, 34_000, 90_000]
)
def test_weights_increase_as_published(step):
    now = DGNetLossWeights().at(step)
    assert now.cycle == pytest.approx(slow_weight(step, 2.0, 4_000))
    assert now.structure_code == pytest.approx(slow_weight(step, 1.0, 2_000))
    assert now.teacher == pytest.approx(slow_weight(step, 2.0, 4_000))
    assert now.fine_grained == now.fine_identity == pytest.approx(0.2 * now.teacher)
    rest = ("self_reconstruction", "positive_reconstruction", "identity", "adversarial", "extra")
    assert all(getattr(now, name) == getattr(DGNetLossWeights(), name) for name in rest)


def test_the_increase_per_step_is_the_published_one():
    first = DGNetLossWeights().at(30_001)
    assert first.cycle == first.structure_code == first.teacher == pytest.approx(0.0005)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_shares_never_decrease(start, length, step):
    schedule = WeightSchedule(start=start)
    assert 0 <= schedule.share(step, length) <= schedule.share(step + 1, length) <= 1
    assert schedule.share(start + length + 1, length) == 1


def test_the_total_is_weighted_by_name():
    losses = {"cycle": 3.0, "extra_fine_identity": 5.0, "appearance_code": 7.0, "teacher": 11.0}
    total = DGNetLossWeights(extra=0.25).total(
        {name: torch.tensor(v) for name, v in losses.items()}
    )
    assert float(total) == pytest.approx(2 * 3 + 0.25 * 0.4 * 5 + 2 * 11)


def test_rates_are_those_of_the_paper():
    rates = PhaseRates()
    drops = (60_000, 90_000, 105_000)
    assert rates.of("source") == LearningRates(2e-3, 10.0, 1e-4, 1e-4, 1e-5, 5e-4, drops)
    warmup, adapt = rates.of("warmup"), rates.of("adapt")
    assert warmup.encoder * 60 == pytest.approx(adapt.encoder)
    for phase in (warmup, adapt):
        assert phase.generator == phase.discriminator == 1e-6
        assert phase.drops == ()
