"""What each participant of a study is shown."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from reidaug.app.study.schedule import Design, Round, plan

RIVALS = ("fomm", "mraa", "tpsmm", "gfla32", "gfla64")
PAPER = Design("unwarpme", RIVALS, samples=80, practice_samples=17, rounds=400)


def rival_of(shown: Round, design: Design) -> str:
    (rival,) = {shown.left, shown.right} - {design.reference}
    return rival


@st.composite
def designs(draw: st.DrawFn) -> Design:
    rivals = RIVALS[: draw(st.integers(1, 5))]
    samples = draw(st.integers(1, 9))
    practice = draw(st.integers(0, 12))
    return Design(
        "unwarpme",
        rivals,
        samples=samples,
        practice_samples=max(1, practice - 3),
        rounds=draw(st.integers(1, samples * len(rivals))),
        practice=practice,
        seed=draw(st.integers(0, 5)),
    )


def test_the_paper_s_study_shows_every_sample_once_beside_every_rival() -> None:
    shown = plan(PAPER, 3)
    practice, counted = shown[:17], shown[17:]
    assert all(one.practice for one in practice)
    assert not any(one.practice for one in counted)
    assert len(counted) == PAPER.most_rounds == 400
    pairs = Counter((rival_of(one, PAPER), one.sample) for one in counted)
    assert set(pairs.values()) == {1}
    sides = Counter((rival_of(one, PAPER), one.left == "unwarpme") for one in counted)
    assert set(sides.values()) == {40}
    assert {one.sample for one in practice} == set(range(80, 97))


@given(designs(), st.integers(0, 100))
def test_pairs_and_sides_are_balanced(design: Design, participant: int) -> None:
    shown = plan(design, participant)
    assert shown == plan(design, participant)
    assert [one.practice for one in shown] == [True] * design.practice + [False] * design.rounds
    for practice in (True, False):
        part = [one for one in shown if one.practice is practice]
        beside = Counter(rival_of(one, design) for one in part)
        counts = [beside[rival] for rival in design.rivals]
        assert max(counts) - min(counts) <= 1
        for rival in design.rivals:
            left = sum(one.left == design.reference for one in part if rival in one)
            assert abs(2 * left - beside[rival]) <= 1
    counted = [(one.sample, rival_of(one, design)) for one in shown if not one.practice]
    assert len(set(counted)) == len(counted)
    assert all(sample < design.samples for sample, _ in counted)
    assert all(one.sample >= design.samples for one in shown if one.practice)


@given(designs())
def test_what_does_not_divide_goes_round(design: Design) -> None:
    turns = 2 * len(design.rivals)
    shown = [one for k in range(turns) for one in plan(design, k)[design.practice :]]
    assert (
        len({Counter(rival_of(one, design) for one in shown)[rival] for rival in design.rivals})
        == 1
    )
    for rival in design.rivals:
        beside = [one for one in shown if rival in one]
        assert 2 * sum(one.left == design.reference for one in beside) == len(beside)


def test_participants_differ_in_order_and_side() -> None:
    first, second = plan(PAPER, 0), plan(PAPER, 1)
    assert first != second
    assert [one.sample for one in first] != [one.sample for one in second]
    assert plan(PAPER._replace(seed=1), 0) != first
