"""Run folders and progress.

A run folder has ``recipe.yaml`` (the resolved recipe), ``log.jsonl`` (one JSON object per line)
and, once the run is complete, ``report.json``.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from reidaug.errors import ReidaugError
from reidaug.files import named_error, read_text, remove_partials, write_atomically
from reidaug.locks import LOCK, Lock, lock
from reidaug.yaml_values import YamlError, parse_yaml

SECONDS_BETWEEN_LINES = 10.0
Values = Mapping[str, Any]


class RunFolder:
    """The folder of one run.

    Attributes:
        path: The folder.
        resumed: Whether it held a run of the same recipe, finished or not, when opened.

    One that was opened is locked against other processes as long as it is referred to; copies of
    it in workers are not.
    """

    def __init__(self, path: Path, *, resumed: bool, held: Lock | None = None) -> None:
        self.path = path
        self.resumed = resumed
        self._lock = held

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    @classmethod
    def open(
        cls,
        path: Path,
        recipe: Values,
        *,
        resume: bool,
        known: Collection[str] = (),
        grows: Callable[[Values, Values], bool] | None = None,
    ) -> "RunFolder":
        """Create a run folder with ``recipe.yaml`` in it, or open the run it holds.

        Args:
            path: The folder.
            recipe: The resolved recipe, command included; plain YAML values, no output path.
            resume: Whether a run of the same recipe may be resumed.
            known: Names of files that may be in the folder before the run.
            grows: Whether a run of one recipe can be resumed as another; its report is then
                removed. None: never.

        Raises:
            ReidaugError: The folder holds another run or other files, or another process is at
                work on it.
        """
        text = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
        file = path / "recipe.yaml"
        check_folder(path, known=known)
        path.mkdir(parents=True, exist_ok=True)
        taken = lock(path / LOCK, of=path)
        remove_partials(path)
        if not file.exists():
            write_atomically(file, text.encode())
            return cls(path, resumed=False, held=taken)
        old, new = _mapping(read_text(file)), _mapping(text)
        if old != new and (grows is None or not grows(old, new)):
            raise ReidaugError(f"{path} holds another run; name another folder with --out")
        if not resume:
            raise ReidaugError(f"{path} holds this run already; resume it with --resume")
        if old != new:
            (path / "report.json").unlink(missing_ok=True)
            write_atomically(file, text.encode())
        return cls(path, resumed=True, held=taken)

    def log(self, **record: Any) -> None:
        """Append a record of JSON values to ``log.jsonl``."""
        path = self.path / "log.jsonl"
        with named_error(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite_or_null(record), allow_nan=False) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """Read ``log.jsonl`` without lines that an interruption left incomplete."""
        path = self.path / "log.jsonl"
        records = []
        for line in read_text(path).splitlines() if path.exists() else ():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return records

    def rewind(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Keep some records of ``log.jsonl``: those before the state that work resumes from."""
        lines = [json.dumps(record) for record in self.records() if keep(record)]
        write_atomically(self.path / "log.jsonl", "".join(f"{line}\n" for line in lines).encode())

    def report(self, report: Values) -> Path:
        """Write ``report.json`` (JSON values), which marks the run as complete; return the file.

        Numbers that are not finite become null.
        """
        path = self.path / "report.json"
        text = json.dumps(finite_or_null(report), indent=1, allow_nan=False)
        write_atomically(path, f"{text}\n".encode())
        return path

    def finished(self) -> dict[str, Any] | None:
        """Read ``report.json``; None while the run is incomplete, or where it is damaged."""
        path = self.path / "report.json"
        try:
            report: Any = json.loads(read_text(path)) if path.exists() else None
        except (ReidaugError, ValueError):
            return None
        return report if isinstance(report, dict) else None


def finite_or_null(value: Any) -> Any:
    """Replace numbers that JSON cannot hold, NaN and infinity, by None in JSON values."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite_or_null(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_null(inner) for inner in value]
    return value


def stored_recipe(path: Path) -> Values:
    """Read the values of a run folder's ``recipe.yaml``; none where it is missing or damaged."""
    try:
        return _mapping(read_text(path / "recipe.yaml"))
    except ReidaugError:
        return {}


def _mapping(text: str) -> Values:
    """Read a recipe's values; none of a damaged one."""
    try:
        values = parse_yaml(text)
    except YamlError:
        return {}
    return values if isinstance(values, dict) else {}


def check_folder(path: Path, *, known: Collection[str] = ()) -> None:
    """Check that a folder can hold a run: it is missing, empty or holds a run.

    ``known`` are files that may be in it before a run; `ReidaugError` for others, or for a file.
    """
    if path.exists() and not path.is_dir():
        raise ReidaugError(f"{path} is a file; name a folder with --out")
    if not path.exists() or (path / "recipe.yaml").exists():
        return
    if any(entry.name not in (*known, LOCK) for entry in path.iterdir()):
        raise ReidaugError(f"{path} is not empty and holds no run; name another with --out")


def notice(line: str) -> None:
    """Print a line to standard error, beside the result of a command."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


T = TypeVar("T")


def progress(
    items: Iterable[T], *, total: int, what: str, unit: str = "it", lines: bool = False
) -> Iterator[T]:
    """Show the progress of a loop: a bar on a terminal, lines elsewhere; yield the items.

    Args:
        items: Items of the loop.
        total: Number of items.
        what: The work, in a word or two.
        unit: Name of an item.
        lines: Print lines on a terminal too, for one of several loops at a time.
    """
    with counter(total=total, what=what, unit=unit, lines=lines) as advance:
        for item in items:
            yield item
            advance(1)


@contextmanager
def counter(
    *, total: int, what: str, unit: str = "it", lines: bool = False
) -> Iterator[Callable[[int], None]]:
    """Yield a function for the number of items just done; for the arguments see `progress`."""
    if sys.stderr.isatty() and not lines:
        started = time.monotonic()

        def rate(done: int | None) -> str:
            return f"{(done or 0) / max(time.monotonic() - started, 1e-9):.1f} {unit}/s"

        with click.progressbar(
            length=total, label=what, show_pos=True, file=sys.stderr, item_show_func=rate
        ) as bar:
            yield lambda done: bar.update(done, bar.pos + done)
        return
    started = shown = time.monotonic()
    count = 0

    def advance(done: int) -> None:
        nonlocal count, shown
        count += done
        now = time.monotonic()
        if count >= total or now - shown >= SECONDS_BETWEEN_LINES:
            shown = now
            rate = count / max(now - started, 1e-9)
            left = (total - count) / max(rate, 1e-9)
            notice(f"{what}: {count}/{total} ({rate:.1f} {unit}/s, {left:.0f} s left)")

    yield advance
