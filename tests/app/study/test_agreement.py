"""Agreement between raters, by examples from the literature."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.app.study.agreement import krippendorff_alpha, share_of_agreement

# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: A (binary, two observers, nothing
# missing) and C (nominal, four observers, some missing).
EXAMPLES = [
    (("0100000010", "1110010000"), 0.095),
    (("123321412...", "1233224125.3", ".3332342251.", "12332441251."), 0.743),
]


def of_rows(rows: tuple[str, ...]) -> dict[int, dict[int, str]]:
    return {
        k: {rater: rating for rater, rating in enumerate(unit) if rating != "."}
        for k, unit in enumerate(zip(*rows, strict=True))
    }


@pytest.mark.parametrize(("rows", "alpha"), EXAMPLES)
def test_alpha_of_the_examples_of_its_author(rows: tuple[str, ...], alpha: float) -> None:
    assert krippendorff_alpha(of_rows(rows)) == pytest.approx(alpha, abs=5e-4)


def test_full_and_no_agreement() -> None:
    same = {"a": {1: True, 2: True}, "b": {1: False, 2: False}}
    opposite = {"a": {1: True, 2: False}, "b": {1: False, 2: True}}
    assert (krippendorff_alpha(same), share_of_agreement(same)) == (1.0, 1.0)
    assert krippendorff_alpha(opposite) == pytest.approx(-0.5)
    assert share_of_agreement(opposite) == 0.0


@pytest.mark.parametrize(
    "ratings",
    [{}, {"a": {1: True}}, {"a": {1: True}, "b": {2: False}}, {"a": {1: True, 2: True}}],
)
def test_without_choice_or_company_there_is_no_alpha(
    ratings: dict[str, dict[int, bool]],
) -> None:
    assert krippendorff_alpha(ratings) is None


RATINGS = st.dictionaries(
    st.integers(0, 4), st.dictionaries(st.integers(0, 4), st.booleans(), max_size=5), max_size=5
)


@given(RATINGS)
def test_alpha_equals_its_slow_twin(ratings: dict[int, dict[int, bool]]) -> None:
    """Disagreement of pairs within items over that of pairs of all ratings that count."""
    items = [list(of.values()) for of in ratings.values() if len(of) > 1]
    every = [rating for item in items for rating in item]
    within = sum(
        2 * sum(a != b for a, b in combinations(item, 2)) / (len(item) - 1) for item in items
    )
    between = 2 * sum(a != b for a, b in combinations(every, 2))
    alpha = krippendorff_alpha(ratings)
    if between == 0:
        assert alpha is None
    else:
        assert alpha == pytest.approx(1 - (len(every) - 1) * within / between)
    pairs = [pair for item in items for pair in combinations(item, 2)]
    share = share_of_agreement(ratings)
    expected = sum(a == b for a, b in pairs) / len(pairs) if pairs else None
    assert share == (None if expected is None else pytest.approx(expected))
