"""Trials of mutants: the tests that reach a changed function, run on it, in a process of its own.

The tests of a room are collected once, and a test file is run once, when it is first asked for, to
see which functions its tests reach. For a mutant a process is forked in which the code of the
changed functions is replaced, and the tests that reach one of them are run until the first fails.
What cannot be replaced in this way, constants, classes and what is called while modules are
imported, is tried by all tests on a module that is imported anew.
"""

import contextlib
import functools
import gc
import importlib.util
import inspect
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from mutant_reach import Reach, Reached

SLOWER = 4.0  # a mutant that takes as many times as long as the unchanged code hangs: it is killed
HANGS = 300.0  # seconds of processor time of tests whose time nobody knows
WALL = 10.0  # seconds of a second of processor time, where others use the machine
MEMORY = 12 << 30  # bytes of addresses: a mutant must not take the machine
ERRORS = [sys.stderr]  # the last one is captured by no test
FRESH = "fresh"  # answer: the module must be imported anew
WARM = (  # what every module needs
    "torch", "torchvision", "numpy", "scipy.spatial", "scipy.ndimage", "sklearn.cluster",
    "PIL.Image", "hypothesis", "jaxtyping", "beartype", "cv2", "timm", "pydantic", "torchmetrics",
    "joblib",
)  # fmt: skip
OPTIONS = (
    "-x", "-q", "--tb=no", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:schemathesis"
)  # fmt: skip


def changed_functions(old: CodeType, new: CodeType) -> list[tuple[CodeType, CodeType]] | None:
    """Pair the functions of a module that differ; None where something else differs as well."""
    inner = [[part for part in code.co_consts if isinstance(part, CodeType)] for code in (old, new)]
    names = [[code.co_qualname for code in codes] for codes in inner]
    function = bool(old.co_flags & inspect.CO_OPTIMIZED)
    if function and old.co_freevars == new.co_freevars:
        return [(old, new)] if _said(old) != _said(new) else []
    if _own(old) != _own(new) or names[0] != names[1]:
        return None
    found: list[tuple[CodeType, CodeType]] = []
    for one, other in zip(*inner, strict=True):
        pairs = changed_functions(one, other)
        if pairs is None:
            return None
        found += pairs
    return found


def _own(code: CodeType) -> tuple[Any, ...]:
    consts = repr([part for part in code.co_consts if not isinstance(part, CodeType)])
    variables = (code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags)
    return code.co_code, consts, code.co_names, variables, code.co_exceptiontable


def _said(code: CodeType) -> tuple[Any, ...]:
    return _own(code), *(_said(part) for part in code.co_consts if isinstance(part, CodeType))


class Functions:
    """The living functions of some modules, by their code.

    Args:
        prefix: Of the files that count.
    """

    def __init__(self, prefix: str) -> None:
        self.found: dict[tuple[str, str, int], list[FunctionType]] = {}
        for one in gc.get_objects():
            # Not `isinstance`: some objects warn when they are asked for their class.
            if type(one) is FunctionType and one.__code__.co_filename.startswith(prefix):
                self.found.setdefault(_place(one.__code__), []).append(one)

    def replace(self, pairs: Sequence[tuple[CodeType, CodeType]]) -> None:
        """Give functions their changed code.

        Raises:
            ValueError: One closes over other variables than before.
        """
        for old, new in pairs:
            for function in self.found.get(_place(old), ()):
                function.__code__ = new


def _place(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def forked(work: Callable[[], int], seconds: float) -> str:
    """Run work in a process of its own: ``survived`` if it ends with 0.

    Args:
        work: What is run; its temporary files are removed.
        seconds: Processor time that it may take, and, times `WALL`, time.
    """
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setpgid(0, 0)
                limit = int(seconds) + 1
                resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
                os.environ["PYTEST_DEBUG_TEMPROOT"] = os.environ["TMPDIR"] = folder
                tempfile.tempdir = folder
                code = work()
            except BaseException:  # told in the log; the work counts as failed
                traceback.print_exc(file=ERRORS[-1])
            finally:
                os._exit(code)
        end = time.monotonic() + WALL * seconds
        while (done := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < end:
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        if done[0] == 0:
            os.waitpid(child, 0)
            return "timed out"
    if os.WIFSIGNALED(done[1]) and os.WTERMSIG(done[1]) in (signal.SIGXCPU, signal.SIGKILL):
        return "timed out"
    return "killed" if done[1] else "survived"


class Trials:
    """Plugin of pytest: the tests it collected, run on mutants one after another.

    Args:
        reached: The plugin that sees what tests reach.
        orders: Gives mutants: ``module``, ``source`` and ``stages``, the test files that are run,
            in lists, each where those before found nothing.
        answer: Takes ``result``: ``killed``, ``timed out``, ``survived`` or `FRESH`; and
            ``failed``, tests that fail without a mutant, and take no part.
    """

    def __init__(
        self, reached: Reached, orders: Iterator[dict[str, Any]], answer: Callable[[Any], None]
    ) -> None:
        self.root, self.reached, self.tracer = reached.root, reached, reached.tracer
        self.orders, self.answer = orders, answer
        self.known: dict[str, Reach] = {}

    def pytest_sessionstart(self) -> None:
        """See what runs while test files are imported: code that is replaced later would not."""
        self.tracer.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        """Try mutants instead of running the tests."""
        self.tracer.stop()
        if session.testsfailed:
            self.answer(None)
            return True
        self.imported = self.tracer.functions(self.tracer.seen)
        self.functions = Functions(self.tracer.prefix)
        gc.freeze()  # processes that are forked share what is there
        self.answer("collected")
        for order in self.orders:
            result = self._try(session, order)
            failed = [name for name, reach in self.known.items() if "failed" in reach]
            self.answer({"result": result, "failed": failed})
        return True

    def _try(self, session: Any, order: Mapping[str, Any]) -> str:
        path = str(self.root / order["module"])
        name = order["module"].removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if name not in sys.modules:
            return FRESH
        make = sys.modules[name].__loader__.source_to_code  # type: ignore[union-attr]
        pairs = changed_functions(
            make(Path(path).read_bytes(), path), make(order["source"].encode(), path)
        )
        touched = {(order["module"], old.co_qualname) for old, _ in pairs or ()}
        if pairs is None or touched & self.imported:
            return FRESH
        result = "survived"
        for files in order["stages"]:
            chosen = [
                item
                for item in self._measured(session, files)
                if self.known[item.nodeid]["starts"]
                or touched & set(map(tuple, self.known[item.nodeid]["functions"]))
            ]
            chosen = [item for item in chosen if "failed" not in self.known[item.nodeid]]
            if chosen:
                with swapped_file(Path(path), order["source"]):
                    result = self._result(session, pairs, _in_order(chosen, self.known))
            if result != "survived":
                break
        return result

    def _measured(self, session: Any, files: Sequence[str]) -> list[Any]:
        """List the tests of some files, after seeing what those reach that were not run before."""
        items = [item for item in session.items if item.nodeid.split("::")[0] in files]
        new = [item for item in items if item.nodeid not in self.known]
        if new:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "reach.json"
                forked(lambda: self.reached.measure(session, new, file), 3600)
                self.known |= json.loads(file.read_text())
        return items

    def _result(
        self, session: Any, pairs: list[tuple[CodeType, CodeType]], items: Sequence[Any]
    ) -> str:
        seconds = sum(self.known[item.nodeid]["seconds"] for item in items)

        def work() -> int:
            self.functions.replace(pairs)
            return _run(session, items)

        return forked(work, 10 + SLOWER * seconds)


def _in_order(items: Sequence[Any], reach: Mapping[str, Reach]) -> list[Any]:
    """Sort tests file by file, the fastest first."""
    seconds: dict[str, float] = {}
    for item in items:
        file = item.nodeid.split("::")[0]
        seconds[file] = seconds.get(file, 0.0) + reach[item.nodeid]["seconds"]
    files = sorted(seconds, key=lambda file: (seconds[file], file))
    return [item for file in files for item in items if item.nodeid.split("::")[0] == file]


def _run(session: Any, items: Sequence[Any]) -> int:
    for item, after in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if session.testsfailed:
            return 1
    return 0


@contextlib.contextmanager
def swapped_file(path: Path, text: str) -> Iterator[None]:
    """Write another text into a file, and its own back, with its own time."""
    own, times = path.read_bytes(), path.stat()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_bytes(own)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


class Unshrunk:
    """Plugin of pytest: hypothesis looks for no smaller example; the first failure is enough."""

    def pytest_configure(self) -> None:
        """Change the profile that the suite has loaded."""
        from hypothesis import Phase, settings

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", parent=settings(), phases=phases)
        settings.load_profile("mutants")


def main() -> None:
    """Read orders, one a line, from the standard input; answer each with a line."""
    stdin, stdout = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w", buffering=1)
    ERRORS.append(os.fdopen(os.dup(2), "w", buffering=1))
    os.dup2(2, 1)  # answers alone go to the standard output
    root, first = Path.cwd(), json.loads(stdin.readline())
    for name in first["warm"]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    (to, orders), (answers, back) = os.pipe(), os.pipe()
    server = os.fork()
    if server == 0:
        lines = (json.loads(line) for line in os.fdopen(to))
        os.close(orders)
        out = os.fdopen(back, "w", buffering=1)
        reached = Reached(root)
        trials = Trials(reached, lines, lambda said: print(json.dumps(said), file=out))
        pytest.main([*OPTIONS, *first["tests"]], plugins=[reached, trials, Unshrunk()])
        os._exit(0)
    os.close(to)
    os.close(back)
    said, tell = os.fdopen(answers), os.fdopen(orders, "w", buffering=1)
    about = json.loads(said.readline() or "null")
    print(json.dumps(about), file=stdout)
    for line in stdin if about else ():
        order = json.loads(line)
        print(line.strip(), file=tell)
        answer = json.loads(said.readline())
        if answer["result"] == FRESH:
            answer["result"] = "survived"  # where no test file is run
            with swapped_file(root / order["module"], order["source"]):
                for files in filter(None, order["stages"]):
                    options = [f"--deselect={name}" for name in answer["failed"]]
                    work = functools.partial(_anew, [*OPTIONS, *options, *files])
                    answer["result"] = forked(work, HANGS)
                    if answer["result"] != "survived":
                        break
        print(json.dumps(answer), file=stdout)
    os.kill(server, signal.SIGKILL)


def _anew(tests: list[str]) -> int:
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    return int(pytest.main(tests, plugins=[Unshrunk()]))


if __name__ == "__main__":
    main()
