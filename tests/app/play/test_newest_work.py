import asyncio
import threading

import pytest

from reidaug.app.play.newest_work import BusyError, NewestWork, SupersededError


@pytest.fixture
def work():
    made = NewestWork(most=3)
    yield made
    made.close()


class Held:
    """Work that holds the thread until it is let go."""

    def __init__(self, work: NewestWork) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.future = work.submit("held", self)
        assert self.begun.wait(10)

    def __call__(self) -> str:
        self.begun.set()
        assert self.go.wait(10)
        return "held"


def test_of_a_kind_the_newest_waits_and_keeps_its_place(work: NewestWork) -> None:
    held, done = Held(work), list[str]()
    old = [work.submit("drag", lambda n=n: done.append(f"drag {n}")) for n in range(5)]
    other = work.submit("other", lambda: done.append("other"))
    newest = work.submit("drag", lambda: done.append("newest drag"))
    for future in old:
        with pytest.raises(SupersededError):
            future.result(10)
    held.go.set()
    assert held.future.result(10) == "held"
    newest.result(10)
    other.result(10)
    assert done == ["newest drag", "other"]


def test_kinds_that_wait_are_bounded(work: NewestWork) -> None:
    held = Held(work)
    waiting = [work.submit(k, lambda k=k: k) for k in range(3)]
    with pytest.raises(BusyError):
        work.submit("one more", lambda: None)
    again = work.submit(1, lambda: "again")  # of a kind that waits already
    held.go.set()
    assert [waiting[0].result(10), again.result(10), waiting[2].result(10)] == [0, "again", 2]


def test_what_fails_is_told_to_who_asked_and_work_goes_on(work: NewestWork) -> None:
    async def ask() -> tuple[BaseException, int]:
        failed = work.do("a", lambda: {}["nothing"])
        (error,) = await asyncio.gather(failed, return_exceptions=True)
        return error, await work.do("b", lambda: 7)

    error, value = asyncio.run(ask())
    assert isinstance(error, KeyError)
    assert value == 7


def test_who_no_longer_waits_is_not_worked_for(work: NewestWork) -> None:
    held, done = Held(work), list[int]()
    assert work.submit("left", lambda: done.append(1)).cancel()
    held.go.set()
    work.submit("last", lambda: done.append(2)).result(10)
    assert done == [2]


def test_closing_drops_what_waits_and_takes_no_more() -> None:
    work = NewestWork(within=lambda run: run())
    held = Held(work)
    waiting = work.submit("waiting", lambda: None)
    closing = threading.Thread(target=work.close)
    closing.start()
    with pytest.raises(SupersededError):
        waiting.result(10)
    held.go.set()
    closing.join(10)
    assert held.future.result(10) == "held"
    with pytest.raises(BusyError):
        work.submit("late", lambda: None)
