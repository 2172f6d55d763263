"""Work shared among processes of this machine, in order, with a line where one was killed."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from joblib import Parallel
from joblib.externals.loky.process_executor import TerminatedWorkerError

from reidaug.errors import ReidaugError

GO_ON = "run the same command with fewer --workers, it goes on where it stopped"
Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def in_processes(tasks: Iterable[Task], workers: int, *, advice: str) -> Iterator[Any]:
    """Do tasks in several processes.

    Args:
        tasks: What ``joblib.delayed`` makes.
        workers: How many processes; with one it is this process, and no other has to start.
        advice: What to do when one is killed.

    Yields:
        What each task returns, in the order of the tasks.

    Raises:
        ReidaugError: A worker was killed.
    """
    with killed_worker_told(advice):
        yield from Parallel(
            n_jobs=max(1, workers),
            backend="loky" if workers > 1 else "sequential",
            return_as="generator",
            batch_size=1,
        )(tasks)


@contextmanager
def killed_worker_told(advice: str) -> Iterator[None]:
    """Say in a line that a worker was killed.

    Args:
        advice: What to do then.

    Raises:
        ReidaugError: A worker was killed.
    """
    try:
        yield
    except TerminatedWorkerError:
        raise ReidaugError(
            f"a worker was killed, most likely for want of memory; {advice}"
        ) from None
