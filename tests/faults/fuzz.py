"""Fuzz a reader for some minutes: ``python tests/faults/fuzz.py READER --minutes 10 --seed 0``.

Minutes are of CPU time, so that a busy machine tries as much. Writes one JSON object: how many
files were read and refused, and for each failure the error and the file, which is kept in
``--keep``.
"""

import argparse
import faulthandler
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from hashlib import sha256
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from readers import READERS, outcome, spoiled  # noqa: E402

SECONDS = 20
"""Seconds that reading a file may take."""
MEMORY = 4 * 2**30
"""Bytes of memory that reading files may take beside what the process begins with."""
MOST_KINDS = 20


class HangError(Exception):
    """Reading a file took too long."""


def _hang(number: int, frame: FrameType | None) -> None:
    raise HangError


def fuzz(
    name: str, folder: Path, *, minutes: float, seed: int, keep: Path | None
) -> dict[str, Any]:
    """Read spoiled files until the time is over."""
    reader, draw = READERS[name], Random(f"{seed} {name}")
    files = reader.valid(folder)
    counts, failures = {"read": 0, "refused": 0}, dict[str, dict[str, Any]]()
    for file, content in files.items():
        assert outcome(reader, folder / file, content) == "read", file
    _limit_memory()
    signal.signal(signal.SIGALRM, _hang)
    until = _cpu_seconds() + 60 * minutes
    while _cpu_seconds() < until and len(failures) < MOST_KINDS:
        file = draw.choice(list(files))
        content = spoiled(reader, file, files[file], draw)
        faulthandler.dump_traceback_later(4 * SECONDS, exit=True)
        signal.alarm(SECONDS)
        try:
            counts[outcome(reader, folder / file, content)] += 1
        except Exception as error:
            signal.alarm(0)
            key = _key(error)
            digest = sha256(content).hexdigest()[:12]
            failures.setdefault(key, {"error": key, "file": file, "sha256": digest})
            if keep is not None and failures[key]["sha256"] == digest:
                where = keep / f"{digest}-{Path(file).name}"
                where.write_bytes(content)
                (keep / f"{digest}.txt").write_text("".join(traceback.format_exception(error)))
        finally:
            signal.alarm(0)
            faulthandler.cancel_dump_traceback_later()
        (folder / file).write_bytes(files[file])
    return {
        "reader": name,
        "minutes": minutes,
        "seed": seed,
        **counts,
        "failures": [*failures.values()],
    }


def _key(error: Exception) -> str:
    """Tell failures of one kind from others: the error, and the last lines of the package."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "reidaug" in f.filename or "faults" in f.filename]
    place = f"{Path(own[-1].filename).name}:{own[-1].name}" if own else ""
    return f"{type(error).__name__} in {place}: {' '.join(str(error).split())[:80]}"


def _cpu_seconds() -> float:
    """Measure the CPU time of this process and of those it waited for, as some readers have."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Read arguments, and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.keep is not None:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        result = fuzz(
            arguments.reader, Path(folder), minutes=arguments.minutes, seed=arguments.seed,
            keep=arguments.keep,
        )  # fmt: skip
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
