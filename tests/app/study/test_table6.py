"""Table 6 of a study."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.app.study.answers import QUESTIONS, Answer
from reidaug.app.study.schedule import SIDES, Round
from reidaug.app.study.table6 import (
    agreement_text,
    answers_csv,
    preferences,
    table6_csv,
    table6_text,
    wilson_interval,
)


def answer(
    participant: int = 1,
    question: str = "pose",
    side: str = "left",
    *,
    rival: str = "fomm",
    sample: int = 0,
    practice: bool = False,
) -> Answer:
    shown = Round(practice, sample, "ours", rival)
    return Answer(participant, 0, question, shown, side)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("successes", "trials", "interval"),
    [
        # Newcombe (1998), Two-sided confidence intervals for the single proportion, Table I,
        # method 3 (score, no continuity correction).
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        # The paper's UnWarpME / FOMM, if its 480 answers were independent.
        (397, 480, (0.7907, 0.8583)),
    ],
)
def test_intervals_are_those_of_the_literature(
    successes: int, trials: int, interval: tuple[float, float]
) -> None:
    assert wilson_interval(successes, trials) == pytest.approx(interval, abs=6e-5)


def test_nothing_has_no_interval() -> None:
    assert wilson_interval(0, 0) is None


def test_shares_are_counted_by_rival_and_question_without_practice() -> None:
    answers = [
        answer(1, "pose", "left"),
        answer(2, "pose", "right"),
        answer(1, "pose", "left", sample=1),
        answer(2, "pose", "left", sample=1),
        answer(1, "parts", "right"),
        answer(1, "pose", "right", practice=True),
        answer(1, "parts", "left", rival="mraa"),
    ]
    rows = preferences(answers, "ours", ["fomm", "mraa"])
    found = {(row.rival, row.question): (row.preferred, row.answers) for row in rows}
    assert found == {
        ("fomm", "pose"): (3, 4),
        ("fomm", "parts"): (0, 1),
        ("mraa", "pose"): (0, 0),
        ("mraa", "parts"): (1, 1),
    }
    assert rows[0].share == 0.75
    assert rows[0].agreement == 0.5
    assert rows[0].over_participants == (0.5, 1.0)
    assert rows[1].over_participants is None


def test_the_layout_is_the_paper_s() -> None:
    answers = [answer(k, q, "left" if k < 3 else "right") for k in range(4) for q in QUESTIONS]
    text = table6_text(preferences(answers, "ours", ["fomm", "mraa"]))
    head, fomm, mraa = text.splitlines()
    assert head.split("  ")[0] == "share preferring each (%)"
    assert "Q1 pose" in head
    assert "Q2 invisible parts" in head
    assert fomm.startswith("ours / fomm")
    assert fomm.count("75.0 / 25.0  [30.1, 95.4]  n=4") == 2
    assert mraa.count("no answers") == 2


@given(
    st.lists(
        st.builds(
            answer,
            st.integers(1, 3),
            st.sampled_from(QUESTIONS),
            st.sampled_from(SIDES),
            rival=st.sampled_from(["fomm", "mraa"]),
            sample=st.integers(0, 2),
            practice=st.booleans(),
        ),
        max_size=12,
    )
)
def test_tables_hold_every_answer_that_counts(answers: list[Answer]) -> None:
    rows = preferences(answers, "ours", ["fomm", "mraa"])
    assert sum(row.answers for row in rows) == sum(not a.shown.practice for a in answers)
    read = list(csv.DictReader(io.StringIO(table6_csv(rows))))
    assert [int(row["preferred"]) for row in read] == [row.preferred for row in rows]
    for row in rows:
        if row.interval is not None and row.share is not None:
            assert row.interval[0] <= row.share <= row.interval[1]
    assert agreement_text(rows).count("\n") == len(rows)
    table6_text(rows)


def test_answers_as_csv() -> None:
    text = answers_csv([answer(7, "parts", "right", rival="mraa")], ['a, "b"'])
    assert list(csv.DictReader(io.StringIO(text))) == [
        {
            "participant": "7",
            "round": "1",
            "practice": "0",
            "question": "parts",
            "sample": 'a, "b"',
            "left": "ours",
            "right": "mraa",
            "side": "right",
            "preferred": "mraa",
        }
    ]
