"""What reads poses off warps, to compare them with the poses asked for."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from reidaug.augment.quality import PoseReader
from reidaug.errors import UsageError


@dataclass(frozen=True)
class BlazePoseReader:
    """Makes readers of poses; equal to its copies in other processes, which make their own.

    Attributes:
        model: The pose network's file.
    """

    model: Path

    def __call__(self) -> PoseReader:
        """Make a reader."""
        reader: PoseReader = _room("blazepose").PersonReader(self.model)
        return reader


def pose_reader(model: Path | None = None) -> BlazePoseReader:
    """Find what reads poses off pictures.

    Args:
        model: The pose network's file; None finds it.

    Returns:
        What makes a reader in every worker.

    Raises:
        ReidaugError: The network's file cannot be had.
        UsageError: The extra ``pose`` is not installed.
    """
    reader = BlazePoseReader(_room("models").find_model(model))
    reader()
    return reader


def _room(name: str) -> Any:
    """Import a module of the perception room only when poses are to be checked."""
    try:
        return import_module(f"reidaug.perception.{name}")
    except ImportError:
        raise UsageError("--check-poses needs pip install 'reidaug[pose]'") from None
