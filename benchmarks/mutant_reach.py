"""Reach of tests: which functions of the package each of them runs."""

import functools
import gc
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

Seen = dict[int, CodeType]  # code that ran, by its identity
CACHE = functools._lru_cache_wrapper
Reach = dict[str, Any]  # of a test: ``seconds``, ``functions`` ([path, name]), ``starts`` processes


class Tracer:
    """What code runs: the functions of some folders.

    Args:
        root: Folder; only code below it counts.
    """

    def __init__(self, root: Path) -> None:
        self.prefix = f"{root}/reidaug/"
        self.seen: Seen = {}

    def __call__(self, frame: FrameType, event: str, value: Any) -> None:
        """Note a frame that begins."""
        code = frame.f_code
        if id(code) not in self.seen:
            self.seen[id(code)] = code

    def start(self) -> None:
        """Trace from here on, in every thread."""
        sys.settrace(self)
        threading.settrace(self)

    def stop(self) -> None:
        """Trace no more."""
        sys.settrace(None)
        threading.settrace(None)

    def functions(self, seen: Mapping[int, CodeType]) -> set[tuple[str, str]]:
        """List modules, below the folder, and names of functions."""
        cut = len(self.prefix) - len("reidaug/")
        return {(code.co_filename[cut:], code.co_qualname) for code in seen.values()
                if code.co_filename.startswith(self.prefix)}  # fmt: skip


class Reached:
    """Plugin of pytest: which functions each test reaches.

    Args:
        root: The copy of the repository.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tracer = Tracer(root)
        self.of_fixtures: dict[str, Seen] = {}
        self.caches: list[tuple[Any, Seen]] = []
        self.started = False

    def measure(self, session: Any, items: Sequence[Any], file: Path) -> int:
        """Run tests of a session on the unchanged code, and write what each reaches."""
        sys.addaudithook(self._audit)
        self.caches = [(one, {}) for one in gc.get_objects() if type(one) is CACHE]
        reach = {item.nodeid: self._test(session, item, after)
                 for item, after in zip(items, [*items[1:], None], strict=True)}  # fmt: skip
        file.write_text(json.dumps(reach))
        return 0

    def _test(self, session: Any, item: Any, after: Any) -> Reach:
        self.tracer.seen, self.started, failed = {}, False, session.testsfailed
        before = [cache.cache_info() for cache, _ in self.caches]
        start = time.process_time()
        self.tracer.start()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        self.tracer.stop()
        session.shouldfail = False
        seen = dict(self.tracer.seen)
        for name in item.fixturenames:
            seen |= self.of_fixtures.get(name, {})
        for (cache, computed), old in zip(self.caches, before, strict=True):
            now = cache.cache_info()
            if now.hits > old.hits:  # an earlier test had it computed
                seen |= computed
            if now.misses > old.misses:
                computed.update(seen)
        return {
            "seconds": time.process_time() - start,
            "functions": sorted(self.tracer.functions(seen)),
            "starts": self.started,
        } | ({"failed": True} if session.testsfailed > failed else {})

    def _audit(self, event: str, _: Any) -> None:
        if event in ("subprocess.Popen", "os.posix_spawn"):
            self.started = True

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """See what a fixture reaches: tests that find it made reach that too."""
        outer, self.tracer.seen = self.tracer.seen, {}
        yield
        mine = self.tracer.seen
        known = self.of_fixtures.setdefault(fixturedef.argname, {})
        known |= mine
        self.tracer.seen = outer | mine
