"""Run folders and progress.

A run folder has ``recipe.yaml`` (the resolved recipe), ``log.jsonl`` (one JSON object per line),
``checksums.json`` and, once the run is complete, ``report.json``.
"""

import json
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from reidaug.checksums import DAMAGED, RECIPE, REPORT, SUMS, Checksums, describe, finite_or_null
from reidaug.errors import ReidaugError, printable_lines
from reidaug.files import (
    check_regular,
    checksum,
    checksum_of,
    is_partial,
    named_error,
    read_text,
    remove_partials,
    write_atomically,
)
from reidaug.fingerprint import UNKNOWN, Inputs
from reidaug.kept_recipe import (
    COPY,
    at_new_places,
    check_moves,
    keep_copy,
    read_copy,
    values_in,
    values_of,
)
from reidaug.locks import LOCK, Lock, lock, look
from reidaug.verbosity import Advance, detail, in_lines, is_quiet, rate_of

LOG = "log.jsonl"
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
        inputs: Inputs | None = None,
        places: Collection[str] = (),
    ) -> "RunFolder":
        """Create a run folder with ``recipe.yaml`` in it, or open the run it holds.

        Args:
            path: The folder.
            recipe: The resolved recipe, command included; plain YAML values, no output path.
            resume: Whether a run of the same recipe may be resumed.
            known: Names of files that may be in the folder before the run.
            grows: Whether a run of one recipe can be resumed as another; its report is then
                removed. None: never.
            inputs: Fingerprints of all that the recipe's places name: where they are as they were,
                the same run goes on with its files moved or renamed.
            places: Keys of the recipe, at any depth, whose values are paths.

        Raises:
            ReidaugError: The folder holds another run or other files, or another process is at
                work on it.
        """
        text = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
        file, new = path / RECIPE, values_of(text)
        check_folder(path, known=known)
        path.mkdir(parents=True, exist_ok=True)
        run = cls(path, resumed=False, held=lock(path / LOCK, of=path))
        remove_partials(path)
        old = run._stored(text)
        if old is not None:
            run.resumed = True
            moved, moves = at_new_places(old, new, places)
            if moved != new and (grows is None or not grows(moved, new)):
                there = f"command, there {moved.get('command')}"
                keys = [key for key in {**moved, **new} if moved.get(key) != new.get(key)]
                other = [there if key == "command" else key for key in keys]
                raise ReidaugError(
                    f"{path} holds another run; name another folder with --out (other: "
                    f"{', '.join(other)})"
                )
            line = check_moves(path, moves, inputs)
            if not resume:
                raise ReidaugError(f"{path} holds this run already; resume it with --resume")
            if line:
                notice(line)
            if moved != new:
                (path / REPORT).unlink(missing_ok=True)
        if old != new:
            write_atomically(file, text.encode(), lasting=True)
        sums, own = run.checksums.read() or {}, checksum(file)
        with suppress(OSError):  # a run on a disk that is read only can still be read
            if sums.get(RECIPE) != own and not run.checksums.damaged:
                run.checksums.write({**sums, RECIPE: own})
            keep_copy(path, text)
        return run

    def _stored(self, text: str) -> Values | None:
        """Read the recipe of the run in the folder; None where none has begun.

        Where the file is missing or damaged and was of this very text, it is written again.
        """
        file, kept = self.path / RECIPE, (self.checksums.read() or {}).get(RECIPE)
        if kept is None and (copy := read_copy(self.path)) is not None:
            kept = checksum_of(copy.encode())
        content = file.read_bytes() if file.exists() and check_regular(file) >= 0 else None
        if content is None and kept is None:
            return None
        beside = (p for p in self.path.iterdir() if p.name not in (RECIPE, LOG, SUMS, LOCK, COPY))
        cut_off = content is not None and text.encode().startswith(content)
        if cut_off and content != text.encode() and not any(beside):  # nothing was done
            return None
        values = values_in(file)
        if values and (values == values_of(text) or kept in (None, checksum(file))):
            return values
        if kept == checksum_of(text.encode()):
            notice(f"{file} is missing or damaged; it is made again")
            write_atomically(file, text.encode(), lasting=True)
            return values_of(text)
        if values:
            return values
        way = "put it back" if kept is None else "run the command that began it"
        raise ReidaugError(
            f"{file} is damaged, and no longer tells whose run this is; {way}, or name another "
            "folder with --out"
        )

    @property
    def checksums(self) -> Checksums:
        """The checksums of its files."""
        return Checksums(self.path / SUMS)

    def log(self, **record: Any) -> None:
        """Append a record of JSON values to ``log.jsonl``."""
        path = self.path / LOG
        with named_error(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite_or_null(record), allow_nan=False) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """Read ``log.jsonl`` without lines that an interruption or damage left incomplete."""
        try:
            content = (self.path / LOG).read_bytes()
        except FileNotFoundError:
            return []
        records = []
        for line in content.decode(errors="replace").splitlines():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                records.append(record)
        return records

    def rewind(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Keep some records of ``log.jsonl``: those before the state that work resumes from."""
        lines = [json.dumps(record) for record in self.records() if keep(record)]
        write_atomically(self.path / LOG, "".join(f"{line}\n" for line in lines).encode())

    def report(
        self, report: Values, files: Iterable[Path] = (), sums: Mapping[str, str] | None = None
    ) -> Path:
        """Write ``report.json``, which marks the run as complete, and the checksums of its files.

        Args:
            report: JSON values. Numbers that are not finite become null.
            files: Files in the folder.
            sums: Checksums of further files by their names.

        Returns:
            The file.
        """
        path = self.path / REPORT
        text = json.dumps(finite_or_null(report), indent=1, allow_nan=False)
        content = f"{text}\n".encode()
        known = {RECIPE: (self.checksums.read() or {}).get(RECIPE), REPORT: checksum_of(content)}
        root = self.path.resolve()
        own = {str(file.resolve().relative_to(root)): checksum(file) for file in files}
        found = {name: value for name, value in known.items() if value}
        self.checksums.write({**found, **own, **(sums or {})})
        write_atomically(path, content, lasting=True)
        return path

    def renew(self, inputs: Inputs) -> None:
        """Keep the fingerprints of the run's inputs, and tell what changed.

        A run whose inputs changed, or perhaps did, is not complete any more: its report is removed.
        """
        if line := self.changed(inputs):
            notice(f"{self.path}: {line}; what depends on it is made again")
            (self.path / REPORT).unlink(missing_ok=True)
        inputs.save()

    def changed(self, inputs: Inputs) -> str:
        """Say which of the run's inputs changed, or that nobody can tell; empty where none did."""
        own = (RECIPE, LOG, SUMS, LOCK, COPY)
        if (
            self.resumed
            and not inputs.known
            and any(p.name not in own for p in self.path.iterdir())
        ):
            return UNKNOWN
        return inputs.text()

    def finished(self, only: Collection[str] | None = None) -> dict[str, Any] | None:
        """Read ``report.json``; None while the run is incomplete, or one of its files is damaged.

        Damage is told. ``only`` are names of the files that matter; None: all do.
        """
        path = self.path / REPORT
        try:
            if not path.exists():
                return None
            read: Any = json.loads(read_text(path))
            report = read if isinstance(read, dict) else None
        except (ReidaugError, ValueError, RecursionError):
            report = None
        changed = self.checksums.changed(only)
        if report is None:
            changed = changed or {REPORT: DAMAGED}
        if changed:
            notice(f"{self.path}: {describe(changed)}; what is damaged is made again")
            return None
        return report


def stored_recipe(path: Path) -> Values:
    """Read the values of a run folder's ``recipe.yaml``; none where it is missing or damaged."""
    return values_in(path / RECIPE)


def check_folder(path: Path, *, known: Collection[str] = ()) -> None:
    """Check that a folder can hold a run: it is missing, empty or holds a run.

    ``known`` are files that may be in it before a run; `ReidaugError` for others, or for a file.
    """
    if not path.is_dir() and (path.exists() or path.is_symlink()):
        what = "a file" if path.exists() else f"a link to {path.readlink()}, which is not there"
        raise ReidaugError(f"{path} is {what}; name a folder with --out")
    if not path.exists() or (path / RECIPE).exists() or Checksums(path / SUMS).read():
        return
    if read_copy(path) is not None:
        return
    allowed = (*known, LOCK, SUMS, LOG, COPY)
    others = [entry.name for entry in path.iterdir() if entry.name not in allowed]
    if found := sorted(name for name in others if not is_partial(name, of=(RECIPE, SUMS, COPY))):
        shown = ", ".join(found[:3]) + (" ..." if len(found) > 3 else "")
        raise ReidaugError(
            f"{path} is not empty and holds no run ({shown}); name another with --out, or put "
            f"{RECIPE} back where it was one"
        )


def check_lock(path: Path) -> None:
    """Stop before long preparations if another process is at work on the folder of a run.

    `RunFolder.open` locks it; this only looks, and leaves nothing.

    Raises:
        ReidaugError: One is; the line names it.
    """
    if (path / LOCK).exists():
        look(path / LOCK, of=path)


def notice(line: str) -> None:
    """Print a line to standard error, beside the result of a command."""
    sys.stderr.write(f"{printable_lines(line)}\n")
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
def counter(*, total: int, what: str, unit: str = "it", lines: bool = False) -> Iterator[Advance]:
    """Yield a function for the number of items just done; for the arguments see `progress`."""
    started = time.monotonic()
    if is_quiet():
        yield lambda done, /, *, before=False: None
    elif sys.stderr.isatty() and not lines:

        def rate(fresh: int | None) -> str:
            return rate_of(fresh or 0, time.monotonic() - started, unit)

        with click.progressbar(
            length=total, label=what, show_pos=True, file=sys.stderr, item_show_func=rate
        ) as bar:
            fresh = 0

            def advance(done: int, /, *, before: bool = False) -> None:
                nonlocal fresh
                fresh += 0 if before else done
                bar.update(done, fresh)

            yield advance
    else:
        yield in_lines(total, what, unit, every=SECONDS_BETWEEN_LINES)
    detail(f"{what}: {time.monotonic() - started:.1f} s for {total} {unit}")
