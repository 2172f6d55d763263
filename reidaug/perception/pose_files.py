"""Files of estimated poses: a keypoint file, those beside it, masks; whose they are."""

import json
from collections.abc import Sequence
from pathlib import Path

from reidaug.data.image_folders import POSE_SHEET
from reidaug.data.images import mask_path
from reidaug.errors import ReidaugError
from reidaug.files import read_text, remove_partials
from reidaug.perception.pose_records import PoseJob
from reidaug.perception.pose_report import PoseReport
from reidaug.perception.provenance import provenance_file

REPORT, LEFT_OUT, SHEET = ".report.json", ".left_out.txt", POSE_SHEET
MASKS = "masks"
"""Record of the folder of masks a run writes to."""


def beside(out: Path, ending: str) -> Path:
    """Return the path next to a keypoint file with the ending `REPORT`, `LEFT_OUT` or `SHEET`."""
    return out.with_name(f"{out.stem}{ending}")


def is_outdated(out: Path, inputs: str) -> bool:
    """Whether the report beside a keypoint file is of other inputs, or the file is gone."""
    report = _report(out)
    return report is not None and (report.inputs != inputs or not out.exists())


def finished_report(
    job: PoseJob, out: Path, crops: Sequence[Path], inputs: str
) -> PoseReport | None:
    """Read the report of the same work done before; None where something is left to do.

    Raises:
        ReidaugError: ``out`` is of other work.
    """
    if not out.exists() or job.folder.exists():
        return None
    report = _report(out)
    if report is None or report.inputs != inputs:
        raise ReidaugError(
            f"{out} is there already, and not of these crops as they are now, or by another "
            "network or version; name another file with --out, or delete it"
        )
    needed = (beside(out, LEFT_OUT), beside(out, SHEET), provenance_file(out))
    complete = all(path.exists() for path in needed)
    if job.masks is not None:
        masks = sum(mask_path(job.masks, job.name(path)).exists() for path in crops)
        complete = complete and masks >= report.outlines
    return report if complete else None


def check_own(job: PoseJob, crops: Sequence[Path], out: Path) -> None:
    """Check that nothing of the user's would be overwritten, and remove what a killed run left.

    Files are a run's own where it left its records, or a report beside ``out``.

    Raises:
        ReidaugError: A file beside ``out`` or a mask is there already.
    """
    beside_out = [*(beside(out, ending) for ending in (REPORT, LEFT_OUT, SHEET))]
    beside_out.append(provenance_file(out))
    if job.folder.exists():
        remove_partials(out.parent, of=[out.name, *(path.name for path in beside_out)])
        if job.records.read(MASKS) != str(job.masks):  # those in this folder are of others
            _check_masks(job, crops)
        _remove_partial_masks(job, crops)
        return
    if _report(out) is None:
        for path in beside_out:
            if path.exists() or path.is_symlink():
                raise ReidaugError(
                    f"{path} is there already, and not of this command; name another file with "
                    "--out, or move it"
                )
    _check_masks(job, crops)


def _report(out: Path) -> PoseReport | None:
    """Read the report beside a keypoint file; None where there is none, or it is of other work."""
    try:
        return PoseReport(**json.loads(read_text(beside(out, REPORT))))
    except (ReidaugError, ValueError, TypeError):
        return None


def _remove_partial_masks(job: PoseJob, crops: Sequence[Path]) -> None:
    if job.masks is None:
        return
    files = [mask_path(job.masks, job.name(path)) for path in crops]
    for folder in {file.parent for file in files}:
        remove_partials(folder, of={file.name for file in files if file.parent == folder})


def _check_masks(job: PoseJob, crops: Sequence[Path]) -> None:
    """Refuse to overwrite masks of another run."""
    if job.masks is None or not job.masks.is_dir():
        return
    for path in crops:
        file = mask_path(job.masks, job.name(path))
        if file.exists():
            raise ReidaugError(f"{file} is there already; name another folder with --masks")
