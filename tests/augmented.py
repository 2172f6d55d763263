"""An augmented dataset in one call, and its content."""

import json
import os
from pathlib import Path
from typing import Any

from reidaug.augment.augmented_dataset import AugmentReport, augment_dataset
from reidaug.augment.options import AugmentOptions
from reidaug.fingerprint import FOLDER
from reidaug.flow.builtin import SHIPPED, named_flow

ON_GREY: dict[str, Any] = {"background": "grey", "min_quality": 0.0}
"""Options of an augmented dataset: every warp whatever its quality, on grey."""
EVERY = ("--background", "grey", "--min-quality", "0")
"""The same as flags of ``reidaug augment``, of which later ones count."""


def augmented(
    dataset: Path, out: Path, *, flow: str = SHIPPED, workers: int = 1, **options: Any
) -> AugmentReport:
    """Augment a dataset in this process: every warp, on grey, where nothing else is said."""
    chosen = AugmentOptions(**(ON_GREY | options))
    return augment_dataset(dataset, out, named_flow(flow), chosen, workers=workers)


PAGES = ("report.html", ".page.json")
TIMES = ("seconds", "images_per_s", "crops_per_s", "workers")


def content(out: Path) -> dict[str, bytes]:
    """Every file of a run by its name, without times and pages, also those of its inputs."""
    files = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.parent.name == FOLDER or path.name in PAGES:
            continue
        if path.is_symlink():
            files[name] = os.fsencode(path.readlink())
        elif path.is_file() and path.name.endswith("report.json"):
            report = json.loads(path.read_text())
            timeless = {k: v for k, v in report.items() if k not in TIMES}
            files[name] = json.dumps(timeless).encode()
        # Checksums are those of the report and its times, too.
        elif path.is_file() and not path.name.endswith(("log.jsonl", "checksums.json")):
            files[name] = path.read_bytes()
    return files
