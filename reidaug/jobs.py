"""Resumable work: records of finished tasks, training states, worker processes, random seeds.

Long work is divided into tasks whose results do not depend on the process or the order. A finished
task leaves a record, so that the same command, run again, does only the rest.
"""

import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from joblib import Parallel, parallel_config

from reidaug.checksums import sealed, unsealed
from reidaug.children import deaf_children, end_with_parent, safe_children
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.files import (
    check_tensor_file,
    is_intact,
    read_text,
    remove_partials,
    write_atomically,
)
from reidaug.runs import counter
from reidaug.streams import make_usable

BACKENDS = ("loky", "dask")
REPLACED = "A worker stopped while some jobs were given to the executor"
"""joblib's warning of a process that it replaces; nothing is lost.

One that has loaded a network since its first task counts as leaking memory, and one that was idle
for minutes leaves.
"""
RETRY = "run the same command with fewer --workers, it continues where it stopped"
LOADER_KILLED = "DataLoader worker (pid"
"""Words of torch's error of a data-loading worker that ended."""
Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Records:
    """JSON files in a folder, one for each finished task; the folder is made with the first.

    Each holds a checksum of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: int | str) -> Path:
        """Give the file of a record."""
        return self.folder / (f"{key:06d}.json" if isinstance(key, int) else f"{key}.json")

    def read(self, key: int | str) -> Any:
        """Read a record; None where there is none or it is damaged."""
        try:
            return unsealed(read_text(self.path(key)))
        except (ReidaugError, ValueError):
            return None

    def damaged(self, key: int | str) -> bool:
        """Whether a record is there and cannot be read."""
        try:
            unsealed(read_text(self.path(key)))
        except (ReidaugError, ValueError):
            return self.path(key).exists()
        return False

    def read_all(self) -> list[Any]:
        """Read all records in the order of their names; None for each damaged one."""
        return [self.read(path.stem) for path in sorted(self.folder.glob("[!.]*.json"))]

    def write(self, key: int | str, record: Any) -> None:
        """Write a record of JSON values atomically; `ValueError` for numbers not finite.

        What a killed run left of it goes: one run at a time writes a record.
        """
        self.folder.mkdir(exist_ok=True)
        path = self.path(key)
        remove_partials(self.folder, of=[path.name])
        write_atomically(path, sealed(record), lasting=True)

    def remove(self) -> None:
        """Remove all records."""
        shutil.rmtree(self.folder, ignore_errors=True)


class States:
    """A training's latest state, for resuming: ``state-00000500`` (step) in its run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def partial(self) -> Path:
        """The folder a state is written to before `commit`."""
        return self.folder / "state.part"

    def latest(self) -> tuple[int, Path] | None:
        """Find the step and folder of the latest complete state; None where there is none."""
        numbers = ((path.name.removeprefix("state-"), path) for path in self._all())
        return max(((int(number), path) for number, path in numbers), default=None)

    def commit(self, step: int) -> None:
        """Rename the state in `partial` by the number of steps taken and remove the older ones."""
        older = self._all()
        self.partial.rename(self.folder / f"state-{step:08d}")
        for state in older:
            shutil.rmtree(state)

    def remove(self) -> None:
        """Remove all states."""
        for state in [*self._all(), self.partial]:
            shutil.rmtree(state, ignore_errors=True)

    def _all(self) -> list[Path]:
        """List the folders of states; those of other names are the user's."""
        found = self.folder.glob("state-*")
        return [path for path in found if path.name.removeprefix("state-").isdecimal()]


class StateFile:
    """The latest state of a training in one file, for resuming; its folder must exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, device: torch.device) -> dict[str, Any] | None:
        """Read the state, its tensors on a device; None where there is none.

        Raises:
            ReidaugError: The file is damaged, or holds other objects, which are never made.
        """
        if not self.path.exists():
            return None
        check_tensor_file(self.path, what="training state")
        state = None
        if is_intact(self.path):
            with suppress(Exception):  # damaged files make the reader raise anything
                state = torch.load(self.path, map_location=device, weights_only=True)
        if not isinstance(state, dict):
            raise ReidaugError(
                f"{self.path}: not a readable training state; remove it, and the same command "
                "begins this training anew"
            )
        return state

    def write(self, state: Mapping[str, Any]) -> None:
        """Write a state of tensors and plain values atomically."""
        content = BytesIO()
        torch.save(dict(state), content)
        write_atomically(self.path, content.getvalue(), lasting=True)

    def remove(self) -> None:
        """Remove the state."""
        self.path.unlink(missing_ok=True)


def run_tasks(
    tasks: Iterable[Task],
    workers: int,
    *,
    backend: str = "loky",
    ordered: bool = True,
    advice: str = RETRY,
) -> Iterator[Any]:
    """Run tasks in several processes, and yield their results.

    Args:
        tasks: Results of ``joblib.delayed``.
        workers: Number of processes; 1 is this process.
        backend: ``loky``: processes of this machine. ``dask``: those of the dask cluster of dask's
            own settings (``DASK_SCHEDULER_ADDRESS``), or of a local one; all must share the files.
        ordered: Whether results come in the order of the tasks, or as they are ready.
        advice: What to do when a worker is killed.

    Raises:
        ReidaugError: A worker was killed.
        UsageError: The backend is unknown or not installed.
    """
    check_backend(backend)
    return_as = "generator" if ordered else "generator_unordered"
    with safe_children(), explain_killed_worker(advice), _backend(backend, workers):
        with deaf_children() if workers > 1 and backend == "loky" else nullcontext():
            results = Parallel(return_as=return_as, batch_size=1)(tasks)
        yield from results


def check_backend(backend: str) -> None:
    """Check before the work that a backend of `run_tasks` is known and installed; else raise."""
    if backend not in BACKENDS:
        raise UsageError(f"no backend {backend!r} (known: {', '.join(BACKENDS)})")
    if backend == "dask":
        require_extra("cluster", "distributed")


T = TypeVar("T")


def chunks_of(items: Sequence[T], length: int) -> list[Sequence[T]]:
    """Divide items into consecutive chunks of a length; the last one may be shorter."""
    return [items[k : k + length] for k in range(0, len(items), length)]


class Made(NamedTuple):
    """The work of `run_chunks`."""

    pieces: int  # pieces made, without those of chunks finished before
    seconds: float  # duration

    @property
    def rate(self) -> float:
        """Pieces per second, to one decimal."""
        return round(self.pieces / max(self.seconds, 1e-9), 1)


def run_chunks(
    tasks: Iterable[Task],
    workers: int,
    *,
    total: int,
    what: str,
    unit: str,
    step: int = 1,
    backend: str = "loky",
) -> Made:
    """Run the tasks of resumable chunks and show progress; errors as in `run_tasks`.

    Args:
        tasks: Results of ``joblib.delayed``. Each returns the number of items of its chunk, and
            of the pieces it made: 0 where the chunk has a record.
        workers: Number of processes.
        total: Pieces of all chunks.
        what: Name of the work.
        unit: Name of a piece.
        step: Pieces per item.
        backend: See `run_tasks`.
    """
    started, count = time.monotonic(), 0
    with counter(total=total, what=what, unit=unit) as advance:
        for items, made in run_tasks(tasks, workers, backend=backend):
            advance(items * step, before=not made)
            count += made
    return Made(count, time.monotonic() - started)


@contextmanager
def explain_killed_worker(advice: str) -> Iterator[None]:
    """Replace the error of a killed worker, also a data-loading one, by a `ReidaugError`.

    torch raises that of its own workers wherever the command is: it may have become another.
    """
    try:
        yield
    except (RuntimeError, ReidaugError) as error:
        # With a cause nobody was killed: the worker could not read its task.
        of_pool = isinstance(error, BrokenProcessPool) and error.__cause__ is None
        if not of_pool and LOADER_KILLED not in str(error):
            raise
        raise ReidaugError(f"a worker was killed, probably for lack of memory; {advice}") from None


def _begin(parent: int) -> None:
    """Let a worker end with its parent, and its streams take anything, as those of a command."""
    end_with_parent(parent)
    make_usable()


@contextmanager
def _backend(backend: str, workers: int) -> Iterator[None]:
    if backend == "loky":
        if workers > 1:
            # Of the process: the thread of the pool warns, perhaps when this block is over.
            warnings.filterwarnings("ignore", REPLACED, UserWarning, r"joblib\.externals\.loky\.")
            ending = {"initializer": _begin, "initargs": (os.getpid(),)}
            with parallel_config("loky", n_jobs=workers, **ending):
                yield
            return
        with parallel_config("sequential", n_jobs=1):
            yield
        return
    import dask
    from distributed import Client

    address = dask.config.get("scheduler-address", None)
    local = {} if address else {"n_workers": workers, "threads_per_worker": 1}
    with Client(address, **local) as client, parallel_config("dask", client=client):
        yield


def derive_seed(seed: int, *key: int) -> int:
    """Derive an independent seed, of 63 bits, for one part of a computation.

    Args:
        seed: Random seed of the run, not negative.
        key: Numbers that identify the part: a purpose, a person, a step. Keys of one run have equal
            lengths: NumPy reads a missing last number as 0.
    """
    state = np.random.SeedSequence([seed, *key]).generate_state(1, np.uint64)[0]
    return int(state >> np.uint64(1))


def torch_generator(seed: int, *key: int) -> torch.Generator:
    """Make torch's CPU generator for one part of a computation; see `derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(seed, *key))


def numpy_generator(seed: int, *key: int) -> np.random.Generator:
    """Make NumPy's generator for one part of a computation; see `derive_seed`."""
    return np.random.default_rng([seed, *key])
