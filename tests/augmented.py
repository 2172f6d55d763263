"""An augmented dataset in one call."""

from pathlib import Path
from typing import Any

from reidaug.augment.dataset import augment_dataset
from reidaug.augment.options import AugmentOptions
from reidaug.augment.summary import AugmentReport
from reidaug.flow.builtin import SHIPPED, named_flow


def augmented(
    dataset: Path, out: Path, *, flow: str = SHIPPED, workers: int = 1, **options: Any
) -> AugmentReport:
    """Augment a dataset in this process."""
    return augment_dataset(
        dataset, out, named_flow(flow), AugmentOptions(**options), workers=workers
    )
