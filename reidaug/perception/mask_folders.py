"""Folders of masks that `reidaug pose` made: whether it finished them, and what crops they are of.

Joints may come from elsewhere. A folder belongs to the keypoint files beside it whose records or
checksums name its masks.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from reidaug.errors import ReidaugError
from reidaug.jobs import Records
from reidaug.perception.pose_sums import (
    SUMS,
    changed_crops,
    check_finished,
    read_sums,
    records_folder,
    sums_file,
)

MASKS = "masks"
"""Record of the folder of masks a run writes to."""


def check_mask_folder(masks: Path | None, images: Sequence[Path], *, keypoints: Path) -> None:
    """Check that masks are finished, and of images as they are.

    Args:
        masks: The folder of masks; None passes.
        images: The images that masks are read for.
        keypoints: Their keypoint file, which is checked by itself.

    Raises:
        ReidaugError: `reidaug pose` has not finished the folder, or an image was changed since.
    """
    if masks is None:
        return
    for owner in _unfinished(masks):
        check_finished(owner)
    for owner in _finished(masks):
        changed = "" if owner == keypoints.resolve() else changed_crops(owner, images)
        if changed:
            raise ReidaugError(
                f"{masks}: crops are not as they were when `reidaug pose` made their masks: "
                f"{changed}; run it again as it was, and it makes these again, or remove "
                f"{sums_file(owner)} if their masks are the same"
            )


def _unfinished(masks: Path) -> Iterator[Path]:
    """List the keypoint files beside a folder of masks that are not finished, and write to it."""
    folder = masks.resolve()
    for path in sorted(folder.parent.glob(".*.csv.records")):
        keypoints = folder.parent / path.name.removeprefix(".").removesuffix(".records")
        if Records(records_folder(keypoints)).read(MASKS) == str(folder):
            yield keypoints


def _finished(masks: Path) -> Iterator[Path]:
    """List the finished keypoint files beside a folder of masks that have masks in it."""
    folder = masks.resolve()
    for path in sorted(folder.parent.glob(f"*{SUMS}")):
        keypoints = folder.parent / f"{path.name.removesuffix(SUMS)}.csv"
        sums = read_sums(keypoints)
        if sums and any(name.startswith(f"{folder.name}{os.sep}") for name in sums.files):
            yield keypoints
