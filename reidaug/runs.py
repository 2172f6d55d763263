"""Run folders: what a command leaves behind, and how long work shows itself.

Every run folder holds ``recipe.yaml`` (the resolved recipe), ``log.jsonl`` (one JSON object a line)
and, once the work is done, ``report.json``.
"""

import json
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from reidaug.errors import ReidaugError
from reidaug.files import write_atomically

__all__ = ["RunFolder", "check_folder", "counter", "progress", "write_atomically"]

SECONDS_BETWEEN_LINES = 10.0


class RunFolder:
    """The folder of one run.

    Attributes:
        path: The folder.
        resumed: Whether it held an unfinished (or finished) run of the same recipe when opened.
    """

    def __init__(self, path: Path, *, resumed: bool) -> None:
        self.path = path
        self.resumed = resumed

    @classmethod
    def open(
        cls,
        path: Path,
        recipe: Mapping[str, Any],
        *,
        resume: bool,
        known: Collection[str] = (),
        grows: Callable[[Mapping[str, Any], Mapping[str, Any]], bool] | None = None,
    ) -> "RunFolder":
        """Make a run folder, or go on with the run it holds.

        Args:
            path: Where.
            recipe: The resolved recipe, command included; plain YAML values, no output path.
            resume: Whether a run of the same recipe may be continued.
            known: Names of what may lie in the folder before the run does.
            grows: Tells of the recipe a run was begun with and of another whether the run can be
                continued as that one: it is then no longer complete. None: never.

        Returns:
            The folder, with ``recipe.yaml`` in it.

        Raises:
            ReidaugError: The folder holds another run, or files that are none of ours.
        """
        text = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
        written = path / "recipe.yaml"
        check_folder(path, known=known)
        resumed = written.exists()
        if resumed:
            begun, wanted = _values(written.read_text(encoding="utf-8")), yaml.safe_load(text)
            same = begun == wanted
            if not same and (grows is None or not grows(begun, wanted)):
                raise ReidaugError(f"{path} holds another run; name another folder with --out")
            if not resume:
                raise ReidaugError(f"{path} holds this run already; go on with --resume")
            if not same:
                (path / "report.json").unlink(missing_ok=True)
                write_atomically(written, text.encode())
        else:
            path.mkdir(parents=True, exist_ok=True)
            write_atomically(written, text.encode())
        return cls(path, resumed=resumed)

    def log(self, **record: Any) -> None:
        """Append one record to ``log.jsonl``.

        Args:
            record: JSON values.
        """
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """Read ``log.jsonl``, leaving out a line that was cut off while it was written."""
        path = self.path / "log.jsonl"
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines()
        records = []
        for line in lines:
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return records

    def rewind(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Rewrite ``log.jsonl`` with some of its records, for work that resumes before its end.

        Args:
            keep: Whether a record stays.
        """
        lines = [json.dumps(record) for record in self.records() if keep(record)]
        write_atomically(self.path / "log.jsonl", "".join(f"{line}\n" for line in lines).encode())

    def report(self, report: Mapping[str, Any]) -> Path:
        """Write ``report.json``, the sign that the run is complete.

        Args:
            report: JSON values.

        Returns:
            The file.
        """
        path = self.path / "report.json"
        write_atomically(path, (json.dumps(report, indent=1) + "\n").encode())
        return path

    def finished(self) -> dict[str, Any] | None:
        """Read ``report.json``; None when the run is not complete."""
        path = self.path / "report.json"
        if not path.exists():
            return None
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return report


def _values(text: str) -> Mapping[str, Any]:
    """Read a recipe back; nothing of one that is damaged."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return values if isinstance(values, dict) else {}


def check_folder(path: Path, *, known: Collection[str] = ()) -> None:
    """Check that a run may be made in a folder: there is none yet, it is empty, or holds a run.

    Args:
        path: The folder.
        known: Names of what may lie in it before a run does.

    Raises:
        ReidaugError: It is a file, or holds something else.
    """
    if path.exists() and not path.is_dir():
        raise ReidaugError(f"{path} is a file; name a folder with --out")
    if not path.exists() or (path / "recipe.yaml").exists():
        return
    if any(entry.name not in known for entry in path.iterdir()):
        raise ReidaugError(f"{path} is not empty and holds no run; name another with --out")


def notice(line: str) -> None:
    """Say something beside the result of a command, on standard error.

    Args:
        line: One sentence.
    """
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


T = TypeVar("T")


def progress(
    items: Iterable[T], *, total: int, what: str, unit: str = "it", lines: bool = False
) -> Iterator[T]:
    """Show how far long work has come: a bar on a terminal, plain lines elsewhere.

    Args:
        items: What is worked through.
        total: How many there are.
        what: The work, in a word or two.
        unit: What one item is.
        lines: Plain lines on a terminal too, for one of several works at a time.

    Yields:
        The items.
    """
    with counter(total=total, what=what, unit=unit, lines=lines) as advance:
        for item in items:
            yield item
            advance(1)


@contextmanager
def counter(
    *, total: int, what: str, unit: str = "it", lines: bool = False
) -> Iterator[Callable[[int], None]]:
    """Show progress that comes in steps of any size.

    Args:
        total: How much there is to do.
        what: The work, in a word or two.
        unit: What one piece is.
        lines: Plain lines on a terminal too.

    Yields:
        A function to call with the number of pieces just done.
    """
    if sys.stderr.isatty() and not lines:
        with click.progressbar(length=total, label=what, show_pos=True, file=sys.stderr) as bar:
            yield bar.update
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
            line = f"{what}: {count}/{total} ({rate:.1f} {unit}/s, {left:.0f} s left)"
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    yield advance
