"""The answers of a study in their database."""

import resource
import signal
import sqlite3
import threading
from pathlib import Path

import pytest
from small_study import write_study

from reidaug.app.study import answers as module
from reidaug.app.study.answers import QUESTIONS, Answers, OutOfOrderError
from reidaug.app.study.folder import ANSWERS, Study
from reidaug.app.study.schedule import SIDES
from reidaug.errors import ReidaugError, UsageError


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return write_study(tmp_path / "study")


def test_answers_are_kept_with_what_was_shown(study: Study) -> None:
    with study.answers() as kept:
        first, second = kept.participants()
        for step in range(first.steps):
            first = kept.answer(first, step, SIDES[step % 3 == 0])
        kept.answer(second, 0, "right")
        assert first.finished
        assert [p.answered for p in kept.participants()] == [first.steps, 1]
        assert kept.find(first.token) == first
        assert kept.find("nobody") is None
    with study.answers() as kept:  # opened again
        read = list(kept)
    assert len(read) == first.steps + 1
    assert [a.participant for a in read] == [1] * first.steps + [2]
    planned = study.plan(0)
    for step, answer in enumerate(read[: first.steps]):
        assert (answer.round, answer.question) == (step // 2, QUESTIONS[step % 2])
        assert answer.shown == planned[answer.round]
        assert answer.side == SIDES[step % 3 == 0]
        assert {answer.preferred, answer.other} == {answer.shown.left, answer.shown.right}


def test_an_answer_given_twice_is_one_and_others_change_nothing(study: Study) -> None:
    with study.answers() as kept:
        one, _ = kept.participants()
        kept.answer(one, 0, "left")
        again = kept.answer(one, 1, "right")
        assert kept.answer(one, 1, "right") == again
        for step, side in ((0, "left"), (0, "right"), (1, "left"), (3, "left"), (10**9, "left")):
            with pytest.raises(OutOfOrderError):
                kept.answer(one, step, side)  # type: ignore[arg-type]
        assert [(a.round, a.question, a.side) for a in kept] == [
            (0, "pose", "left"),
            (0, "parts", "right"),
        ]
        for step in range(2, one.steps):
            one = kept.answer(one, step, "left")
        assert kept.answer(one, one.steps - 1, "left").finished
        with pytest.raises(OutOfOrderError):
            kept.answer(one, one.steps, "left")


def test_acknowledged_answers_are_on_the_disk(study: Study) -> None:
    with study.answers() as kept:
        modes = [kept._rows.execute(f"PRAGMA {name}").fetchone()[0]
                 for name in ("journal_mode", "synchronous", "foreign_keys")]  # fmt: skip
        assert modes == ["wal", 2, 1]
        # Another process sees an answer as soon as it is acknowledged.
        kept.answer(kept.participants()[0], 0, "left")
        other = sqlite3.connect(study.path / ANSWERS)
        assert other.execute("SELECT count(*) FROM answers").fetchone() == (1,)
        other.close()


def test_participants_are_added_and_removed_while_others_answer(study: Study) -> None:
    with study.answers() as kept, study.answers() as elsewhere:
        first, second = kept.participants()
        kept.answer(second, 0, "left")
        (third,) = elsewhere.invite(1, study.plan)
        assert third.number == 3
        assert [kept.round(third, k) for k in range(third.rounds)] == study.plan(2)
        assert elsewhere.remove(2)
        assert not elsewhere.remove(2)
        assert [p.number for p in kept.participants()] == [1, 3]
        assert list(kept) == []
        with pytest.raises(IndexError):
            kept.round(second, 0)
        for step in (0, 1):
            with pytest.raises(OutOfOrderError):
                kept.answer(second, step, "left")
        assert elsewhere.invite(1, study.plan)[0].number == 4  # nobody has a number again
        with pytest.raises(IndexError):
            kept.round(first, first.rounds)


def test_tokens_cannot_be_guessed(study: Study) -> None:
    with study.answers() as kept:
        tokens = {p.token for p in kept.invite(50, lambda k: [])}
    assert len(tokens) == 50
    assert min(map(len, tokens)) >= 43  # 32 bytes


def test_too_many_participants_are_none(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PARTICIPANTS", 3)
    with study.answers() as kept:
        with pytest.raises(UsageError):
            kept.invite(2, study.plan)
        assert len(kept.participants()) == 2


def test_threads_share_one_database(study: Study) -> None:
    with study.answers() as kept:
        people = kept.invite(6, study.plan)
        raised: list[BaseException] = []

        def take_part(number: int) -> None:
            one = people[number]
            try:
                for step in range(one.steps):
                    one = kept.answer(one, step, "left")
            except BaseException as error:
                raised.append(error)

        threads = [threading.Thread(target=take_part, args=(k,)) for k in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not raised
        assert len(list(kept)) == sum(one.steps for one in people)


@pytest.mark.parametrize("content", [None, b"", b"no database " * 99])
def test_a_file_that_is_no_study_s_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / ANSWERS
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReidaugError, match=ANSWERS):
        Answers(path)


def test_answers_that_were_lost_or_are_of_another_study_are_no_answers(tmp_path: Path) -> None:
    study, other = write_study(tmp_path / "a"), write_study(tmp_path / "b", rounds=4)
    file = study.path / ANSWERS
    for content, says in (
        (b"", "holds no participants and answers, or lost them"),
        (b"S", "holds no participants and answers, or lost them"),
        ((other.path / ANSWERS).read_bytes(), "holds the answers of another study"),
        (file.read_bytes()[:-4096], r"damaged \(.*\); put a copy of it back"),
        (
            file.read_bytes().replace(b"TABLE", b"T\xffBLE"),
            r"damaged \(.*\); put a copy of it back",
        ),
    ):
        file.write_bytes(content)
        with pytest.raises(ReidaugError, match=says) as told:
            study.answers()
        assert str(told.value).startswith(str(file)) and "\n" not in str(told.value)
    file.write_bytes(b"")  # of `study new`, killed before it made the tables
    with study.answers(make=True) as kept:
        assert kept.participants() == []


def test_a_value_that_no_answer_has_is_damage(study: Study) -> None:
    with study.answers() as kept:
        kept.answer(kept.participants()[0], 0, "right")
    file = study.path / ANSWERS
    at = file.read_bytes().rindex(b"right")
    with file.open("r+b") as content:
        content.seek(at)
        content.write(b"wrong")
    with pytest.raises(ReidaugError, match="damaged"):
        study.answers()


def test_a_full_disk_keeps_what_was_acknowledged_and_goes_on(study: Study) -> None:
    with study.answers() as kept:
        one = kept.answer(kept.participants()[0], 0, "left")
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        full = Path(f"{study.path / ANSWERS}-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (full, limits[1]))
        try:
            for _ in range(2):
                with pytest.raises(ReidaugError, match="disk"):
                    kept.answer(one, 1, "left")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, ignored)
        with study.answers() as elsewhere:
            assert [len([*kept]), len([*elsewhere])] == [1, 1]
        assert kept.answer(one, 1, "left").answered == 2
