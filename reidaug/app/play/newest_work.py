"""Work in one thread, of which only the newest of a kind waits: requests never pile up."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")


class SupersededError(Exception):
    """Newer work of the same kind took the place of work that had not begun."""


class BusyError(Exception):
    """Too much work is waiting."""


class NewestWork:
    """A thread that does one piece of work after another.

    Work that waits is replaced by newer work of its kind, in its place in the queue: who asks
    often holds nobody up, and gets an answer to the last question.

    Args:
        most: Greatest number of kinds that wait.
        within: Called around everything in the thread, such as to set its number of threads.
    """

    def __init__(self, most: int = 64, within: Callable[[Callable[[], None]], None] | None = None):
        self._most = most
        self._waiting: OrderedDict[Hashable, tuple[Future[Any], Callable[[], Any]]] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        run = self._run if within is None else lambda: within(self._run)
        self._thread = threading.Thread(target=run, name="newest work", daemon=True)
        self._thread.start()

    def submit(self, kind: Hashable, work: Callable[[], Result]) -> "Future[Result]":
        """Ask for work; `SupersededError` is the outcome of work of its kind that still waits.

        Raises:
            BusyError: Too many kinds are waiting, or the thread was closed.
        """
        future: Future[Result] = Future()
        with self._changed:
            before = self._waiting.get(kind)
            if self._closed or (before is None and len(self._waiting) >= self._most):
                raise BusyError
            self._waiting[kind] = (future, work)
            self._changed.notify()
        if before is not None and before[0].set_running_or_notify_cancel():
            before[0].set_exception(SupersededError())
        return future

    async def do(self, kind: Hashable, work: Callable[[], Result]) -> Result:
        """Wait for work; raises what it raises, and as of `submit`, or `SupersededError`."""
        return await asyncio.wrap_future(self.submit(kind, work))

    def close(self) -> None:
        """Finish the work under way, drop what waits, and end the thread."""
        with self._changed:
            self._closed = True
            dropped = list(self._waiting.values())
            self._waiting.clear()
            self._changed.notify()
        for future, _ in dropped:
            if future.set_running_or_notify_cancel():
                future.set_exception(SupersededError())
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                _, (future, work) = self._waiting.popitem(last=False)
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
