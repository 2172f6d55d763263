"""Table 6 of the paper: the share of answers that prefer each method, by question."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest

from reidaug.app.study.agreement import krippendorff_alpha, share_of_agreement
from reidaug.app.study.answers import QUESTIONS, Answer, Question
from reidaug.bootstrap import Estimate, ratio_of_sums

HEADINGS: Mapping[Question, str] = {"pose": "Q1 pose", "parts": "Q2 invisible parts"}
ANSWER_COLUMNS = (
    "participant", "round", "practice", "question", "sample", "left", "right", "side", "preferred"
)  # fmt: skip


class Preference(NamedTuple):
    """How often the reference was preferred to a rival, by one question."""

    reference: str
    rival: str
    question: Question
    preferred: int  # answers for the reference
    answers: int
    interval: tuple[float, float] | None  # 95 % Wilson interval of the share; None without answers
    # 95 % interval of the share, over participants; None with fewer than two.
    over_participants: tuple[float, float] | None
    alpha: float | None  # see `krippendorff_alpha`
    agreement: float | None  # see `share_of_agreement`

    @property
    def share(self) -> float | None:
        """Share of the answers for the reference; None without answers."""
        return self.preferred / self.answers if self.answers else None


def wilson_interval(successes: int, trials: int) -> tuple[float, float] | None:
    """95 % Wilson score interval of a share; None without trials.

    It takes trials as independent; answers of one participant resemble each other.
    """
    if not trials:
        return None
    found = binomtest(successes, trials).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def preferences(
    answers: Iterable[Answer], reference: str, rivals: Sequence[str], *, seed: int = 0
) -> list[Preference]:
    """Count the answers that are not of practice: rival after rival, `QUESTIONS` in each.

    Args:
        answers: The answers.
        reference: The method that each of the others was shown beside.
        rivals: The others.
        seed: Random seed of the intervals over participants.
    """
    of: dict[tuple[str, Question], list[Answer]] = {}
    for answer in answers:
        if not answer.shown.practice:
            rival = answer.other if answer.preferred == reference else answer.preferred
            of.setdefault((rival, answer.question), []).append(answer)
    return [
        _preference(of.get((rival, question), []), reference, rival, question, seed)
        for rival in rivals
        for question in QUESTIONS
    ]


def _preference(
    answers: Sequence[Answer], reference: str, rival: str, question: Question, seed: int
) -> Preference:
    won = [answer.preferred == reference for answer in answers]
    groups = np.array([answer.participant for answer in answers])
    over: Estimate | None = None
    if len(set(groups.tolist())) > 1:
        over = ratio_of_sums(np.array(won), np.ones(len(won)), groups, seed=seed)
    ratings: dict[int, dict[int, bool]] = {}
    for answer, preferred in zip(answers, won, strict=True):
        ratings.setdefault(answer.shown.sample, {})[answer.participant] = preferred
    return Preference(
        reference=reference,
        rival=rival,
        question=question,
        preferred=sum(won),
        answers=len(won),
        interval=wilson_interval(sum(won), len(won)),
        over_participants=None if over is None else (over.low, over.high),
        alpha=krippendorff_alpha(ratings),
        agreement=share_of_agreement(ratings),
    )


def table6_text(rows: Sequence[Preference]) -> str:
    """Lay preferences out as the paper's Table 6, with 95 % Wilson intervals of the first share."""
    lines: dict[str, list[str]] = {"share preferring each (%)": [HEADINGS[q] for q in QUESTIONS]}
    for row in rows:
        lines.setdefault(f"{row.reference} / {row.rival}", []).append(_cell(row))
    width = max(map(len, lines))
    cells = max(len(cell) for of_line in lines.values() for cell in of_line)
    return "\n".join(
        f"{name:<{width}}  {'  '.join(f'{cell:<{cells}}' for cell in of_line)}".rstrip()
        for name, of_line in lines.items()
    )


def _cell(row: Preference) -> str:
    if row.share is None or row.interval is None:
        return "no answers"
    share, (low, high) = 100 * row.share, (100 * end for end in row.interval)
    return f"{share:.1f} / {100 - share:.1f}  [{low:.1f}, {high:.1f}]  n={row.answers}"


def agreement_text(rows: Sequence[Preference]) -> str:
    """Lay out how far participants agree: Krippendorff's alpha, and the share of equal answers."""
    lines = ["agreement of participants: Krippendorff's alpha (share of equal answers)"]
    for row in rows:
        alpha = "–" if row.alpha is None else f"{row.alpha:.2f}"
        share = "no shared rounds" if row.agreement is None else f"{100 * row.agreement:.0f} %"
        lines.append(f"{row.reference} / {row.rival}, {HEADINGS[row.question]}: {alpha} ({share})")
    return "\n".join(lines)


def table6_csv(rows: Sequence[Preference]) -> str:
    """Write preferences as CSV: a row for each rival and question; shares in [0, 1]."""
    columns = (
        "reference", "rival", "question", "preferred", "answers", "share", "low", "high",
        "low_over_participants", "high_over_participants", "alpha", "agreement",
    )  # fmt: skip
    nothing = (None, None)
    return _csv(
        columns,
        (
            (
                row.reference, row.rival, row.question, row.preferred, row.answers, row.share,
                *(row.interval or nothing), *(row.over_participants or nothing),
                row.alpha, row.agreement,
            )
            for row in rows
        ),
    )  # fmt: skip


def answers_csv(answers: Iterable[Answer], names: Sequence[str]) -> str:
    """Write answers as CSV, one a row; participants and rounds are counted from 1.

    Args:
        answers: The answers.
        names: Names of the samples by number.
    """
    return _csv(
        ANSWER_COLUMNS,
        (
            (
                a.participant, a.round + 1, int(a.shown.practice), a.question,
                names[a.shown.sample], a.shown.left, a.shown.right, a.side, a.preferred,
            )
            for a in answers
        ),
    )  # fmt: skip


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
