"""Answers of a study, in SQLite: one that was acknowledged is on the disk.

A participant is a number and an unguessable token; nothing else of a person is kept, no name,
address or time.
"""

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from reidaug.app.study.schedule import Round, Side
from reidaug.errors import ReidaugError, UsageError

Question = Literal["pose", "parts"]
QUESTIONS: tuple[Question, Question] = ("pose", "parts")
"""The paper's two questions, asked in this order in every round."""
MOST_PARTICIPANTS = 100_000
BUSY_SECONDS = 5.0

_PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON")
_TABLES = """
CREATE TABLE IF NOT EXISTS participants (
    number INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, rounds INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS rounds (
    participant INTEGER NOT NULL REFERENCES participants ON DELETE CASCADE, round INTEGER NOT NULL,
    practice INTEGER NOT NULL, sample INTEGER NOT NULL, "left" TEXT NOT NULL, "right" TEXT NOT NULL,
    PRIMARY KEY (participant, round)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    participant INTEGER NOT NULL REFERENCES participants ON DELETE CASCADE, step INTEGER NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('left', 'right')),
    PRIMARY KEY (participant, step)
) WITHOUT ROWID;
"""


class Participant(NamedTuple):
    """A participant, and how far they are."""

    number: int  # from 1
    token: str  # of the link
    rounds: int  # practice included
    answered: int  # answers; each round has one for each of `QUESTIONS`

    @property
    def steps(self) -> int:
        """Answers that they are asked for."""
        return self.rounds * len(QUESTIONS)

    @property
    def finished(self) -> bool:
        """Whether every question is answered."""
        return self.answered >= self.steps


class Answer(NamedTuple):
    """An answer, and what was shown."""

    participant: int
    round: int  # from 0
    question: Question
    shown: Round
    side: Side

    @property
    def preferred(self) -> str:
        """The preferred method."""
        return self.shown.left if self.side == "left" else self.shown.right

    @property
    def other(self) -> str:
        """The method that was not preferred."""
        return self.shown.right if self.side == "left" else self.shown.left


class OutOfOrderError(Exception):
    """An answer to another question than the one that is asked."""


class Answers:
    """The participants and answers of a study; for any number of threads and processes.

    Args:
        path: The database.
        make: Whether to make it where it is missing.
        of: Number of the study, from 1 to 2^31 - 1; the database is marked with it.

    Raises:
        ReidaugError: It is missing, empty, damaged, no such database, or that of another study.
    """

    def __init__(self, path: Path, *, make: bool = False, of: int = 1) -> None:
        self._path = path
        self._lock = threading.Lock()
        if not make and not path.is_file():
            raise ReidaugError(f"{path}: missing; make the study with reidaug study new")
        with self._named():
            self._rows = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._named():
                self._prepare(make, of)
        except BaseException:
            self._rows.close()
            raise

    def _prepare(self, make: bool, of: int) -> None:
        """Check the database, or make its tables."""
        # An acknowledged answer survives the end of the process (WAL) and of power (FULL).
        for pragma in _PRAGMAS:
            self._rows.execute(f"PRAGMA {pragma}")
        names = {name for (name,) in self._rows.execute("SELECT name FROM sqlite_master")}
        marked, empty = self._value("PRAGMA user_version"), not names
        if marked not in (0, of):
            raise ReidaugError(
                f"{self._path}: holds the answers of another study; put its own back"
            )
        if not (make and empty) and not names.issuperset(("participants", "rounds", "answers")):
            raise ReidaugError(
                f"{self._path}: holds no participants and answers, or lost them; put a copy of it "
                "back, or remove it and run reidaug study new again, which invites anew"
            )
        if (flaw := self._value("PRAGMA quick_check(1)")) != "ok":
            raise sqlite3.DatabaseError(flaw)
        if empty:
            self._rows.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {of}; COMMIT")
        elif not marked:
            self._rows.execute(f"PRAGMA user_version = {of}")

    def _value(self, question: str) -> Any:
        return self._rows.execute(question).fetchone()[0]

    def __enter__(self) -> "Answers":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._rows.close()

    def invite(self, count: int, plan: Callable[[int], list[Round]]) -> list[Participant]:
        """Add participants, each with a token that nobody can guess.

        Args:
            count: Number of participants.
            plan: Plans the rounds of a participant, by number from 0.

        Raises:
            UsageError: There would be more than `MOST_PARTICIPANTS`.
        """
        added = []
        with self._transaction():
            for _ in range(count):
                token = secrets.token_urlsafe()
                number = self._rows.execute(
                    "INSERT INTO participants (token, rounds) VALUES (?, 0)", (token,)
                ).lastrowid
                assert number is not None
                if number > MOST_PARTICIPANTS:
                    raise UsageError(f"a study has at most {MOST_PARTICIPANTS:,} participants")
                rounds = plan(number - 1)
                self._rows.executemany(
                    "INSERT INTO rounds VALUES (?, ?, ?, ?, ?, ?)",
                    [(number, k, *shown) for k, shown in enumerate(rounds)],
                )
                self._rows.execute(
                    "UPDATE participants SET rounds = ? WHERE number = ?", (len(rounds), number)
                )
                added.append(Participant(number, token, len(rounds), 0))
        return added

    def remove(self, number: int) -> bool:
        """Remove a participant with every answer; whether there was one of this number."""
        with self._transaction():
            done = self._rows.execute("DELETE FROM participants WHERE number = ?", (number,))
            return done.rowcount > 0

    def participants(self) -> list[Participant]:
        """List the participants by number."""
        return self._participants("1 = 1", ())

    def find(self, token: str) -> Participant | None:
        """Find the participant with a token."""
        found = self._participants("token = ?", (token,))
        return found[0] if found else None

    def _participants(self, where: str, values: tuple[str, ...]) -> list[Participant]:
        with self._lock, self._named():
            rows = self._rows.execute(
                "SELECT number, token, rounds, (SELECT count(*) FROM answers WHERE participant ="
                f" number) FROM participants WHERE {where} ORDER BY number",
                values,
            ).fetchall()
        return [Participant(*row) for row in rows]

    def round(self, participant: Participant, number: int) -> Round:
        """Read a round of a participant; `IndexError` if there is none of this number."""
        if not 0 <= number < participant.rounds:
            raise IndexError(f"no round {number}")
        with self._lock, self._named():
            found = self._rows.execute(
                'SELECT practice, sample, "left", "right" FROM rounds'
                " WHERE participant = ? AND round = ?",
                (participant.number, number),
            ).fetchone()
        if found is None:  # the participant was removed
            raise IndexError(f"no round {number}")
        return Round(bool(found[0]), *found[1:])

    def answer(self, participant: Participant, step: int, side: Side) -> Participant:
        """Keep an answer; when this returns, it is on the disk.

        The last answer, given again, is the one that is kept already: who sent it did not hear that
        it came in.

        Args:
            participant: Who answers.
            step: Number of the question, from 0: round after round, `QUESTIONS` in each.
            side: The preferred result.

        Returns:
            The participant after it.

        Raises:
            OutOfOrderError: Another question is asked, or none, or the answer was another one.
        """
        with self._transaction():
            known = dict(
                self._rows.execute(
                    "SELECT step, side FROM answers WHERE participant = ? ORDER BY step DESC"
                    " LIMIT 1",
                    (participant.number,),
                ).fetchall()
            )
            asked = max(known, default=-1) + 1
            there = "SELECT 1 FROM participants WHERE number = ?"
            if self._rows.execute(there, (participant.number,)).fetchone() is None:
                raise OutOfOrderError("the participant was removed")
            if step == asked < participant.steps:
                self._rows.execute(
                    "INSERT INTO answers VALUES (?, ?, ?)", (participant.number, step, side)
                )
            elif known.get(step) != side:
                raise OutOfOrderError(f"question {asked} is asked, not {step}")
        return participant._replace(answered=max(asked, step + 1))

    def __iter__(self) -> Iterator[Answer]:
        """Read every answer, by participant and in order, as one state of the study."""
        with self._lock, self._named():
            rows = self._rows.execute(
                'SELECT r.participant, r.round, a.step % 2, r.practice, r.sample, r."left",'
                ' r."right", a.side FROM answers a JOIN rounds r ON r.participant = a.participant'
                " AND r.round = a.step / 2 ORDER BY a.participant, a.step"
            ).fetchall()
        for number, k, question, practice, sample, left, right, side in rows:
            shown = Round(bool(practice), sample, left, right)
            yield Answer(number, k, QUESTIONS[question], shown, side)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._named():
            self._rows.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._rows.execute("COMMIT")
            except BaseException:
                if self._rows.in_transaction:  # a full disk ends it
                    self._rows.execute("ROLLBACK")
                raise

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Name the file in errors of the database."""
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
            raise ReidaugError(f"{self._path}: {error}") from error
        except (sqlite3.Error, UnicodeDecodeError) as error:
            what = error if isinstance(error, sqlite3.Error) else "no UTF-8 text"
            raise ReidaugError(f"{self._path}: damaged ({what}); put a copy of it back") from error
