"""What reads poses off warps, to compare them with the poses asked for."""

from dataclasses import dataclass
from pathlib import Path

from reidaug.augment.quality import PoseReader
from reidaug.errors import require_extra
from reidaug.perception.blazepose import PersonReader
from reidaug.perception.models import find_model


@dataclass(frozen=True)
class BlazePoseReader:
    """Makes readers of poses; equal to its copies in other processes, which make their own.

    Attributes:
        model: The pose network's file.
    """

    model: Path

    def __call__(self) -> PoseReader:
        """Make a reader."""
        return PersonReader(self.model)


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
    require_extra("pose", "ai_edge_litert")
    return BlazePoseReader(find_model(model))
