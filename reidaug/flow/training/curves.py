"""Curves of a training for TensorBoard; a full disk is an error of the training, in one line."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from reidaug.files import named_error


class Curves:
    """Curves of losses over steps; see `open_curves`."""

    def __init__(self, folder: Path, writer: SummaryWriter) -> None:
        self.folder = folder
        self._writer = writer

    def add(self, step: int, losses: Mapping[str, float]) -> None:
        """Add a point to every loss's curve; `OSError` that names the folder where it cannot."""
        with named_error(self.folder):
            for name, loss in losses.items():
                self._writer.add_scalar(name, loss, step)


@contextmanager
def open_curves(folder: Path, *, step: int) -> Iterator[Curves]:
    """Open the curves in a folder, which is made, and close them afterwards.

    Args:
        folder: Folder of TensorBoard's files.
        step: Steps taken so far; later points, of an interrupted run, are hidden.

    Raises:
        OSError: They cannot be written; it names the folder.
    """
    with _silent_writer():
        with named_error(folder):
            writer = SummaryWriter(str(folder), purge_step=step)
        try:
            yield Curves(folder, writer)
        except BaseException:
            with suppress(OSError):  # the error under way says more
                writer.close()
            raise
        with named_error(folder):
            writer.close()


@contextmanager
def _silent_writer() -> Iterator[None]:
    """Print no traceback of TensorBoard's writing thread: its error is raised where it is used."""
    before = threading.excepthook

    def hook(error: threading.ExceptHookArgs, /) -> None:
        if not issubclass(error.exc_type, OSError):
            before(error)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before
